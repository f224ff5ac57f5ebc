// y = W x for f32 and f16 weights with AVX-512: outer products of a register of 16 rows with broadcast activations.
//
// Sums that do not fit one pass over k wait in y, so every sum is added in the order of k whatever the blocking.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma,f16c"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

typedef enum { F32, F16 } Format;

// Columns of one pass: four panels of them (32 KB as f32) stay in the first-level cache while the tokens go by.
enum { PASS = 128 };

INLINE __m512 load_weights(Format format, const uint8_t *panel, size_t k) {
  return format == F32 ? _mm512_loadu_ps((const float *)(panel + k * 64))
                       : _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(panel + k * 32)));
}

INLINE __mmask16 row_mask(mio_target y, size_t row) {
  if (row >= y.columns) return 0;
  const size_t rest = y.columns - row;
  return rest >= 16 ? 0xFFFF : (__mmask16)((1u << rest) - 1);
}

/// Adds columns first ..< last to the sums of `panels` panels and `tokens` tokens.
INLINE void tile(Format format, int panels, int tokens, mio_panels weights, size_t panel, size_t first, size_t last, mio_rows x,
    size_t token, mio_target y) {
  const uint8_t *w[4];
  const float *rows[12];
  __m512 sums[4][12];
  for (int p = 0; p < panels; p++) w[p] = weights.base + (panel + p) * weights.panel_bytes;
  for (int t = 0; t < tokens; t++) rows[t] = x.base + (token + t) * x.stride;
  for (int p = 0; p < panels; p++) {
    const size_t row = (panel + p) * MIO_PANEL_ROWS;
    const __mmask16 mask = first == 0 ? 0 : row_mask(y, row);
    for (int t = 0; t < tokens; t++) sums[p][t] = _mm512_maskz_loadu_ps(mask, y.base + (token + t) * y.stride + row);
  }
#pragma clang loop unroll_count(2)
  for (size_t k = first; k < last; k++) {
    __m512 column[4];
    for (int p = 0; p < panels; p++) column[p] = load_weights(format, w[p], k);
    for (int t = 0; t < tokens; t++) {
      const __m512 value = _mm512_set1_ps(rows[t][k]);
      for (int p = 0; p < panels; p++) sums[p][t] = _mm512_fmadd_ps(column[p], value, sums[p][t]);
    }
  }
  for (int p = 0; p < panels; p++) {
    const size_t row = (panel + p) * MIO_PANEL_ROWS;
    for (int t = 0; t < tokens; t++) {
      _mm512_mask_storeu_ps(y.base + (token + t) * y.stride + row, row_mask(y, row), sums[p][t]);
    }
  }
}

/// One pass over k for `panels` panels and all tokens.
INLINE void pass(
    Format format, int panels, mio_panels weights, size_t panel, size_t first, size_t last, mio_rows x, mio_target y) {
  size_t t = 0;
  if (panels == 1) {
    for (; t + 12 <= x.count; t += 12) tile(format, 1, 12, weights, panel, first, last, x, t, y);
  }
  for (; t + 6 <= x.count; t += 6) tile(format, panels, 6, weights, panel, first, last, x, t, y);
  switch (x.count - t) {
    case 5: tile(format, panels, 5, weights, panel, first, last, x, t, y); break;
    case 4: tile(format, panels, 4, weights, panel, first, last, x, t, y); break;
    case 3: tile(format, panels, 3, weights, panel, first, last, x, t, y); break;
    case 2: tile(format, panels, 2, weights, panel, first, last, x, t, y); break;
    case 1: tile(format, panels, 1, weights, panel, first, last, x, t, y); break;
    default: break;
  }
}

INLINE void multiply(Format format, mio_panels weights, mio_rows x, mio_target y) {
  // A single tile of tokens reads every weight once; passes would only interrupt the stream.
  const size_t step = x.count <= 6 ? weights.length : PASS;
  for (size_t first = 0; first < weights.length; first += step) {
    const size_t last = first + step < weights.length ? first + step : weights.length;
    size_t panel = 0;
    for (; panel + 4 <= weights.panel_count; panel += 4) pass(format, 4, weights, panel, first, last, x, y);
    for (; panel + 2 <= weights.panel_count; panel += 2) pass(format, 2, weights, panel, first, last, x, y);
    for (; panel < weights.panel_count; panel++) pass(format, 1, weights, panel, first, last, x, y);
  }
}

void mio_multiply_f32_avx512(mio_panels weights, mio_rows x, mio_target y) { multiply(F32, weights, x, y); }
void mio_multiply_f16_avx512(mio_panels weights, mio_rows x, mio_target y) { multiply(F16, weights, x, y); }

#pragma clang attribute pop
#endif
