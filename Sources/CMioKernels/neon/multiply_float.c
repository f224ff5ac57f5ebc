// y = W x for f32 and f16 weights with NEON: outer products of a panel's 16 rows (four registers) with single activations.
//
// Sums that do not fit one pass over k wait in y, so every sum is added in the order of k whatever the blocking.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef enum { F32, F16 } Format;

// Columns of one pass: a panel of them (16 KB as f32) stays in the first-level cache while the tokens go by.
enum { PASS = 256 };

INLINE float32x4_t load_weights(Format format, const uint8_t *panel, size_t k, int quarter) {
  return format == F32 ? vld1q_f32((const float *)(panel + k * 64 + quarter * 16))
                       : vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)(panel + k * 32 + quarter * 8))));
}

INLINE void load_sums(mio_target y, size_t token, size_t row, float32x4_t sums[4]) {
  float rest[MIO_PANEL_ROWS] = {0};
  const float *source = y.base + token * y.stride + row;
  if (row + MIO_PANEL_ROWS > y.columns) {
    memcpy(rest, source, (y.columns - row) * sizeof(float));
    source = rest;
  }
  for (int quarter = 0; quarter < 4; quarter++) sums[quarter] = vld1q_f32(source + 4 * quarter);
}

INLINE void store_sums(mio_target y, size_t token, size_t row, const float32x4_t sums[4]) {
  float rest[MIO_PANEL_ROWS];
  float *target = y.base + token * y.stride + row;
  const int whole = row + MIO_PANEL_ROWS <= y.columns;
  for (int quarter = 0; quarter < 4; quarter++) vst1q_f32((whole ? target : rest) + 4 * quarter, sums[quarter]);
  if (!whole) memcpy(target, rest, (y.columns - row) * sizeof(float));
}

/// Adds columns first ..< last to the sums of one panel and `tokens` tokens.
INLINE void tile(Format format, int tokens, mio_panels weights, size_t panel, size_t first, size_t last, mio_rows x,
    size_t token, mio_target y) {
  const uint8_t *w = weights.base + panel * weights.panel_bytes;
  const size_t row = panel * MIO_PANEL_ROWS;
  float32x4_t sums[6][4];
  for (int t = 0; t < tokens; t++) {
    for (int quarter = 0; quarter < 4; quarter++) sums[t][quarter] = vdupq_n_f32(0);
    if (first > 0) load_sums(y, token + t, row, sums[t]);
  }
  for (size_t k = first; k < last; k++) {
    float32x4_t column[4];
    for (int quarter = 0; quarter < 4; quarter++) column[quarter] = load_weights(format, w, k, quarter);
    for (int t = 0; t < tokens; t++) {
      const float32x4_t value = vld1q_dup_f32(x.base + (token + t) * x.stride + k);
      for (int quarter = 0; quarter < 4; quarter++) sums[t][quarter] = vfmaq_f32(sums[t][quarter], column[quarter], value);
    }
  }
  for (int t = 0; t < tokens; t++) store_sums(y, token + t, row, sums[t]);
}

/// One pass over k for one panel and all tokens, six at a time.
INLINE void pass(Format format, mio_panels weights, size_t panel, size_t first, size_t last, mio_rows x, mio_target y) {
  size_t t = 0;
  for (; t + 6 <= x.count; t += 6) tile(format, 6, weights, panel, first, last, x, t, y);
  switch (x.count - t) {
    case 5: tile(format, 5, weights, panel, first, last, x, t, y); break;
    case 4: tile(format, 4, weights, panel, first, last, x, t, y); break;
    case 3: tile(format, 3, weights, panel, first, last, x, t, y); break;
    case 2: tile(format, 2, weights, panel, first, last, x, t, y); break;
    case 1: tile(format, 1, weights, panel, first, last, x, t, y); break;
    default: break;
  }
}

INLINE void multiply(Format format, mio_panels weights, mio_rows x, mio_target y) {
  // A single tile of tokens reads every weight once; passes would only interrupt the stream.
  const size_t step = x.count <= 6 ? weights.length : PASS;
  for (size_t first = 0; first < weights.length; first += step) {
    const size_t last = first + step < weights.length ? first + step : weights.length;
    for (size_t panel = 0; panel < weights.panel_count; panel++) pass(format, weights, panel, first, last, x, y);
  }
}

void mio_multiply_f32_neon(mio_panels weights, mio_rows x, mio_target y) { multiply(F32, weights, x, y); }
void mio_multiply_f16_neon(mio_panels weights, mio_rows x, mio_target y) { multiply(F16, weights, x, y); }

#endif
