// y = W x for q4 and q8 weights with NEON dot products: one register holds 4 k of 4 rows, a quarter of a panel.
#include "../levels.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

typedef enum { Q4, Q8 } Format;

INLINE size_t group_bytes(Format format) { return format == Q4 ? 256 : 512; }

/// Weights of a quarter of a group: register s holds k 4s ... 4s + 3.
INLINE void unpack(Format format, const uint8_t *quarter, int8x16_t table, int8x16_t w[8]) {
  if (format == Q4) {
    for (int s = 0; s < 4; s++) {
      const uint8x16_t pair = vld1q_u8(quarter + 64 * s);
      w[s] = vqtbl1q_s8(table, vandq_u8(pair, vdupq_n_u8(15)));
      w[4 + s] = vqtbl1q_s8(table, vshrq_n_u8(pair, 4));
    }
  } else {
    for (int s = 0; s < 8; s++) w[s] = vld1q_s8((const int8_t *)quarter + 64 * s);
  }
}

INLINE float32x4_t scales_of(const uint8_t *halves) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)halves)));
}

INLINE void store_rows(mio_target y, size_t token, size_t row, float32x4_t sums) {
  float *target = y.base + token * y.stride + row;
  if (row + 4 <= y.columns) {
    vst1q_f32(target, sums);
  } else {
    float rest[4];
    vst1q_f32(rest, sums);
    for (size_t r = 0; row + r < y.columns; r++) target[r] = rest[r];
  }
}

/// One panel and `tokens` rows of activations: a quarter of a group is unpacked into registers once and used for all tokens.
INLINE void panel_tokens(
    Format format, size_t tokens, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format);
  const int8x16_t table = vld1q_s8(mio_q4_levels);
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  float32x4_t sums[MIO_BLOCK_TOKENS * 4];  // [tokens][4 quarters]
  for (size_t i = 0; i < tokens * 4; i++) sums[i] = vdupq_n_f32(0);
  for (size_t g = 0; g < weights.length; g++) {
    for (int quarter = 0; quarter < 4; quarter++) {
      int8x16_t w[8];
      unpack(format, base + g * bytes + 16 * quarter, table, w);
      const float32x4_t scales = scales_of(base + weights.length * bytes + g * 32 + 8 * quarter);
      for (size_t t = 0; t < tokens; t++) {
        const size_t index = g * tokens + t;
        const int8x16_t low = vld1q_s8(x->values + index * MIO_GROUP);
        const int8x16_t high = vld1q_s8(x->values + index * MIO_GROUP + 16);
        int32x4_t even = vdotq_laneq_s32(vdupq_n_s32(0), w[0], low, 0);
        int32x4_t odd = vdotq_laneq_s32(vdupq_n_s32(0), w[4], high, 0);
        even = vdotq_laneq_s32(even, w[1], low, 1);
        odd = vdotq_laneq_s32(odd, w[5], high, 1);
        even = vdotq_laneq_s32(even, w[2], low, 2);
        odd = vdotq_laneq_s32(odd, w[6], high, 2);
        even = vdotq_laneq_s32(even, w[3], low, 3);
        odd = vdotq_laneq_s32(odd, w[7], high, 3);
        const float32x4_t scale = vmulq_n_f32(scales, x->scales[index]);
        float32x4_t *sum = &sums[t * 4 + quarter];
        *sum = vfmaq_f32(*sum, vcvtq_f32_s32(vaddq_s32(even, odd)), scale);
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    for (int quarter = 0; quarter < 4; quarter++) {
      const size_t row = panel * MIO_PANEL_ROWS + 4 * quarter;
      if (row < y.columns) store_rows(y, t, row, sums[t * 4 + quarter]);
    }
  }
}

INLINE void multiply(Format format, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  for (size_t panel = 0; panel < weights.panel_count; panel++) {
    switch (x->tokens) {  // few tokens: the sums stay in registers
      case 1: panel_tokens(format, 1, weights, panel, x, y); break;
      case 2: panel_tokens(format, 2, weights, panel, x, y); break;
      default: panel_tokens(format, x->tokens, weights, panel, x, y);
    }
  }
}

void mio_multiply_q4_neon(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q4, weights, x, y); }
void mio_multiply_q8_neon(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q8, weights, x, y); }

#pragma clang attribute pop
#endif
