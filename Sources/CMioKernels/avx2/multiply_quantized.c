// Integer products with plain AVX2.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "../x86_streaming.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))
#define MIO_NAME(name) name##_avx2
#define UNSIGNED_Q8 0

typedef enum { Q4, Q8 } Format;

/// Adds w x over four neighbouring bytes. Pairs are summed in 16 bits first: 2 * 119 * 127 (q4, variants + 64) and
/// 2 * 128 * 127 (q8, by magnitudes) both stay below 2^15.
INLINE __m256i add_products(Format format, __m256i sum, __m256i w, __m256i x) {
  const __m256i pairs =
      format == Q4 ? _mm256_maddubs_epi16(w, x) : _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "multiply_quantized.h"

#pragma clang attribute pop
#endif
