// y = W x for 16-bit fixed-point numbers with NEON: widening multiply-adds of 4 rows, even and odd k apart.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/// Adds one group to the sums of a panel and `tokens` rows of activations.
INLINE void tile(int tokens, mio_fixed_panels weights, size_t panel, size_t group, const mio_fixed_rows *x, size_t token,
    mio_fixed_target y) {
  const int16_t *w = weights.values + (panel * weights.groups + group) * 1024, *values[4];
  const float *scale = weights.scales + (panel * weights.groups + group) * 16;
  const size_t offset = group / x->run_groups * x->run_stride + group % x->run_groups;
  const size_t row = panel * 16, count = y.columns - row < 16 ? y.columns - row : 16;
  int32x4_t integers[4][4];
  for (int t = 0; t < tokens; t++) {
    values[t] = x->values + (x->starts[token + t] + offset) * MIO_FIXED_GROUP;
    for (int q = 0; q < 4; q++) integers[t][q] = vdupq_n_s32(0);
  }
  for (size_t pair = 0; pair < 32; pair++) {
    int16x4x2_t columns[4];
    for (int q = 0; q < 4; q++) columns[q] = vld2_s16(w + pair * 32 + q * 8);
    for (int t = 0; t < tokens; t++) {
      for (int q = 0; q < 4; q++) {
        integers[t][q] = vmlal_n_s16(integers[t][q], columns[q].val[0], values[t][2 * pair]);
        integers[t][q] = vmlal_n_s16(integers[t][q], columns[q].val[1], values[t][2 * pair + 1]);
      }
    }
  }
  for (int t = 0; t < tokens; t++) {
    float *target = y.base + y.index_map[token + t] * y.stride + row, sums[16] = {0}, bias[16] = {0};
    if (group > 0 || y.adds) memcpy(sums, target, count * sizeof(float));
    if (group == 0 && y.bias) memcpy(bias, y.bias + row, count * sizeof(float));
    const float x_scale = x->scales[x->starts[token + t] + offset];
    for (int q = 0; q < 4; q++) {
      float32x4_t sum = vld1q_f32(sums + 4 * q);
      if (group == 0) sum = vaddq_f32(sum, vld1q_f32(bias + 4 * q));
      const float32x4_t both = vmulq_n_f32(vld1q_f32(scale + 4 * q), x_scale);
      vst1q_f32(sums + 4 * q, vfmaq_f32(sum, vcvtq_f32_s32(integers[t][q]), both));
    }
    memcpy(target, sums, count * sizeof(float));
  }
}

void mio_multiply_fixed_neon(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y) {
  for (size_t panel = 0; panel < weights.panel_count; panel++) {
    if (panel * 16 >= y.columns) return;
    for (size_t group = 0; group < weights.groups; group++) {
      size_t t = 0;
      for (; t + 4 <= x->count; t += 4) tile(4, weights, panel, group, x, t, y);
      for (; t < x->count; t++) tile(1, weights, panel, group, x, t, y);
    }
  }
}
#endif
