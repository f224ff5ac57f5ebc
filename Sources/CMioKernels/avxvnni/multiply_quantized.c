// Integer products with AVX-VNNI; everything else of this variant is AVX2.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "../x86_streaming.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))
#define MIO_NAME(name) name##_avxvnni
#define UNSIGNED_Q8 1

typedef enum { Q4, Q8 } Format;

/// Adds w x over four neighbouring bytes, w unsigned.
INLINE __m256i add_products(Format format, __m256i sum, __m256i w, __m256i x) {
  (void)format;
  return _mm256_dpbusd_avx_epi32(sum, w, x);
}

#include "../avx2/multiply_quantized.h"

#pragma clang attribute pop
#endif
