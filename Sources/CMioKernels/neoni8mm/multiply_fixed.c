// y = W x for 16-bit fixed-point numbers with NEON matrix products: four products of bytes, as with dot products, but of 2 rows
// by 2 rows of 8 bytes. Few rows of activations are left to the dot products' variant.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)

#include "../neon/fixed_halves.h"

INLINE int8x16_t first_words(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

INLINE int8x16_t last_words(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

INLINE int8x16_t first_octets(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

INLINE int8x16_t last_octets(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

/// A group of a panel: [j][q] holds k 8j ... 8j + 7 of rows 4q and 4q + 1, and of the next two.
typedef struct {
  Halves rows[8][4][2];
} Group;

INLINE void split_pairs(const int16_t *w, Group *group) {
  Halves words[16][4];
  split(w, words);
  for (int j = 0; j < 8; j++) {
    for (int q = 0; q < 4; q++) {
      const Halves a = words[2 * j][q], b = words[2 * j + 1][q];
      group->rows[j][q][0] = (Halves){first_words(a.high, b.high), first_words(a.low, b.low)};
      group->rows[j][q][1] = (Halves){last_words(a.high, b.high), last_words(a.low, b.low)};
    }
  }
}

/// Two rows of activations: register j holds k 8j ... 8j + 7 of both.
INLINE void load_pair(const int16_t *first, const int16_t *second, Halves values[8]) {
  for (int chunk = 0; chunk < 4; chunk++) {
    const Halves a = halves_of(vld1q_s16(first + 16 * chunk), vld1q_s16(first + 16 * chunk + 8));
    const Halves b = halves_of(vld1q_s16(second + 16 * chunk), vld1q_s16(second + 16 * chunk + 8));
    values[2 * chunk] = (Halves){first_octets(a.high, b.high), first_octets(a.low, b.low)};
    values[2 * chunk + 1] = (Halves){last_octets(a.high, b.high), last_octets(a.low, b.low)};
  }
}

/// A group of a panel and up to four rows, in two pairs: the sums of a quarter of the panel stay in registers. A row that lacks
/// its partner is paired with itself.
INLINE void tile(int tokens, const Group *split, mio_fixed_panels weights, size_t panel, size_t group, const mio_fixed_rows *x,
    size_t token, mio_fixed_target y) {
  const int pairs = (tokens + 1) / 2;
  Halves values[2][8];
  for (int p = 0; p < pairs; p++) {
    const size_t first = token + 2 * p, second = 2 * p + 1 < tokens ? first + 1 : first;
    load_pair(values_of(x, first, group), values_of(x, second, group), values[p]);
  }
  int32x4_t integers[4][4];
  for (int q = 0; q < 4; q++) {
    const int32x4_t zero = vdupq_n_s32(0);
    Sums sums[2][2]; // [pairs][rows 0 and 1, rows 2 and 3]: [2 tokens][2 rows]
    for (int p = 0; p < pairs; p++) sums[p][0] = sums[p][1] = (Sums){zero, zero, zero, zero};
    for (int j = 0; j < 8; j++) {
      for (int side = 0; side < 2; side++) {
        const Halves w = split->rows[j][q][side];
        for (int p = 0; p < pairs; p++) {
          Sums *sum = &sums[p][side];
          sum->high_high = vmmlaq_s32(sum->high_high, values[p][j].high, w.high);
          sum->high_low = vmmlaq_s32(sum->high_low, values[p][j].low, w.high);
          sum->low_high = vmmlaq_s32(sum->low_high, values[p][j].high, w.low);
          sum->low_low = vmmlaq_s32(sum->low_low, values[p][j].low, w.low);
        }
      }
    }
    for (int p = 0; p < pairs; p++) {
      int64x2_t rows[2];
      for (int side = 0; side < 2; side++) {
        const Sums sum = sums[p][side];
        rows[side] = vreinterpretq_s64_s32(joined(sum.high_high, sum.high_low, sum.low_high, sum.low_low));
      }
      integers[2 * p][q] = vreinterpretq_s32_s64(vzip1q_s64(rows[0], rows[1]));
      integers[2 * p + 1][q] = vreinterpretq_s32_s64(vzip2q_s64(rows[0], rows[1]));
    }
  }
  for (int t = 0; t < tokens; t++) add_sums(integers[t], weights, panel, group, x, token + t, y);
}

/// One group of a panel and all rows.
INLINE void split_group(mio_fixed_panels weights, size_t panel, size_t group, const mio_fixed_rows *x, mio_fixed_target y) {
  Group split;
  split_pairs(weights.values + (panel * weights.groups + group) * 1024, &split);
  size_t t = 0;
  for (; t + 4 <= x->count; t += 4) tile(4, &split, weights, panel, group, x, t, y);
  switch (x->count - t) {
    case 1: tile(1, &split, weights, panel, group, x, t, y); break;
    case 2: tile(2, &split, weights, panel, group, x, t, y); break;
    case 3: tile(3, &split, weights, panel, group, x, t, y); break;
    default: break;
  }
}

void mio_multiply_fixed_neoni8mm(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y) {
  if (x->count < MANY_ROWS) return mio_multiply_fixed_neon(weights, x, y);
  for (size_t panel = 0; panel < weights.panel_count && panel * 16 < y.columns; panel++) {
    for (size_t group = 0; group < weights.groups; group++) split_group(weights, panel, group, x, y);
  }
}

#pragma clang attribute pop
#endif
