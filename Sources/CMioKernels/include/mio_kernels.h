// Kernels of mio-lite: pure functions over pointers; no allocation, no I/O, no threads, no state.
//
// Every table is complete, and every function gives the same bits on every instruction set: those of the plain definitions in
// Swift that the tests compare them with (Tests/MioKernelsTests/Reference). Weights lie in panels of 16 rows as `WeightFormat`
// and format-spec/SPEC.md describe.
#ifndef MIO_KERNELS_H
#define MIO_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// Only what Swift must not ask about says whether it may be null.
#pragma clang diagnostic ignored "-Wnullability-completeness"

#include "mio_attention.h"
#include "mio_fixed.h"
#include "mio_probe.h"

/// How a product of few rows asks memory for weights. No result depends on it; which way is fastest depends on the processor.
typedef struct {
  uint8_t panels;       // panels read side by side: 1, 2 or 4; with many rows of activations fewer are
  uint8_t groups_ahead; // groups of q4 asked for early, 0...64; with 0 left to the processor, for all panels side by side
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
/// f16: values beyond 65,504 held there. q8: scale = half(max |x| / 127), values rounded.
typedef void mio_pack_panel(const float *rows, size_t row_count, size_t columns, uint8_t *panel);

/// What packing to q4 looks up: see q4_search.h. Aligned to 64 bytes.
typedef struct mio_q4_search mio_q4_search;

/// The same in q4: see best_scales in vector/pack.h.
typedef void mio_pack_searched(
    const float *rows, size_t row_count, size_t columns, const mio_q4_search *search, uint8_t *panel);

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

/// The kernels of one instruction-set variant, all of them.
typedef struct {
  const char *_Nonnull name;
  mio_multiply_quantized *_Nonnull multiply_q4;
  mio_multiply_quantized *_Nonnull multiply_q8;
  mio_multiply_float *_Nonnull multiply_f32;
  mio_multiply_float *_Nonnull multiply_f16;
  mio_multiply_fixed *_Nonnull multiply_fixed;
  mio_fix_rows *_Nonnull fix_rows;
  mio_fix_group *_Nonnull fix_group;
  mio_fix_columns *_Nonnull fix_columns;
  mio_scale_rows *_Nonnull scale_rows;
  mio_fix_tiles *_Nonnull fix_tiles;
  mio_join_tiles *_Nonnull join_tiles;
  mio_f16_to_f32 *_Nonnull f16_to_f32;
  mio_f32_to_f16 *_Nonnull f32_to_f16;
  mio_online_softmax *_Nonnull online_softmax;
  mio_online_softmax_fixed *_Nonnull online_softmax_fixed;
  mio_quantize_rows *_Nonnull quantize_rows;
  mio_pack_searched *_Nonnull pack_q4;
  mio_pack_panel *_Nonnull pack_q8;
  mio_pack_panel *_Nonnull pack_f16;
  mio_pack_panel *_Nonnull pack_f32;
  mio_map *_Nonnull elu;
  mio_map *_Nonnull silu;
  mio_map *_Nonnull sigmoid;
  mio_map *_Nonnull tanh;
  mio_map *_Nonnull gelu;
  mio_map *_Nonnull softmax;
  mio_combine *_Nonnull swiglu;
  mio_combine *_Nonnull snake;
  mio_combine *_Nonnull gelu_bias;
  mio_gate *_Nonnull geglu;
  mio_layer_norm *_Nonnull layer_normalize;
  mio_sums *_Nonnull column_sums;
  mio_normalize *_Nonnull rms_normalize;
  mio_lstm *_Nonnull lstm_step;
  const mio_attention_kernels *_Nonnull attention;
} mio_kernels;

/// Levels this build knows for its architecture, from "portable" upwards.
size_t mio_variant_count(void);

/// The kernels of variant `index`, or null if this processor or operating system lacks the instructions.
const mio_kernels *mio_variant(size_t index);

/// How this processor is known to read weights fastest.
mio_streaming mio_default_streaming(void);

/// Values of the 4-bit indexes, ascending, in -64...63.
extern const int8_t mio_q4_levels[16];

/// Bytes that mio_prepare_q4_search fills.
size_t mio_q4_search_size(void);

/// Always the same, so that one will do for any number of panels.
void mio_prepare_q4_search(mio_q4_search *search);

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
