// Attention over cache pages with AVX2, FMA and F16C; definition in mio_attention.h.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "../vector/vector.h"
#define MIO_NAME(name) name##_avx2
#include "../vector/attention_row.h"

enum { I8, F16, F32 };

// 2^x of 8 lanes, x <= 0.
INLINE __m256 exp2_8(__m256 x) {
  __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 f = _mm256_sub_ps(x, n);
  __m256 p = _mm256_set1_ps(MIO_EXP2_C6);
  p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(MIO_EXP2_C5));
  p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(MIO_EXP2_C4));
  p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(MIO_EXP2_C3));
  p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(MIO_EXP2_C2));
  p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(MIO_EXP2_C1));
  p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(1.0f));
  __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  __m256 inside = _mm256_cmp_ps(x, _mm256_set1_ps(-126.0f), _CMP_GE_OQ);
  return _mm256_and_ps(inside, _mm256_mul_ps(p, _mm256_castsi256_ps(bits)));
}

INLINE float fold_8(__m256 x) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE float largest_8(__m256 x) {
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

INLINE __m256 bfloat_8(const void *source) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(source)), 16));
}

// Sums of four neighbouring products; |query| <= 128 and |key| <= 127 keep the 16-bit pair sums from saturating.
INLINE __m256i dot_4(__m256i sum, __m256i key, __m256i query) {
  __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(query), _mm256_sign_epi8(key, query));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// Scores of one panel of 16 positions for queries first ..< first + n, n <= 2.
INLINE void scores_i8(
    const mio_attention_block *block, size_t first, size_t n, const uint8_t *keys, const uint8_t *scales, __m256 score[][2]) {
  size_t width = block->width;
  __m256 total[2][2];
  for (size_t q = 0; q < n; q++) total[q][0] = total[q][1] = _mm256_setzero_ps();
  for (size_t g = 0; g < width / 32; g++) {
    __m256i high[2][2], low[2][2];
    for (size_t q = 0; q < n; q++)
      for (size_t h = 0; h < 2; h++) high[q][h] = low[q][h] = _mm256_setzero_si256();
    for (size_t s = 8 * g; s < 8 * g + 8; s++) {
      __m256i key[2] = {
          _mm256_loadu_si256((const void *)(keys + 64 * s)), _mm256_loadu_si256((const void *)(keys + 64 * s + 32))};
      for (size_t q = 0; q < n; q++) {
        const int32_t *parts = (const int32_t *)block->query[first + q];
        for (size_t h = 0; h < 2; h++) {
          high[q][h] = dot_4(high[q][h], key[h], _mm256_set1_epi32(parts[s]));
          low[q][h] = dot_4(low[q][h], key[h], _mm256_set1_epi32(parts[width / 4 + s]));
        }
      }
    }
    for (size_t h = 0; h < 2; h++) {
      __m256 scale = bfloat_8(scales + 32 * g + 16 * h);
      for (size_t q = 0; q < n; q++) {
        __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high[q][h], 8), low[q][h]);
        total[q][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, total[q][h]);
      }
    }
  }
  for (size_t q = 0; q < n; q++) {
    __m256 scale = _mm256_set1_ps(*(const float *)(block->query[first + q] + 2 * width + width / 8));
    for (size_t h = 0; h < 2; h++) score[q][h] = _mm256_mul_ps(total[q][h], scale);
  }
}

INLINE void scores_float(
    const mio_attention_block *block, size_t first, size_t n, const uint8_t *keys, int format, __m256 score[][2]) {
  for (size_t q = 0; q < n; q++) score[q][0] = score[q][1] = _mm256_setzero_ps();
  for (size_t d = 0; d < block->width; d++)
    for (size_t h = 0; h < 2; h++) {
      __m256 key = format == F16 ? _mm256_cvtph_ps(_mm_loadu_si128((const void *)(keys + 32 * d + 16 * h)))
                                 : _mm256_loadu_ps((const float *)(keys + 64 * d + 32 * h));
      for (size_t q = 0; q < n; q++)
        score[q][h] = _mm256_fmadd_ps(_mm256_set1_ps(((const float *)block->query[first + q])[d]), key, score[q][h]);
    }
}

// Scores of `n` queries over all positions, -infinity where they see nothing; returns with the maxima written.
INLINE void score(const mio_attention_block *block, size_t first, size_t n, int32_t positions, int format,
    float weights[][MIO_ATTENTION_CHUNK]) {
  size_t width = block->width;
  const __m256i lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
  __m256 maxima[4];
  for (size_t q = 0; q < n; q++) maxima[q] = _mm256_set1_ps(-__builtin_inff());
  for (int32_t start = 0; start < positions; start += 16) {
    const uint8_t *keys = block->pages[start / MIO_ATTENTION_PAGE] + block->keys;
    size_t panel = (size_t)start % MIO_ATTENTION_PAGE / 16;
    __m256 score[4][2];
    if (format == I8)
      scores_i8(block, first, n, keys + panel * 16 * width, keys + MIO_ATTENTION_PAGE * width + panel * width, score);
    else scores_float(block, first, n, keys + panel * 16 * width * (format == F16 ? 2 : 4), format, score);
    for (size_t q = 0; q < n; q++)
      for (size_t h = 0; h < 2; h++) {
        int32_t from = start + 8 * (int32_t)h;
        __m256i seen = _mm256_cmpgt_epi32(_mm256_set1_epi32(block->visible[first + q] - from), lanes);
        __m256 masked = _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), score[q][h], _mm256_castsi256_ps(seen));
        maxima[q] = _mm256_max_ps(maxima[q], masked);
        _mm256_store_ps(weights[q] + from, masked);
      }
  }
  for (size_t q = 0; q < n; q++) block->maximum[first + q] = largest_8(maxima[q]);
}

