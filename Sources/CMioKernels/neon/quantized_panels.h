// How the integer products with NEON read panels and write results: a quarter of a panel, 4 rows, at a time.
#ifndef MIO_QUANTIZED_PANELS_H
#define MIO_QUANTIZED_PANELS_H

#include "../variants.h"
#include <arm_neon.h>

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

INLINE void add_group(float32x4_t *sum, int32x4_t integers, float32x4_t weight_scales, float x_scale) {
  *sum = vfmaq_f32(*sum, vcvtq_f32_s32(integers), vmulq_n_f32(weight_scales, x_scale));
}

/// Writes the sums [tokens][4 quarters] of one panel.
INLINE void store_panel(mio_target y, size_t panel, size_t tokens, const float32x4_t *sums) {
  for (size_t t = 0; t < tokens; t++) {
    for (int quarter = 0; quarter < 4; quarter++) {
      const size_t row = panel * MIO_PANEL_ROWS + 4 * quarter;
      if (row < y.columns) store_rows(y, t, row, sums[t * 4 + quarter]);
    }
  }
}

#endif
