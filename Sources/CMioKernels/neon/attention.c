// Attention over cache pages with NEON and its dot product; definition in mio_attention.h.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "../vector/vector.h"
#define MIO_NAME(name) name##_neon
#include "../vector/attention_row.h"

enum { I8, F16, F32 };

// 2^x of 4 lanes, x <= 0.
INLINE float32x4_t exp2_4(float32x4_t x) {
  float32x4_t n = vrndnq_f32(x);
  float32x4_t f = vsubq_f32(x, n);
  float32x4_t p = vdupq_n_f32(MIO_EXP2_C6);
  p = vaddq_f32(vmulq_f32(p, f), vdupq_n_f32(MIO_EXP2_C5));
  p = vaddq_f32(vmulq_f32(p, f), vdupq_n_f32(MIO_EXP2_C4));
  p = vaddq_f32(vmulq_f32(p, f), vdupq_n_f32(MIO_EXP2_C3));
  p = vaddq_f32(vmulq_f32(p, f), vdupq_n_f32(MIO_EXP2_C2));
  p = vaddq_f32(vmulq_f32(p, f), vdupq_n_f32(MIO_EXP2_C1));
  p = vaddq_f32(vmulq_f32(p, f), vdupq_n_f32(1.0f));
  int32x4_t bits = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23);
  uint32x4_t inside = vcgeq_f32(x, vdupq_n_f32(-126.0f));
  float32x4_t power = vmulq_f32(p, vreinterpretq_f32_s32(bits));
  return vreinterpretq_f32_u32(vandq_u32(inside, vreinterpretq_u32_f32(power)));
}

INLINE float32x4_t bfloat_4(const void *source) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(source), 16)); }

INLINE float32x4_t half_4(const void *source) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(source))); }

// Scores of one panel of 16 positions for one query, four lanes each.
INLINE void scores_i8(size_t width, const uint8_t *query, const uint8_t *keys, const uint8_t *scales, float32x4_t score[4]) {
  const int32_t *parts = (const int32_t *)query;
  for (size_t i = 0; i < 4; i++) score[i] = vdupq_n_f32(0);
  for (size_t g = 0; g < width / 32; g++) {
    int32x4_t high[4], low[4];
    for (size_t i = 0; i < 4; i++) high[i] = low[i] = vdupq_n_s32(0);
    for (size_t s = 8 * g; s < 8 * g + 8; s++) {
      int8x16_t upper = vreinterpretq_s8_s32(vdupq_n_s32(parts[s]));
      int8x16_t lower = vreinterpretq_s8_s32(vdupq_n_s32(parts[width / 4 + s]));
      for (size_t i = 0; i < 4; i++) {
        int8x16_t key = vld1q_s8((const int8_t *)keys + 64 * s + 16 * i);
        high[i] = vdotq_s32(high[i], key, upper);
        low[i] = vdotq_s32(low[i], key, lower);
      }
    }
    for (size_t i = 0; i < 4; i++) {
      int32x4_t sum = vaddq_s32(vshlq_n_s32(high[i], 8), low[i]);
      score[i] = vfmaq_f32(score[i], vcvtq_f32_s32(sum), bfloat_4(scales + 32 * g + 8 * i));
    }
  }
  float scale = *(const float *)(query + 2 * width + width / 8);
  for (size_t i = 0; i < 4; i++) score[i] = vmulq_n_f32(score[i], scale);
}

INLINE void scores_float(size_t width, const uint8_t *query, const uint8_t *keys, int format, float32x4_t score[4]) {
  for (size_t i = 0; i < 4; i++) score[i] = vdupq_n_f32(0);
  for (size_t d = 0; d < width; d++)
    for (size_t i = 0; i < 4; i++) {
      float32x4_t key = format == F16 ? half_4(keys + 32 * d + 8 * i) : vld1q_f32((const float *)(keys + 64 * d) + 4 * i);
      score[i] = vfmaq_n_f32(score[i], key, ((const float *)query)[d]);
    }
}

