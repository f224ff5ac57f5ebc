// y = W x for q4 and q8 weights with NEON matrix products; everything else of this variant is NEON with dot products.
//
// smmla multiplies 2 rows by 2 rows of 8 bytes. Two registers of a panel, 4 k of 4 rows each, become two of 8 k of 2 rows;
// activations come in pairs of tokens.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)

#include "../neon/quantized_panels.h"

INLINE int8x16_t first_words(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

INLINE int8x16_t last_words(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

/// Weights of a quarter of a group: w[2j] holds k 8j ... 8j + 7 of rows 0 and 1, w[2j + 1] of rows 2 and 3.
INLINE void unpack_pairs(Format format, const uint8_t *quarter, int8x16_t table, int8x16_t w[8]) {
  int8x16_t words[8];
  unpack(format, quarter, table, words);
  for (int j = 0; j < 4; j++) {
    w[2 * j] = first_words(words[2 * j], words[2 * j + 1]);
    w[2 * j + 1] = last_words(words[2 * j], words[2 * j + 1]);
  }
}

/// Group `index` of a row of activations and of another one: register j holds k 8j ... 8j + 7 of both.
INLINE void load_pair(const mio_quantized_rows *x, size_t index, size_t other, int8x16_t pair[4]) {
  for (int half = 0; half < 2; half++) {
    const int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(x->values + index * MIO_GROUP + 16 * half));
    const int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(x->values + other * MIO_GROUP + 16 * half));
    pair[2 * half] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
    pair[2 * half + 1] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
  }
}

/// One panel and `tokens` rows of activations: half a group is unpacked into registers once and used for all tokens.
INLINE void panel_tokens(
    Format format, size_t tokens, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format);
  const int8x16_t table = vld1q_s8(mio_q4_levels);
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  float32x4_t sums[MIO_BLOCK_TOKENS * 4]; // [tokens][4 quarters]
  for (size_t i = 0; i < tokens * 4; i++) sums[i] = vdupq_n_f32(0);
  for (size_t g = 0; g < weights.length; g++) {
    for (int half = 0; half < 2; half++) {
      int8x16_t w[2][8];
      float32x4_t scales[2];
      for (int q = 0; q < 2; q++) {
        const int quarter = 2 * half + q;
        unpack_pairs(format, base + g * bytes + 16 * quarter, table, w[q]);
        scales[q] = scales_of(base + weights.length * bytes + g * 32 + 8 * quarter);
      }
      for (size_t t = 0; t < tokens; t += 2) {
        const int is_pair = t + 1 < tokens; // the last of an odd number is paired with itself
        const size_t index = g * tokens + t, other = index + (is_pair ? 1 : 0);
        int8x16_t pair[4];
        load_pair(x, index, other, pair);
        for (int q = 0; q < 2; q++) {
          int32x4_t left = vdupq_n_s32(0), right = vdupq_n_s32(0); // [2 tokens][rows 0, 1], [2 tokens][rows 2, 3]
          for (int j = 0; j < 4; j++) {
            left = vmmlaq_s32(left, pair[j], w[q][2 * j]);
            right = vmmlaq_s32(right, pair[j], w[q][2 * j + 1]);
          }
          const int64x2_t a = vreinterpretq_s64_s32(left), b = vreinterpretq_s64_s32(right);
          float32x4_t *sum = &sums[t * 4 + 2 * half + q];
          add_group(sum, vreinterpretq_s32_s64(vzip1q_s64(a, b)), scales[q], x->scales[index]);
          if (is_pair) add_group(sum + 4, vreinterpretq_s32_s64(vzip2q_s64(a, b)), scales[q], x->scales[other]);
        }
      }
    }
  }
  store_panel(y, panel, tokens, sums);
}

INLINE void multiply(Format format, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  for (size_t panel = 0; panel < weights.panel_count; panel++) {
    switch (x->tokens) { // few tokens: the sums stay in registers
      case 2: panel_tokens(format, 2, weights, panel, x, y); break;
      case 4: panel_tokens(format, 4, weights, panel, x, y); break;
      default: panel_tokens(format, x->tokens, weights, panel, x, y);
    }
  }
}

// A single token would leave half of every matrix product unused.
void mio_multiply_q4_neoni8mm(mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  if (x->tokens == 1) return mio_multiply_q4_neon(weights, x, y);
  multiply(Q4, weights, x, y);
}

void mio_multiply_q8_neoni8mm(mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  if (x->tokens == 1) return mio_multiply_q8_neon(weights, x, y);
  multiply(Q8, weights, x, y);
}

#pragma clang attribute pop
#endif
