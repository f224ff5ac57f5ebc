// The q4 level nearest to a value by binary search, eight at a time; bit by bit what the comparisons in vector/pack.h give.
#ifndef MIO_AVX2_LEVELS_H
#define MIO_AVX2_LEVELS_H

#include "../vector/vector.h"
#include <immintrin.h>

#define MIO_HAS_NEAREST_INDEX

/// A comparison as 0 or -1.
INLINE __m256i is_above(__m256 v, __m256 middle) { return _mm256_castps_si256(_mm256_cmp_ps(v, middle, _CMP_GT_OQ)); }

/// 2 * index + 1 where v lies above the middle, else 2 * index.
INLINE __m256i descend(__m256i index, __m256 v, __m256 middle) {
  return _mm256_sub_epi32(_mm256_add_epi32(index, index), is_above(v, middle));
}

/// Middles 7, then 3 and 11, then every other one of the even, then the even ones: the paths through the sorted list.
INLINE __m256i nearest_index_of_eight(__m256 v) {
  const __m256i top = is_above(v, _mm256_set1_ps(-2.5f));
  const __m256 second = _mm256_blendv_ps(_mm256_set1_ps(-28), _mm256_set1_ps(21.5f), _mm256_castsi256_ps(top));
  __m256i index = descend(_mm256_sub_epi32(_mm256_setzero_si256(), top), v, second);
  index = descend(index, v, _mm256_permutevar8x32_ps(_mm256_setr_ps(-45.5f, -14, 9, 37.5f, 0, 0, 0, 0), index));
  return descend(index, v, _mm256_permutevar8x32_ps(_mm256_setr_ps(-57.5f, -36, -20.5f, -8, 3, 15, 29, 48.5f), index));
}

INLINE integers nearest_index(lanes v) {
  __m256i index[2];
  for (int half = 0; half < 2; half++) index[half] = nearest_index_of_eight(_mm256_loadu_ps((const float *)&v + 8 * half));
  integers result;
  memcpy(&result, index, sizeof result);
  return result;
}

#endif
