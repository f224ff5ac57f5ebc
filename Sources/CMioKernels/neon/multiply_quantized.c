// y = W x for q4 and q8 weights with NEON dot products: one register holds 4 k of 4 rows, a quarter of a panel.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "quantized_panels.h"

/// One panel and `tokens` rows of activations: a quarter of a group is unpacked into registers once and used for all tokens.
INLINE void panel_tokens(
    Format format, size_t tokens, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format);
  const int8x16_t table = vld1q_s8(mio_q4_levels);
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  float32x4_t sums[MIO_BLOCK_TOKENS * 4]; // [tokens][4 quarters]
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
        add_group(&sums[t * 4 + quarter], vaddq_s32(even, odd), scales, x->scales[index]);
      }
    }
  }
  store_panel(y, panel, tokens, sums);
}

INLINE void multiply(Format format, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  for (size_t panel = 0; panel < weights.panel_count; panel++) {
    switch (x->tokens) { // few tokens: the sums stay in registers
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
