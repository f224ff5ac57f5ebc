// Attention over cache pages with AVX-512 (VNNI for int8 keys); definition in mio_attention.h.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(                                                                                                  \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), apply_to = function)

#include "../vector/vector.h"
#define MIO_NAME(name) name##_avx512
#include "../vector/attention_row.h"

// 2^x of 16 lanes, x <= 0.
INLINE __m512 exp2_16(__m512 x) {
  __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 f = _mm512_sub_ps(x, n);
  __m512 p = _mm512_set1_ps(MIO_EXP2_C6);
  p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(MIO_EXP2_C5));
  p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(MIO_EXP2_C4));
  p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(MIO_EXP2_C3));
  p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(MIO_EXP2_C2));
  p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(MIO_EXP2_C1));
  p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(1.0f));
  __m512i bits = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
  __mmask16 inside = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-126.0f), _CMP_GE_OQ);
  return _mm512_maskz_mul_ps(inside, p, _mm512_castsi512_ps(bits));
}

INLINE float fold_16(__m512 x) {
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

INLINE __m512 bfloat_16(const void *source) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(source)), 16));
}

// Scores of one panel of 16 positions for `n` queries; i8 keys times 16-bit queries, exact within a group.
INLINE void scores_i8(const mio_attention_block *block, size_t n, const uint8_t *keys, const uint8_t *scales, __m512 score[8]) {
  size_t width = block->width;
  __m512 total[8];
  for (size_t q = 0; q < n; q++) total[q] = _mm512_setzero_ps();
  for (size_t g = 0; g < width / 32; g++) {
    __m512i high[8], low[8];
    for (size_t q = 0; q < n; q++) {
      // The keys are multiplied as unsigned bytes, key + 128: start with what that adds.
      const int32_t *sums = (const int32_t *)(block->query[q] + 2 * width);
      low[q] = _mm512_set1_epi32(-128 * sums[g]);
      high[q] = _mm512_setzero_si512();
    }
    for (size_t s = 8 * g; s < 8 * g + 8; s++) {
      __m512i key = _mm512_xor_si512(_mm512_loadu_si512(keys + 64 * s), _mm512_set1_epi8((char)0x80));
      for (size_t q = 0; q < n; q++) {
        const int32_t *parts = (const int32_t *)block->query[q];
        high[q] = _mm512_dpbusd_epi32(high[q], key, _mm512_set1_epi32(parts[s]));
        low[q] = _mm512_dpbusd_epi32(low[q], key, _mm512_set1_epi32(parts[width / 4 + s]));
      }
    }
    __m512 scale = bfloat_16(scales + 32 * g);
    for (size_t q = 0; q < n; q++) {
      __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(high[q], 8), low[q]);
      total[q] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, total[q]);
    }
  }
  for (size_t q = 0; q < n; q++) {
    float scale = *(const float *)(block->query[q] + 2 * width + width / 8);
    score[q] = _mm512_mul_ps(total[q], _mm512_set1_ps(scale));
  }
}

INLINE void scores_float(const mio_attention_block *block, size_t n, const uint8_t *keys, int half, __m512 score[8]) {
  for (size_t q = 0; q < n; q++) score[q] = _mm512_setzero_ps();
  for (size_t d = 0; d < block->width; d++) {
    __m512 key = half ? _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(keys + 32 * d))) : _mm512_loadu_ps(keys + 64 * d);
    for (size_t q = 0; q < n; q++)
      score[q] = _mm512_fmadd_ps(_mm512_set1_ps(((const float *)block->query[q])[d]), key, score[q]);
  }
}

enum { I8, F16, F32 };

INLINE void prefetch(const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i += 64) __builtin_prefetch(bytes + i);
}

INLINE void prefetch_keys(const mio_attention_block *block, int32_t start, int format) {
  const uint8_t *keys = block->pages[start / MIO_ATTENTION_PAGE] + block->keys;
  size_t panel = (size_t)start % MIO_ATTENTION_PAGE / 16, width = block->width;
  size_t bytes = 16 * width * (format == I8 ? 1 : format == F16 ? 2 : 4);
  prefetch(keys + panel * bytes, bytes);
  if (format == I8) prefetch(keys + MIO_ATTENTION_PAGE * width + panel * width, width);
}

// The quarter of a page's values that goes with a panel of its keys; both take the same number of bytes.
INLINE void prefetch_values(const mio_attention_block *block, int32_t start) {
  size_t bytes = (block->values - block->keys) / 4, panel = (size_t)start % MIO_ATTENTION_PAGE / 16;
  prefetch(block->pages[start / MIO_ATTENTION_PAGE] + block->values + panel * bytes, bytes);
}

