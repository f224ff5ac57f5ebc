// Attention with AVX2.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "../vector/vector.h"

#define MIO_NAME(name) name##_avx2
#define QUERIES 4
enum { KEY_OFFSET = 0, INTEGER_SCORES = 2, VALUE_LANES = 1, ASKS_AHEAD = 0 };

INLINE quads load_quads(const uint8_t *keys) {
  quads values;
  memcpy(&values, keys, sizeof values);
  return values;
}

/// |query| <= 128 and |key| <= 127 keep the 16-bit sums of two products from saturating.
INLINE __m256i add_half(__m256i sum, __m256i keys, __m256i query) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(query), _mm256_sign_epi8(keys, query));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE integers add_quads(integers sum, quads keys, int32_t query) {
  const __m256i all = _mm256_set1_epi32(query);
  integers result;
  result.lo = (__typeof__(result.lo))add_half((__m256i)sum.lo, (__m256i)keys.lo, all);
  result.hi = (__typeof__(result.hi))add_half((__m256i)sum.hi, (__m256i)keys.hi, all);
  return result;
}

#include "../vector/attention.h"

#pragma clang attribute pop
#endif
