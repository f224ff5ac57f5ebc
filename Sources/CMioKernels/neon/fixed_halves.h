// How the 16-bit fixed-point products with NEON split numbers into bytes and add sums to results.
#ifndef MIO_FIXED_HALVES_H
#define MIO_FIXED_HALVES_H

#include "../variants.h"
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Rows from which on the weights of a group are split.
enum { MANY_ROWS = 8 };

/// Adds the sums of one group to the result of a row of activations.
INLINE void add_sums(const int32x4_t integers[4], mio_fixed_panels weights, size_t panel, size_t group, const mio_fixed_rows *x,
    size_t token, mio_fixed_target y) {
  const float *scale = weights.scales + (panel * weights.groups + group) * 16;
  const size_t offset = group / x->run_groups * x->run_stride + group % x->run_groups;
  const size_t row = panel * 16, count = y.columns - row < 16 ? y.columns - row : 16;
  float *target = y.base + y.index_map[token] * y.stride + row, sums[16] = {0}, bias[16] = {0};
  if (group > 0 || y.adds) memcpy(sums, target, count * sizeof(float));
  if (group == 0 && y.bias) memcpy(bias, y.bias + row, count * sizeof(float));
  const float x_scale = x->scales[x->starts[token] + offset];
  for (int q = 0; q < 4; q++) {
    float32x4_t sum = vld1q_f32(sums + 4 * q);
    if (group == 0) sum = vaddq_f32(sum, vld1q_f32(bias + 4 * q));
    const float32x4_t both = vmulq_n_f32(vld1q_f32(scale + 4 * q), x_scale);
    vst1q_f32(sums + 4 * q, vfmaq_f32(sum, vcvtq_f32_s32(integers[q]), both));
  }
  memcpy(target, sums, count * sizeof(float));
}

INLINE const int16_t *values_of(const mio_fixed_rows *x, size_t token, size_t group) {
  const size_t offset = group / x->run_groups * x->run_stride + group % x->run_groups;
  return x->values + (x->starts[token] + offset) * MIO_FIXED_GROUP;
}

/// 16 numbers below 2^15 - 128 as 256 * high + low.
typedef struct {
  int8x16_t high, low;
} Halves;

INLINE Halves halves_of(int16x8_t a, int16x8_t b) {
  const int16x8_t carry = vdupq_n_s16(128); // a low byte of 128 and more counts as negative, and one more for the high byte
  const int8x16_t low = vuzp1q_s8(vreinterpretq_s8_s16(a), vreinterpretq_s8_s16(b));
  const int8x16_t high = vuzp2q_s8(vreinterpretq_s8_s16(vaddq_s16(a, carry)), vreinterpretq_s8_s16(vaddq_s16(b, carry)));
  return (Halves){high, low};
}

/// Splits a group of a panel: register [s][q] holds k 4s ... 4s + 3 of rows 4q ... 4q + 3.
INLINE void split(const int16_t *w, Halves halves[16][4]) {
  for (int s = 0; s < 16; s++) {
    for (int q = 0; q < 4; q++) { // two pairs of k, each of four rows
      const int32x4_t first = vreinterpretq_s32_s16(vld1q_s16(w + 64 * s + 8 * q));
      const int32x4_t second = vreinterpretq_s32_s16(vld1q_s16(w + 64 * s + 32 + 8 * q));
      halves[s][q] =
          halves_of(vreinterpretq_s16_s32(vzip1q_s32(first, second)), vreinterpretq_s16_s32(vzip2q_s32(first, second)));
    }
  }
}

/// What the products of the halves of weights and activations add up to. The whole sum fits 32 bits, so what is lost above does
/// not count.
INLINE int32x4_t joined(int32x4_t high_high, int32x4_t high_low, int32x4_t low_high, int32x4_t low_low) {
  const int32x4_t middle = vaddq_s32(high_low, low_high);
  return vaddq_s32(vaddq_s32(vshlq_n_s32(high_high, 16), vshlq_n_s32(middle, 8)), low_low);
}

/// Sums of the products of the halves of weights and activations, in this order.
typedef struct {
  int32x4_t high_high, high_low, low_high, low_low;
} Sums;

#endif
