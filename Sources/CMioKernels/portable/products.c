// y = W x on every processor of the architecture.
#include "halves.h"
#include "quads.h"

// MARK: - Floats

enum { TOKENS = 4 };

/// One panel and `tokens` rows of activations.
INLINE void float_tile(int tokens, int is_half, mio_panels weights, size_t panel, mio_rows x, size_t token, mio_target y) {
  const uint8_t *w = weights.base + panel * weights.panel_bytes;
  const size_t row = panel * MIO_PANEL_ROWS;
  lanes sums[TOKENS];
  for (int t = 0; t < tokens; t++) sums[t] = 0;
  for (size_t k = 0; k < weights.length; k++) {
    const lanes column = is_half ? load_halves(w + k * 32) : load_lanes((const float *)(const void *)(w + k * 64));
    for (int t = 0; t < tokens; t++) {
      sums[t] = __builtin_elementwise_fma(column, (lanes)x.base[(token + t) * x.stride + k], sums[t]);
    }
  }
  for (int t = 0; t < tokens; t++) store_some(y.base + (token + t) * y.stride + row, sums[t], y.columns - row);
}

INLINE void multiply_float(int is_half, mio_panels weights, mio_rows x, mio_target y) {
  for (size_t panel = 0; panel < weights.panel_count && panel * MIO_PANEL_ROWS < y.columns; panel++) {
    size_t t = 0;
    for (; t + TOKENS <= x.count; t += TOKENS) float_tile(TOKENS, is_half, weights, panel, x, t, y);
    for (; t < x.count; t++) float_tile(1, is_half, weights, panel, x, t, y);
  }
}

void mio_multiply_f32_portable(mio_panels weights, mio_rows x, mio_target y) { multiply_float(0, weights, x, y); }
void mio_multiply_f16_portable(mio_panels weights, mio_rows x, mio_target y) { multiply_float(1, weights, x, y); }

// MARK: - Bytes

/// The levels of a group of q4 as bytes: register s holds k 4s ... 4s + 3.
INLINE void unpack(const uint8_t *group, uint8_t w[512]) {
  for (int i = 0; i < 256; i++) {
    w[i] = (uint8_t)mio_q4_levels[group[i] & 15];
    w[256 + i] = (uint8_t)mio_q4_levels[group[i] >> 4];
  }
}

INLINE void multiply_panel(int is_q4, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  const size_t bytes = is_q4 ? 256 : 512, row = panel * MIO_PANEL_ROWS;
  lanes sums[MIO_BLOCK_TOKENS];
  for (size_t t = 0; t < x->tokens; t++) sums[t] = 0;
  for (size_t g = 0; g < weights.length; g++) {
    uint8_t levels[512];
    const uint8_t *w = base + g * bytes;
    if (is_q4) unpack(w, levels), w = levels;
    const lanes scales = load_halves(base + weights.length * bytes + g * 32);
    for (size_t t = 0; t < x->tokens; t++) {
      const size_t index = g * x->tokens + t;
      integers sum = 0;
      for (size_t s = 0; s < 8; s++) {
        int32_t four;
        memcpy(&four, x->values + index * MIO_GROUP + 4 * s, sizeof four);
        sum = add_quads(sum, load_quads(w + 64 * s), four);
      }
      sums[t] = __builtin_elementwise_fma(__builtin_convertvector(sum, lanes), scales * x->scales[index], sums[t]);
    }
  }
  for (size_t t = 0; t < x->tokens; t++) store_some(y.base + t * y.stride + row, sums[t], y.columns - row);
}

INLINE void multiply_quantized(int is_q4, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  for (size_t panel = 0; panel < weights.panel_count && panel * MIO_PANEL_ROWS < y.columns; panel++) {
    multiply_panel(is_q4, weights, panel, x, y);
  }
}

void mio_multiply_q4_portable(mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  multiply_quantized(1, weights, x, y);
}

void mio_multiply_q8_portable(mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  multiply_quantized(0, weights, x, y);
}

// MARK: - 16-bit fixed point

/// Adds to every row the products of its two columns with the two numbers of `pair`.
INLINE integers add_pairs(integers sum, integers columns, int32_t pair) {
  return sum + (columns << 16 >> 16) * (int32_t)(int16_t)pair + (columns >> 16) * (pair >> 16);
}

INLINE void fixed_row(mio_fixed_panels weights, size_t panel, const mio_fixed_rows *x, size_t token, mio_fixed_target y) {
  const size_t row = panel * 16, count = y.columns - row;
  float *target = y.base + y.index_map[token] * y.stride + row;
  lanes sum = y.adds ? load_some(target, count) : (lanes)0.0f;
  if (y.bias) sum += load_some(y.bias + row, count);
  for (size_t group = 0; group < weights.groups; group++) {
    const size_t position = x->starts[token] + group / x->run_groups * x->run_stride + group % x->run_groups;
    const size_t place = panel * weights.groups + group;
    integers products = 0;
    for (size_t k = 0; k < MIO_FIXED_GROUP; k += 2) {
      integers columns;
      int32_t pair;
      memcpy(&columns, weights.values + place * 1024 + k * 16, sizeof columns);
      memcpy(&pair, x->values + position * MIO_FIXED_GROUP + k, sizeof pair);
      products = add_pairs(products, columns, pair);
    }
    const lanes scale = load_lanes(weights.scales + place * 16) * x->scales[position];
    sum = __builtin_elementwise_fma(__builtin_convertvector(products, lanes), scale, sum);
  }
  store_some(target, sum, count);
}

void mio_multiply_fixed_portable(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y) {
  for (size_t panel = 0; panel < weights.panel_count && panel * 16 < y.columns; panel++) {
    for (size_t token = 0; token < x->count; token++) fixed_row(weights, panel, x, token, y);
  }
}
