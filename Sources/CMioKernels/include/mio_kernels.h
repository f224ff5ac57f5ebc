// Kernels of mio-lite: pure functions over pointers; no allocation, no I/O, no threads, no state.
//
// Every function has a portable definition in Swift (MioKernels/Reference); the copies here give the same bits on every
// instruction set. Weights lie in panels of 16 rows as `WeightFormat` and format-spec/SPEC.md describe.
#ifndef MIO_KERNELS_H
#define MIO_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "mio_attention.h"
#include "mio_fixed.h"
#include "mio_probe.h"

/// How a product of few rows asks memory for weights. No result depends on it; which way is fastest depends on the processor.
typedef struct {
  uint8_t panels;       // panels read side by side: 1, 2 or 4; with many rows of activations fewer are
  uint8_t groups_ahead; // groups of q4 asked for early, 0...64; with 0 that is left to the processor
  uint8_t past_caches;  // whether they are asked for past the caches (non-temporal) rather than into all of them
} mio_streaming;

/// Consecutive panels of a weight matrix.
typedef struct {
  const uint8_t *base; // 64-byte aligned for q8 and q4
  size_t panel_count;  // at least 1
  size_t panel_bytes;  // from one panel to the next
  size_t length;       // f32, f16: columns; q8, q4: groups of 32 columns
  mio_streaming streaming;
} mio_panels;

/// Up to MIO_BLOCK_TOKENS rows of activations as signed bytes, group by group.
typedef struct {
  int8_t *values;       // [groups][tokens][32], in -127...127
  float *scales;        // [groups][tokens], max |x| / 127 of the group
  int32_t *corrections; // [groups][tokens], -64 times the sum of the 32 values
  size_t groups;
  size_t tokens;
} mio_quantized_rows;

/// Rows of floats; row t starts at base + t * stride, and rows may overlap.
typedef struct {
  const float *base;
  size_t stride;
  size_t count;
} mio_rows;

/// Where results go: element (t, r) at base[t * stride + r] for r < columns, r counted from the first panel's first row.
typedef struct {
  float *base;
  size_t stride;
  size_t columns;
} mio_target;

enum { MIO_PANEL_ROWS = 16, MIO_GROUP = 32, MIO_BLOCK_TOKENS = 64 };

/// y[t, r] = sum over groups g of float(sum over k of w q) * (weight scale * activation scale): the integer sum is exact,
/// the products are added by one fused multiply-add per group, in the order of the groups.
typedef void mio_multiply_quantized(mio_panels weights, const mio_quantized_rows *x, mio_target y);

/// y[t, r] = sum over k of W[r, k] x[t, k], one fused multiply-add per k, in the order of k.
typedef void mio_multiply_float(mio_panels weights, mio_rows x, mio_target y);

/// Quantizes rows `first ... first + y->tokens - 1` of x, `columns` floats each; missing values of the last group are 0.
typedef void mio_quantize_rows(mio_rows x, size_t first, size_t columns, const mio_quantized_rows *y);

/// Packs up to 16 rows of `columns` floats each, one after the other, into one panel. Missing rows become zeros.
/// q8: scale = half(max |x| / 127), values rounded. q4: see best_scale in vector/pack.h.
typedef void mio_pack_panel(const float *rows, size_t row_count, size_t columns, uint8_t *panel);

/// Element by element: elu, silu, sigmoid, tanh, gelu.
typedef void mio_map(float *x, size_t count);

/// Element by element, x with y: swiglu = silu(y) x, snake = x + sin(y x)^2 / (y + 1e-9), gelu_bias = gelu(x + y).
typedef void mio_combine(float *x, const float *y, size_t count);

/// y = x weight / sqrt(mean(x^2) + epsilon); y may be x.
typedef void mio_normalize(const float *x, const float *weight, float epsilon, float *y, size_t count);

/// y = x gelu(gate).
typedef void mio_gate(const float *x, const float *gate, float *y, size_t count);

/// y = (x - mean) / sqrt(variance + epsilon) weight + bias; y may be x.
typedef void mio_layer_norm(const float *x, const float *weight, const float *bias, float epsilon, float *y, size_t count);

/// Sums of x - center, or of its square, of every column over some rows, in their order.
typedef void mio_sums(
    const float *x, size_t rows, size_t stride, const float *centers, int squared, size_t columns, float *sums);

/// One LSTM cell; gates [4][width] in the order input, forget, candidate, output; cell and hidden [width] are updated.
typedef void mio_lstm(const float *gates, float *cell, float *hidden, size_t width);

/// The kernels of one instruction-set variant. A null entry means: use the portable definition.
typedef struct {
  const char *name;
  mio_multiply_quantized *multiply_q4;
  mio_multiply_quantized *multiply_q8;
  mio_multiply_float *multiply_f32;
  mio_multiply_float *multiply_f16;
  mio_multiply_fixed *multiply_fixed;
  mio_fix_rows *fix_rows;
  mio_fix_group *fix_group;
  mio_fix_columns *fix_columns;
  mio_scale_rows *scale_rows;
  mio_fix_tiles *fix_tiles;
  mio_join_tiles *join_tiles;
  mio_f16_to_f32 *f16_to_f32;
  mio_f32_to_f16 *f32_to_f16;
  mio_online_softmax *online_softmax;
  mio_online_softmax_fixed *online_softmax_fixed;
  mio_quantize_rows *quantize_rows;
  mio_pack_panel *pack_q4;
  mio_pack_panel *pack_q8;
  mio_pack_panel *pack_f16;
  mio_map *elu;
  mio_map *silu;
  mio_map *sigmoid;
  mio_map *tanh;
  mio_map *gelu;
  mio_map *softmax;
  mio_combine *swiglu;
  mio_combine *snake;
  mio_combine *gelu_bias;
  mio_gate *geglu;
  mio_layer_norm *layer_normalize;
  mio_sums *column_sums;
  mio_normalize *rms_normalize;
  mio_lstm *lstm_step;
  const mio_attention_kernels *attention;
} mio_kernels;

/// Levels this build knows for its architecture, from "portable" upwards.
size_t mio_variant_count(void);

/// The kernels of variant `index`, or null if this processor or operating system lacks the instructions.
const mio_kernels *mio_variant(size_t index);

/// How this processor is known to read weights fastest.
mio_streaming mio_default_streaming(void);

/// Values of the 4-bit indexes, ascending, in -64...63.
extern const int8_t mio_q4_levels[16];

/// Writes the set of processors that the scheduler may use for the calling thread, one bit each, to `set`.
/// Returns the bytes written, 0 if the system does not tell.
size_t mio_allowed_processors(uint8_t *set, size_t byte_count);

/// Tells the processor that the caller is waiting in a loop.
static inline void mio_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