INLINE void attend(const mio_attention_block *block, size_t n, int format) {
  _Alignas(64) float weights[8][MIO_ATTENTION_CHUNK];
  size_t width = block->width;
  int32_t positions = 0;
  for (size_t q = 0; q < n; q++) positions = block->visible[q] > positions ? block->visible[q] : positions;

  // Scores and their maxima. What comes next is asked from memory early: keys two panels ahead, and the values.
  __m512 maxima[8];
  for (size_t q = 0; q < n; q++) maxima[q] = _mm512_set1_ps(-__builtin_inff());
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  for (int32_t start = 0; start < positions; start += 16) {
    const uint8_t *keys = block->pages[start / MIO_ATTENTION_PAGE] + block->keys;
    size_t panel = (size_t)start % MIO_ATTENTION_PAGE / 16;
    prefetch_values(block, start);
    if (start + 32 < positions) prefetch_keys(block, start + 32, format);
    __m512 score[8];
    if (format == I8) scores_i8(block, n, keys + panel * 16 * width, keys + MIO_ATTENTION_PAGE * width + panel * width, score);
    else scores_float(block, n, keys + panel * 16 * width * (format == F16 ? 2 : 4), format == F16, score);
    for (size_t q = 0; q < n; q++) {
      __mmask16 seen = _mm512_cmplt_epi32_mask(lanes, _mm512_set1_epi32(block->visible[q] - start));
      __m512 masked = _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), seen, score[q]);
      maxima[q] = _mm512_max_ps(maxima[q], masked);
      _mm512_store_ps(weights[q] + start, masked);
    }
  }

  // Weights and their sums.
  for (size_t q = 0; q < n; q++) {
    float maximum = _mm512_reduce_max_ps(maxima[q]);
    __m512 sum = _mm512_setzero_ps();
    for (int32_t start = 0; start < positions; start += 16) {
      __m512 weight = _mm512_setzero_ps();
      if (block->visible[q] > start)
        weight = exp2_16(_mm512_sub_ps(_mm512_load_ps(weights[q] + start), _mm512_set1_ps(maximum)));
      sum = _mm512_add_ps(sum, weight);
      _mm512_store_ps(weights[q] + start, weight);
    }
    block->maximum[q] = maximum;
    block->sum[q] = fold_16(sum);
  }

  // Weighted sums of the values, 32 columns at a time.
  for (size_t g = 0; g < width / 32; g++) {
    __m512 left[8], right[8];
    for (size_t q = 0; q < n; q++) left[q] = right[q] = _mm512_setzero_ps();
    for (int32_t start = 0; start < positions; start += MIO_ATTENTION_PAGE) {
      const uint8_t *values = block->pages[start / MIO_ATTENTION_PAGE] + block->values;
      int32_t count = positions - start < MIO_ATTENTION_PAGE ? positions - start : MIO_ATTENTION_PAGE;
      _Alignas(64) float scales[MIO_ATTENTION_PAGE];
      if (format == I8) {
        const uint8_t *source = values + MIO_ATTENTION_PAGE * (width + 2 * g);
        for (size_t part = 0; part < MIO_ATTENTION_PAGE; part += 16)
          _mm512_store_ps(scales + part, bfloat_16(source + 2 * part));
      }
      const uint8_t *rows = values + MIO_ATTENTION_PAGE * 32 * g * (format == I8 ? 1 : format == F16 ? 2 : 4);
      for (int32_t p = 0; p < count; p++) {
        __m512 a, b;
        if (format == I8) {
          __m512 scale = _mm512_set1_ps(scales[p]);
          const __m128i *row = (const __m128i *)(rows + 32 * p);
          a = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(row))), scale);
          b = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(row + 1))), scale);
        } else if (format == F16) {
          const __m256i *row = (const __m256i *)(rows + 64 * p);
          a = _mm512_cvtph_ps(_mm256_loadu_si256(row));
          b = _mm512_cvtph_ps(_mm256_loadu_si256(row + 1));
        } else {
          a = _mm512_loadu_ps(rows + 128 * p);
          b = _mm512_loadu_ps(rows + 128 * p + 64);
        }
        for (size_t q = 0; q < n; q++) {
          __m512 weight = _mm512_set1_ps(weights[q][start + p]);
          left[q] = _mm512_fmadd_ps(weight, a, left[q]);
          right[q] = _mm512_fmadd_ps(weight, b, right[q]);
        }
      }
    }
    for (size_t q = 0; q < n; q++) {
      _mm512_storeu_ps(block->output + q * width + 32 * g, left[q]);
      _mm512_storeu_ps(block->output + q * width + 32 * g + 16, right[q]);
    }
  }
}

// One body per number of queries keeps every accumulator in a register.
INLINE void dispatch(const mio_attention_block *block, int format) {
  switch (block->queries) {
    case 1: attend(block, 1, format); break;
    case 2: attend(block, 2, format); break;
    case 3: attend(block, 3, format); break;
    case 4: attend(block, 4, format); break;
    case 5: attend(block, 5, format); break;
    case 6: attend(block, 6, format); break;
    case 7: attend(block, 7, format); break;
    default: attend(block, 8, format); break;
  }
}

static void attend_i8_avx512(const mio_attention_block *block) { dispatch(block, I8); }
static void attend_f16_avx512(const mio_attention_block *block) { dispatch(block, F16); }
static void attend_f32_avx512(const mio_attention_block *block) { dispatch(block, F32); }

const mio_attention_kernels mio_attention_avx512 = {attend_i8_avx512, attend_f16_avx512, attend_f32_avx512, prepare_i8_avx512};

#pragma clang attribute pop
#endif
