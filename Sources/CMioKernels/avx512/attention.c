// Attention with AVX-512, VNNI for int8 keys.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                                                                                  \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), apply_to = function)

#include "../vector/vector.h"

#define MIO_NAME(name) name##_avx512
#define QUERIES 8
// vpdpbusd takes keys as unsigned bytes.
enum { KEY_OFFSET = 128, INTEGER_SCORES = 8, VALUE_LANES = 2, ASKS_AHEAD = 1 };

INLINE quads load_quads(const uint8_t *keys) {
  return (quads)_mm512_xor_si512(_mm512_loadu_si512(keys), _mm512_set1_epi8((char)0x80));
}

INLINE integers add_quads(integers sum, quads keys, int32_t query) {
  return (integers)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)keys, _mm512_set1_epi32(query));
}

#include "../vector/attention.h"

#pragma clang attribute pop
#endif