// Scores of one query over all positions and their maximum, then weights and their sum.
INLINE void weigh(
    const mio_attention_block *block, size_t q, int32_t positions, int format, float weights[MIO_ATTENTION_CHUNK]) {
  size_t width = block->width;
  const int32x4_t lanes = {0, 1, 2, 3};
  float32x4_t maxima = vdupq_n_f32(-__builtin_inff());
  for (int32_t start = 0; start < block->visible[q]; start += 16) {
    const uint8_t *keys = block->pages[start / MIO_ATTENTION_PAGE] + block->keys;
    size_t panel = (size_t)start % MIO_ATTENTION_PAGE / 16;
    float32x4_t score[4];
    if (format == I8)
      scores_i8(width, block->query[q], keys + panel * 16 * width, keys + MIO_ATTENTION_PAGE * width + panel * width, score);
    else scores_float(width, block->query[q], keys + panel * 16 * width * (format == F16 ? 2 : 4), format, score);
    for (int32_t i = 0; i < 4; i++) {
      uint32x4_t seen = vcltq_s32(lanes, vdupq_n_s32(block->visible[q] - start - 4 * i));
      float32x4_t masked = vbslq_f32(seen, score[i], vdupq_n_f32(-__builtin_inff()));
      maxima = vmaxq_f32(maxima, masked);
      vst1q_f32(weights + start + 4 * i, masked);
    }
  }
  float maximum = vmaxvq_f32(maxima);
  float32x4_t sum[4];
  for (size_t i = 0; i < 4; i++) sum[i] = vdupq_n_f32(0);
  for (int32_t start = 0; start < positions; start += 16)
    for (int32_t i = 0; i < 4; i++) {
      float32x4_t weight = vdupq_n_f32(0);
      if (block->visible[q] > start) weight = exp2_4(vsubq_f32(vld1q_f32(weights + start + 4 * i), vdupq_n_f32(maximum)));
      sum[i] = vaddq_f32(sum[i], weight);
      vst1q_f32(weights + start + 4 * i, weight);
    }
  float32x4_t four = vaddq_f32(vaddq_f32(sum[0], sum[2]), vaddq_f32(sum[1], sum[3]));
  float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  block->maximum[q] = maximum;
  block->sum[q] = vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

// Weighted sums of 16 columns of the values for `n` queries, n <= 4.
INLINE void add_values(const mio_attention_block *block, size_t first, size_t n, size_t column, int32_t positions, int format,
    float weights[][MIO_ATTENTION_CHUNK]) {
  size_t width = block->width, group = column / 32;
  float32x4_t total[4][4];
  for (size_t q = 0; q < n; q++)
    for (size_t i = 0; i < 4; i++) total[q][i] = vdupq_n_f32(0);
  for (int32_t start = 0; start < positions; start += MIO_ATTENTION_PAGE) {
    const uint8_t *values = block->pages[start / MIO_ATTENTION_PAGE] + block->values;
    const uint16_t *scales = (const uint16_t *)(values + MIO_ATTENTION_PAGE * (width + 2 * group));
    size_t size = format == I8 ? 1 : format == F16 ? 2 : 4;
    const uint8_t *rows = values + (MIO_ATTENTION_PAGE * 32 * group + column % 32) * size;
    int32_t count = positions - start < MIO_ATTENTION_PAGE ? positions - start : MIO_ATTENTION_PAGE;
    for (int32_t p = 0; p < count; p++) {
      const uint8_t *row = rows + 32 * size * (size_t)p;
      float32x4_t value[4];
      if (format == I8) {
        float32x4_t scale = vreinterpretq_f32_u32(vdupq_n_u32((uint32_t)scales[p] << 16));
        int8x16_t bytes = vld1q_s8((const int8_t *)row);
        int16x8_t half[2] = {vmovl_s8(vget_low_s8(bytes)), vmovl_s8(vget_high_s8(bytes))};
        for (size_t i = 0; i < 4; i++) {
          int32x4_t wide = vmovl_s16(i % 2 ? vget_high_s16(half[i / 2]) : vget_low_s16(half[i / 2]));
          value[i] = vmulq_f32(vcvtq_f32_s32(wide), scale);
        }
      } else {
        for (size_t i = 0; i < 4; i++) value[i] = format == F16 ? half_4(row + 8 * i) : vld1q_f32((const float *)row + 4 * i);
      }
      for (size_t q = 0; q < n; q++)
        for (size_t i = 0; i < 4; i++) total[q][i] = vfmaq_n_f32(total[q][i], value[i], weights[q][start + p]);
    }
  }
  for (size_t q = 0; q < n; q++)
    for (size_t i = 0; i < 4; i++) vst1q_f32(block->output + (first + q) * width + column + 4 * i, total[q][i]);
}

// Up to four queries; their accumulators fit the registers.
INLINE void attend(const mio_attention_block *block, size_t first, size_t n, int format) {
  float weights[4][MIO_ATTENTION_CHUNK];
  int32_t positions = 0;
  for (size_t q = first; q < first + n; q++) positions = block->visible[q] > positions ? block->visible[q] : positions;
  for (size_t q = 0; q < n; q++) weigh(block, first + q, positions, format, weights[q]);
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

static void attend_i8_neon(const mio_attention_block *block) { attend_all(block, I8); }
static void attend_f16_neon(const mio_attention_block *block) { attend_all(block, F16); }
static void attend_f32_neon(const mio_attention_block *block) { attend_all(block, F32); }

const mio_attention_kernels mio_attention_neon = {attend_i8_neon, attend_f16_neon, attend_f32_neon, prepare_i8_neon};

#pragma clang attribute pop
#endif
