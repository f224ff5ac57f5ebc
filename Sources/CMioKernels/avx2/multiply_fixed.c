// y = W x for 16-bit fixed-point numbers with AVX2: one register holds 2 k of 8 rows of a panel.
//
// Sums that do not fit one pass over k wait in y, so every sum is added in the order of k whatever the blocking.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

// Groups of one pass: a panel of them (16 KB) stays in the first-level cache while the rows go by.
enum { PASS = 8 };

INLINE __m256 load_some(const float *source, size_t row, size_t columns) {
  if (row + 8 <= columns) return _mm256_loadu_ps(source + row);
  float rest[8] = {0};
  if (row < columns) memcpy(rest, source + row, (columns - row) * sizeof(float));
  return _mm256_loadu_ps(rest);
}

INLINE void store_some(float *target, size_t row, size_t columns, __m256 sums) {
  if (row + 8 <= columns) {
    _mm256_storeu_ps(target + row, sums);
  } else if (row < columns) {
    float rest[8];
    _mm256_storeu_ps(rest, sums);
    memcpy(target + row, rest, (columns - row) * sizeof(float));
  }
}

INLINE __m256i broadcast_pair(const int16_t *values) {
  int32_t bits;
  memcpy(&bits, values, 4);
  return _mm256_set1_epi32(bits);
}

/// Adds groups first ..< last to the sums of a panel and `tokens` rows of activations.
INLINE void tile(int tokens, mio_fixed_panels weights, size_t panel, size_t first, size_t last, const mio_fixed_rows *x,
    size_t token, mio_fixed_target y) {
  for (size_t group = first; group < last; group++) {
    const int16_t *w = weights.values + (panel * weights.groups + group) * 1024, *values[4];
    const float *scale = weights.scales + (panel * weights.groups + group) * 16;
    const size_t offset = group / x->run_groups * x->run_stride + group % x->run_groups;
    __m256i integers[2][4];
    for (int t = 0; t < tokens; t++) {
      values[t] = x->values + (x->starts[token + t] + offset) * MIO_FIXED_GROUP;
      for (int half = 0; half < 2; half++) integers[half][t] = _mm256_setzero_si256();
    }
    for (size_t pair = 0; pair < 32; pair++) {
      __m256i columns[2];
      for (int half = 0; half < 2; half++) columns[half] = _mm256_loadu_si256((const __m256i *)(w + pair * 32 + half * 16));
      for (int t = 0; t < tokens; t++) {
        const __m256i value = broadcast_pair(values[t] + 2 * pair);
        for (int half = 0; half < 2; half++) {
          integers[half][t] = _mm256_add_epi32(integers[half][t], _mm256_madd_epi16(columns[half], value));
        }
      }
    }
    for (int half = 0; half < 2; half++) {
      const size_t row = panel * 16 + 8 * half;
      const __m256 bias = group == 0 && y.bias ? load_some(y.bias, row, y.columns) : _mm256_setzero_ps();
      for (int t = 0; t < tokens; t++) {
        float *target = y.base + y.index_map[token + t] * y.stride;
        const float x_scale = x->scales[x->starts[token + t] + offset];
        __m256 sum = group > 0 || y.adds ? load_some(target, row, y.columns) : _mm256_setzero_ps();
        if (group == 0) sum = _mm256_add_ps(sum, bias);
        const __m256 both = _mm256_mul_ps(_mm256_loadu_ps(scale + 8 * half), _mm256_set1_ps(x_scale));
        store_some(target, row, y.columns, _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers[half][t]), both, sum));
      }
    }
  }
}

void mio_multiply_fixed_avx2(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y) {
  for (size_t first = 0; first < weights.groups; first += PASS) {
    const size_t last = first + PASS < weights.groups ? first + PASS : weights.groups;
    for (size_t panel = 0; panel < weights.panel_count; panel++) {
      size_t t = 0;
      for (; t + 4 <= x->count; t += 4) tile(4, weights, panel, first, last, x, t, y);
      for (; t < x->count; t++) tile(1, weights, panel, first, last, x, t, y);
    }
  }
}

#pragma clang attribute pop
#endif
