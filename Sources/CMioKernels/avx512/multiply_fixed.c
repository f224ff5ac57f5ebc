// y = W x for 16-bit fixed-point numbers with AVX-512 VNNI: one register holds 2 k of all 16 rows of a panel.
//
// Sums that do not fit one pass over k wait in y, so every sum is added in the order of k whatever the blocking.
#include "../levels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

// Groups of one pass: four panels of them (32 KB) stay in the first-level cache while the rows go by.
enum { PASS = 4 };

INLINE __mmask16 column_mask(mio_fixed_target y, size_t row) {
  if (row >= y.columns) return 0;
  const size_t rest = y.columns - row;
  return rest >= 16 ? 0xFFFF : (__mmask16)((1u << rest) - 1);
}

INLINE __m512i broadcast_pair(const int16_t *values) {
  int32_t bits;
  memcpy(&bits, values, 4);
  return _mm512_set1_epi32(bits);
}

/// Adds groups first ..< last to the sums of `panels` panels and `tokens` rows of activations.
INLINE void tile(
    int panels, int tokens, mio_fixed_panels weights, size_t panel, size_t first, size_t last, const mio_fixed_rows *x,
    size_t token, mio_fixed_target y) {
  __m512 sums[12][4];
  for (int p = 0; p < panels; p++) {
    const size_t row = (panel + p) * 16;
    const __mmask16 mask = column_mask(y, row);
    const __m512 bias = first == 0 && y.bias ? _mm512_maskz_loadu_ps(mask, y.bias + row) : _mm512_setzero_ps();
    const __mmask16 loaded = first > 0 || y.adds ? mask : 0;
    for (int t = 0; t < tokens; t++) {
      sums[t][p] = _mm512_add_ps(_mm512_maskz_loadu_ps(loaded, y.base + y.places[token + t] * y.stride + row), bias);
    }
  }
  for (size_t group = first; group < last; group++) {
    const int16_t *w[4], *values[12];
    const float *scales[12];
    __m512i integers[4][12];
    const size_t offset = group / x->run_groups * x->run_stride + group % x->run_groups;
    for (int p = 0; p < panels; p++) w[p] = weights.values + ((panel + p) * weights.groups + group) * 1024;
    for (int t = 0; t < tokens; t++) {
      values[t] = x->values + (x->starts[token + t] + offset) * MIO_FIXED_GROUP;
      scales[t] = x->scales + x->starts[token + t] + offset;
      for (int p = 0; p < panels; p++) integers[p][t] = _mm512_setzero_si512();
    }
// Unrolled, the compiler splits every second vpdpwssd into a product and a sum, which costs a quarter of the speed.
#pragma clang loop unroll(disable)
    for (size_t pair = 0; pair < 32; pair++) {
      __m512i columns[4];
      for (int p = 0; p < panels; p++) columns[p] = _mm512_load_si512(w[p] + pair * 32);
      for (int t = 0; t < tokens; t++) {
        const __m512i value = broadcast_pair(values[t] + 2 * pair);
        for (int p = 0; p < panels; p++) integers[p][t] = _mm512_dpwssd_epi32(integers[p][t], columns[p], value);
      }
    }
    for (int p = 0; p < panels; p++) {
      const __m512 scale = _mm512_loadu_ps(weights.scales + ((panel + p) * weights.groups + group) * 16);
      for (int t = 0; t < tokens; t++) {
        const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(*scales[t]));
        sums[t][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers[p][t]), both, sums[t][p]);
      }
    }
  }
  for (int p = 0; p < panels; p++) {
    const size_t row = (panel + p) * 16;
    const __mmask16 mask = column_mask(y, row);
    for (int t = 0; t < tokens; t++) _mm512_mask_storeu_ps(y.base + y.places[token + t] * y.stride + row, mask, sums[t][p]);
  }
}

/// One pass over k for `panels` panels and all rows of activations.
INLINE void pass(
    int panels, mio_fixed_panels weights, size_t panel, size_t first, size_t last, const mio_fixed_rows *x,
    mio_fixed_target y) {
  size_t t = 0;
  if (panels == 1) {
    for (; t + 12 <= x->count; t += 12) tile(1, 12, weights, panel, first, last, x, t, y);
  }
  for (; t + 6 <= x->count; t += 6) tile(panels, 6, weights, panel, first, last, x, t, y);
  switch (x->count - t) {
    case 5: tile(panels, 5, weights, panel, first, last, x, t, y); break;
    case 4: tile(panels, 4, weights, panel, first, last, x, t, y); break;
    case 3: tile(panels, 3, weights, panel, first, last, x, t, y); break;
    case 2: tile(panels, 2, weights, panel, first, last, x, t, y); break;
    case 1: tile(panels, 1, weights, panel, first, last, x, t, y); break;
    default: break;
  }
}

void mio_multiply_fixed_avx512(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y) {
  for (size_t first = 0; first < weights.groups; first += PASS) {
    const size_t last = first + PASS < weights.groups ? first + PASS : weights.groups;
    size_t panel = 0;
    for (; panel + 4 <= weights.panel_count; panel += 4) pass(4, weights, panel, first, last, x, y);
    for (; panel + 2 <= weights.panel_count; panel += 2) pass(2, weights, panel, first, last, x, y);
    for (; panel < weights.panel_count; panel++) pass(1, weights, panel, first, last, x, y);
  }
}

#pragma clang attribute pop
#endif
