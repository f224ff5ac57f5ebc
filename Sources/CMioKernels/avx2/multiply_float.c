// y = W x for f32 and f16 weights with AVX2: outer products of a panel's 16 rows (two registers) with broadcast activations.
//
// Sums that do not fit one pass over k wait in y, so every sum is added in the order of k whatever the blocking.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

typedef enum { F32, F16 } Format;

// Columns of one pass: a panel of them (16 KB as f32) stays in the first-level cache while the tokens go by.
enum { PASS = 256 };

INLINE __m256 load_weights(Format format, const uint8_t *panel, size_t k, int half) {
  return format == F32 ? _mm256_loadu_ps((const float *)(panel + k * 64 + half * 32))
                       : _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(panel + k * 32 + half * 16)));
}

INLINE __m256 load_sums(mio_target y, size_t token, size_t row) {
  const float *source = y.base + token * y.stride + row;
  if (row + 8 <= y.columns) return _mm256_loadu_ps(source);
  float rest[8] = {0};
  if (row < y.columns) memcpy(rest, source, (y.columns - row) * sizeof(float));
  return _mm256_loadu_ps(rest);
}

INLINE void store_sums(mio_target y, size_t token, size_t row, __m256 sums) {
  float *target = y.base + token * y.stride + row;
  if (row + 8 <= y.columns) {
    _mm256_storeu_ps(target, sums);
  } else if (row < y.columns) {
    float rest[8];
    _mm256_storeu_ps(rest, sums);
    memcpy(target, rest, (y.columns - row) * sizeof(float));
  }
}

/// Adds columns first ..< last to the sums of `panels` panels and `tokens` tokens.
INLINE void tile(Format format, int panels, int tokens, mio_panels weights, size_t panel, size_t first, size_t last, mio_rows x,
    size_t token, mio_target y) {
  const uint8_t *w[2];
  const float *rows[6];
  __m256 sums[2][6][2];
  for (int p = 0; p < panels; p++) w[p] = weights.base + (panel + p) * weights.panel_bytes;
  for (int t = 0; t < tokens; t++) rows[t] = x.base + (token + t) * x.stride;
  for (int p = 0; p < panels; p++) {
    for (int t = 0; t < tokens; t++) {
      for (int half = 0; half < 2; half++) {
        sums[p][t][half] = first == 0 ? _mm256_setzero_ps() : load_sums(y, token + t, (panel + p) * MIO_PANEL_ROWS + 8 * half);
      }
    }
  }
  for (size_t k = first; k < last; k++) {
    __m256 column[2][2];
    for (int p = 0; p < panels; p++) {
      for (int half = 0; half < 2; half++) column[p][half] = load_weights(format, w[p], k, half);
    }
    for (int t = 0; t < tokens; t++) {
      const __m256 value = _mm256_set1_ps(rows[t][k]);
      for (int p = 0; p < panels; p++) {
        for (int half = 0; half < 2; half++) { sums[p][t][half] = _mm256_fmadd_ps(column[p][half], value, sums[p][t][half]); }
      }
    }
  }
  for (int p = 0; p < panels; p++) {
    for (int t = 0; t < tokens; t++) {
      for (int half = 0; half < 2; half++) {
        store_sums(y, token + t, (panel + p) * MIO_PANEL_ROWS + 8 * half, sums[p][t][half]);
      }
    }
  }
}

/// One pass over k for one panel and all tokens from `t` on, six at a time.
INLINE void pass(Format format, mio_panels weights, size_t panel, size_t first, size_t last, mio_rows x, mio_target y) {
  size_t t = 0;
  for (; t + 6 <= x.count; t += 6) tile(format, 1, 6, weights, panel, first, last, x, t, y);
  switch (x.count - t) {
    case 5: tile(format, 1, 5, weights, panel, first, last, x, t, y); break;
    case 4: tile(format, 1, 4, weights, panel, first, last, x, t, y); break;
    case 3: tile(format, 1, 3, weights, panel, first, last, x, t, y); break;
    case 2: tile(format, 1, 2, weights, panel, first, last, x, t, y); break;
    case 1: tile(format, 1, 1, weights, panel, first, last, x, t, y); break;
    default: break;
  }
}

INLINE void multiply(Format format, mio_panels weights, mio_rows x, mio_target y) {
  size_t panel = 0;
  if (x.count <= 2) {
    // Two panels at once: one would not keep the multipliers busy.
    for (; panel + 2 <= weights.panel_count; panel += 2) {
      if (x.count == 1) tile(format, 2, 1, weights, panel, 0, weights.length, x, 0, y);
      if (x.count == 2) tile(format, 2, 2, weights, panel, 0, weights.length, x, 0, y);
    }
  }
  // A single tile of tokens reads every weight once; passes would only interrupt the stream.
  const size_t step = x.count <= 6 ? weights.length : PASS;
  for (size_t first = 0; first < weights.length; first += step) {
    const size_t last = first + step < weights.length ? first + step : weights.length;
    for (size_t p = panel; p < weights.panel_count; p++) pass(format, weights, p, first, last, x, y);
  }
}

void mio_multiply_f32_avx2(mio_panels weights, mio_rows x, mio_target y) { multiply(F32, weights, x, y); }
void mio_multiply_f16_avx2(mio_panels weights, mio_rows x, mio_target y) { multiply(F16, weights, x, y); }

#pragma clang attribute pop
#endif
