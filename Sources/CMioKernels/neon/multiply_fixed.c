// y = W x for 16-bit fixed-point numbers with NEON. Many rows: four dot products of bytes, because a number of 16 bits is
// 256 * high + low with both halves signed bytes. Few rows, for which splitting the weights does not pay: widening
// multiply-adds.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "fixed_halves.h"

/// One group, a panel and a row of activations.
INLINE void widening_row(
    mio_fixed_panels weights, size_t panel, size_t group, const mio_fixed_rows *x, size_t token, mio_fixed_target y) {
  const int16_t *w = weights.values + (panel * weights.groups + group) * 1024, *values = values_of(x, token, group);
  int32x4_t integers[4];
  for (int q = 0; q < 4; q++) integers[q] = vdupq_n_s32(0);
  for (size_t pair = 0; pair < 32; pair++) {
    for (int q = 0; q < 4; q++) {
      const int16x4x2_t columns = vld2_s16(w + pair * 32 + q * 8);
      integers[q] = vmlal_n_s16(integers[q], columns.val[0], values[2 * pair]);
      integers[q] = vmlal_n_s16(integers[q], columns.val[1], values[2 * pair + 1]);
    }
  }
  add_sums(integers, weights, panel, group, x, token, y);
}

/// Adds the products of four rows with the four numbers of a lane of every row of activations.
#define ADD_LANE(sums, w, x, tokens, lane)                                                                                     \
  for (int t = 0; t < tokens; t++) {                                                                                           \
    sums[t].high_high = vdotq_laneq_s32(sums[t].high_high, (w).high, x[t].high, lane);                                         \
    sums[t].high_low = vdotq_laneq_s32(sums[t].high_low, (w).high, x[t].low, lane);                                            \
    sums[t].low_high = vdotq_laneq_s32(sums[t].low_high, (w).low, x[t].high, lane);                                            \
    sums[t].low_low = vdotq_laneq_s32(sums[t].low_low, (w).low, x[t].low, lane);                                               \
  }

/// A group of a panel and `tokens` rows, at most four: the sums of a quarter of the panel stay in registers.
INLINE void tile(int tokens, const Halves halves[16][4], mio_fixed_panels weights, size_t panel, size_t group,
    const mio_fixed_rows *x, size_t token, mio_fixed_target y) {
  Halves values[4][4]; // [chunks of 16 k][tokens]
  for (int t = 0; t < tokens; t++) {
    const int16_t *source = values_of(x, token + t, group);
    for (int chunk = 0; chunk < 4; chunk++) {
      values[chunk][t] = halves_of(vld1q_s16(source + 16 * chunk), vld1q_s16(source + 16 * chunk + 8));
    }
  }
  int32x4_t integers[4][4];
  for (int q = 0; q < 4; q++) {
    const int32x4_t zero = vdupq_n_s32(0);
    Sums sums[4];
    for (int t = 0; t < tokens; t++) sums[t] = (Sums){zero, zero, zero, zero};
    for (int chunk = 0; chunk < 4; chunk++) {
      ADD_LANE(sums, halves[4 * chunk][q], values[chunk], tokens, 0)
      ADD_LANE(sums, halves[4 * chunk + 1][q], values[chunk], tokens, 1)
      ADD_LANE(sums, halves[4 * chunk + 2][q], values[chunk], tokens, 2)
      ADD_LANE(sums, halves[4 * chunk + 3][q], values[chunk], tokens, 3)
    }
    for (int t = 0; t < tokens; t++) {
      integers[t][q] = joined(sums[t].high_high, sums[t].high_low, sums[t].low_high, sums[t].low_low);
    }
  }
  for (int t = 0; t < tokens; t++) add_sums(integers[t], weights, panel, group, x, token + t, y);
}

/// One group of a panel and all rows.
INLINE void split_group(mio_fixed_panels weights, size_t panel, size_t group, const mio_fixed_rows *x, mio_fixed_target y) {
  Halves halves[16][4];
  split(weights.values + (panel * weights.groups + group) * 1024, halves);
  size_t t = 0;
  for (; t + 4 <= x->count; t += 4) tile(4, halves, weights, panel, group, x, t, y);
  switch (x->count - t) {
    case 1: tile(1, halves, weights, panel, group, x, t, y); break;
    case 2: tile(2, halves, weights, panel, group, x, t, y); break;
    case 3: tile(3, halves, weights, panel, group, x, t, y); break;
    default: break;
  }
}

void mio_multiply_fixed_neon(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y) {
  for (size_t panel = 0; panel < weights.panel_count; panel++) {
    if (panel * 16 >= y.columns) return;
    for (size_t group = 0; group < weights.groups; group++) {
      if (x->count >= MANY_ROWS) {
        split_group(weights, panel, group, x, y);
      } else {
        for (size_t t = 0; t < x->count; t++) widening_row(weights, panel, group, x, t, y);
      }
    }
  }
}

#pragma clang attribute pop
#endif