// Weights from scores, and their sum.
INLINE float weigh(float *weights, int32_t visible, int32_t positions, float maximum) {
  __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int32_t start = 0; start < positions; start += 16)
    for (size_t h = 0; h < 2; h++) {
      float *lanes = weights + start + 8 * h;
      __m256 weight = _mm256_setzero_ps();
      if (visible > start) weight = exp2_8(_mm256_sub_ps(_mm256_load_ps(lanes), _mm256_set1_ps(maximum)));
      sum[h] = _mm256_add_ps(sum[h], weight);
      _mm256_store_ps(lanes, weight);
    }
  return fold_8(_mm256_add_ps(sum[0], sum[1]));
}

// Weighted sums of 16 columns of the values for `n` queries, n <= 4.
INLINE void add_values(const mio_attention_block *block, size_t first, size_t n, size_t column, int32_t positions, int format,
    float weights[][MIO_ATTENTION_CHUNK]) {
  size_t width = block->width, group = column / 32;
  __m256 left[4], right[4];
  for (size_t q = 0; q < n; q++) left[q] = right[q] = _mm256_setzero_ps();
  for (int32_t start = 0; start < positions; start += MIO_ATTENTION_PAGE) {
    const uint8_t *values = block->pages[start / MIO_ATTENTION_PAGE] + block->values;
    const uint16_t *scales = (const uint16_t *)(values + MIO_ATTENTION_PAGE * (width + 2 * group));
    size_t size = format == I8 ? 1 : format == F16 ? 2 : 4;
    const uint8_t *rows = values + (MIO_ATTENTION_PAGE * 32 * group + column % 32) * size;
    int32_t count = positions - start < MIO_ATTENTION_PAGE ? positions - start : MIO_ATTENTION_PAGE;
    for (int32_t p = 0; p < count; p++) {
      const uint8_t *row = rows + 32 * size * (size_t)p;
      __m256 a, b;
      if (format == I8) {
        __m256 scale = _mm256_castsi256_ps(_mm256_set1_epi32((int32_t)((uint32_t)scales[p] << 16)));
        a = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)row))), scale);
        b = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(row + 8)))), scale);
      } else if (format == F16) {
        a = _mm256_cvtph_ps(_mm_loadu_si128((const void *)row));
        b = _mm256_cvtph_ps(_mm_loadu_si128((const void *)(row + 16)));
      } else {
        a = _mm256_loadu_ps((const float *)row);
        b = _mm256_loadu_ps((const float *)(row + 32));
      }
      for (size_t q = 0; q < n; q++) {
        __m256 weight = _mm256_set1_ps(weights[q][start + p]);
        left[q] = _mm256_fmadd_ps(weight, a, left[q]);
        right[q] = _mm256_fmadd_ps(weight, b, right[q]);
      }
    }
  }
  for (size_t q = 0; q < n; q++) {
    _mm256_storeu_ps(block->output + (first + q) * width + column, left[q]);
    _mm256_storeu_ps(block->output + (first + q) * width + column + 8, right[q]);
  }
}

// Up to four queries; their accumulators fit the sixteen registers.
INLINE void attend(const mio_attention_block *block, size_t first, size_t n, int format) {
  _Alignas(32) float weights[4][MIO_ATTENTION_CHUNK];
  int32_t positions = 0;
  for (size_t q = first; q < first + n; q++) positions = block->visible[q] > positions ? block->visible[q] : positions;
  if (format == I8) {
    for (size_t q = 0; q + 2 <= n; q += 2) score(block, first + q, 2, positions, format, weights + q);
    if (n % 2) score(block, first + n - 1, 1, positions, format, weights + n - 1);
  } else {
    score(block, first, n, positions, format, weights);
  }
  for (size_t q = 0; q < n; q++)
    block->sum[first + q] = weigh(weights[q], block->visible[first + q], positions, block->maximum[first + q]);
  for (size_t column = 0; column < block->width; column += 16) add_values(block, first, n, column, positions, format, weights);
}

INLINE void attend_all(const mio_attention_block *block, int format) {
  size_t first = 0;
  for (; first + 4 <= block->queries; first += 4) attend(block, first, 4, format);
  switch (block->queries - first) {
    case 1: attend(block, first, 1, format); break;
    case 2: attend(block, first, 2, format); break;
    case 3: attend(block, first, 3, format); break;
  }
}

static void attend_i8_avx2(const mio_attention_block *block) { attend_all(block, I8); }
static void attend_f16_avx2(const mio_attention_block *block) { attend_all(block, F16); }
static void attend_f32_avx2(const mio_attention_block *block) { attend_all(block, F32); }

const mio_attention_kernels mio_attention_avx2 = {attend_i8_avx2, attend_f16_avx2, attend_f32_avx2, prepare_i8_avx2};

#pragma clang attribute pop
#endif
