// The q4 level nearest to a value by table, sixteen at a time; bit by bit what the comparisons in vector/pack.h give.
#ifndef MIO_AVX512_LEVELS_H
#define MIO_AVX512_LEVELS_H

#include "../vector/vector.h"
#include <immintrin.h>

#define MIO_HAS_NEAREST_INDEX

// Buckets of 5.25 hold at most one middle between levels each. Bucket k, the rounded v / 5.25 in -15...15, lies at k mod 32;
// no middle is nearer than 0.1 to the edge of a bucket, so the rounding of the quotient does no harm.
#define NONE __builtin_inff()
static const float bucket_middles[32] = {-2.5f, 3, 9, 15, 21.5f, NONE, 29, 37.5f, NONE, 48.5f, NONE, NONE, NONE, NONE, NONE,
    NONE, NONE, NONE, NONE, NONE, NONE, -57.5f, NONE, -45.5f, NONE, -36, NONE, -28, -20.5f, -14, -8, NONE};
#undef NONE
/// Levels below the bucket's middle.
static const int32_t bucket_bases[32] = {
    7, 8, 9, 10, 11, 12, 12, 13, 14, 14, 15, 15, 15, 15, 15, 15, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7};

/// |v| < 81.
INLINE integers nearest_index(lanes v) {
  const __m512 x = (__m512)v;
  // The low bits of a float near 1.5 * 2^23 are the rounded number; the permutation looks at five of them.
  const __m512i bucket = _mm512_castps_si512(_mm512_fmadd_ps(x, _mm512_set1_ps(1 / 5.25f), _mm512_set1_ps(12582912.0f)));
  const __m512 middle = _mm512_permutex2var_ps(_mm512_loadu_ps(bucket_middles), bucket, _mm512_loadu_ps(bucket_middles + 16));
  const __m512i base =
      _mm512_permutex2var_epi32(_mm512_loadu_si512(bucket_bases), bucket, _mm512_loadu_si512(bucket_bases + 16));
  const __mmask16 above = _mm512_cmp_ps_mask(x, middle, _CMP_GT_OQ);
  return (integers)_mm512_mask_add_epi32(base, above, base, _mm512_set1_epi32(1));
}

#endif
