// y = W x for q4 and q8 weights with 256-bit registers: one register holds 4 k of 8 rows, half a panel.
//
// The including file defines `Format`, how four products are added (`add_products`), whether q8 weights are unsigned bytes
// w + 128 (`UNSIGNED_Q8`), and MIO_NAME. q4 weights are always multiplied as w + 64, which is below 128.

#define FEW_TOKENS 4
#define SIDE_BY_SIDE 4

INLINE size_t group_bytes(Format format) { return format == Q4 ? 256 : 512; }

INLINE __m256i level_table(void) {
  const __m128i values = _mm_loadu_si128((const __m128i *)mio_q4_levels);
  return _mm256_broadcastsi128_si256(_mm_add_epi8(values, _mm_set1_epi8(64)));
}

INLINE __m256i load256(const uint8_t *bytes) { return _mm256_loadu_si256((const __m256i *)bytes); }

/// Weights of half a group: those of k 4s ... 4s + 3 and of k 16 + 4s ... 16 + 4s + 3, in any pair of registers for s < 4.
INLINE void unpack(Format format, const uint8_t *half, int s, __m256i table, __m256i *low, __m256i *high) {
  if (format == Q4) {
    const __m256i pair = load256(half + 64 * s), nibble = _mm256_set1_epi8(15);
    *low = _mm256_shuffle_epi8(table, _mm256_and_si256(pair, nibble));
    *high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(pair, 4), nibble));
  } else {
    const __m256i lift = _mm256_set1_epi8(UNSIGNED_Q8 ? (char)0x80 : 0);
    *low = _mm256_xor_si256(load256(half + 64 * s), lift);
    *high = _mm256_xor_si256(load256(half + 64 * (4 + s)), lift);
  }
}

INLINE __m256i broadcast4(const int8_t *values) {
  int32_t bits;
  memcpy(&bits, values, 4);
  return _mm256_set1_epi32(bits);
}

/// Where the integer sums start: -64 or -128 times the sum of the activations, or 0 for signed products.
INLINE __m256i first_sum(Format format, int32_t correction) {
  if (format == Q8 && !UNSIGNED_Q8) return _mm256_setzero_si256();
  const __m256i c = _mm256_set1_epi32(correction);
  return format == Q4 ? c : _mm256_add_epi32(c, c);
}

INLINE __m256 scales_of(const uint8_t *halves) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves)); }

INLINE void store_rows(mio_target y, size_t token, size_t row, __m256 sums) {
  float *target = y.base + token * y.stride + row;
  if (row + 8 <= y.columns) {
    _mm256_storeu_ps(target, sums);
  } else if (row < y.columns) {
    float rest[8];
    _mm256_storeu_ps(rest, sums);
    memcpy(target, rest, (y.columns - row) * sizeof(float));
  }
}

/// Adds the products of a group to the float sums of one half of a panel and one row.
INLINE __m256 accumulate(__m256 sum, __m256i integers, __m256 weight_scales, __m256 x_scale) {
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers), _mm256_mul_ps(weight_scales, x_scale), sum);
}

/// Few rows: `count` panels are read side by side. The integer sums of all halves and rows, at most 2 * SIDE_BY_SIDE, stay in
/// registers, and four bytes of activations are loaded once for all halves.
INLINE void few_tokens(Format format, int count, int tokens, mio_asking asking, mio_panels weights, size_t panel,
    const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format);
  const size_t ahead = asking == LEFT_TO_PROCESSOR ? 0 : groups_ahead(weights, bytes, count);
  const __m256i table = level_table();
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  __m256 sums[2 * SIDE_BY_SIDE]; // [count][2 halves][tokens]
  for (int i = 0; i < 2 * count * tokens; i++) sums[i] = _mm256_setzero_ps();
  for (size_t g = 0; g < weights.length; g++) {
    const size_t first = g * tokens;
    const int8_t *values = x->values + first * MIO_GROUP;
    __m256i integers[2 * SIDE_BY_SIDE];
    for (int i = 0; i < 2 * count * tokens; i++) integers[i] = first_sum(format, x->corrections[first + i % tokens]);
    mio_coming coming[4];
    for (int p = 0; p < count; p++) {
      coming[p] = coming_group(weights, base + p * weights.panel_bytes, bytes, g, count, ahead);
    }
    for (int s = 0; s < 4; s++) {
      for (int p = 0; p < count; p++) {
        prefetch_quarter(coming[p], bytes, g, s, asking);
        const uint8_t *group = base + p * weights.panel_bytes + g * bytes;
        __m256i low[2], high[2];
        for (int half = 0; half < 2; half++) unpack(format, group + 32 * half, s, table, &low[half], &high[half]);
        for (int t = 0; t < tokens; t++) {
          const __m256i a = broadcast4(values + t * MIO_GROUP + 4 * s);
          const __m256i b = broadcast4(values + t * MIO_GROUP + 16 + 4 * s);
          for (int half = 0; half < 2; half++) {
            __m256i *sum = &integers[(2 * p + half) * tokens + t];
            *sum = add_products(format, add_products(format, *sum, low[half], a), high[half], b);
          }
        }
      }
    }
    for (int i = 0; i < 2 * count; i++) {
      const uint8_t *scales = base + i / 2 * weights.panel_bytes + weights.length * bytes + g * 32 + i % 2 * 16;
      for (int t = 0; t < tokens; t++) {
        __m256 *sum = &sums[i * tokens + t];
        *sum = accumulate(*sum, integers[i * tokens + t], scales_of(scales), _mm256_set1_ps(x->scales[first + t]));
      }
    }
  }
  for (int i = 0; i < 2 * count; i++) {
    const size_t row = (panel + i / 2) * MIO_PANEL_ROWS + i % 2 * 8;
    for (int t = 0; t < tokens; t++) store_rows(y, t, row, sums[i * tokens + t]);
  }
}

// Rows of a tile: their sums of both halves of a panel are eight registers.
enum { TILE = 4 };

/// An unpacked group of a panel.
typedef struct {
  __m256i weights[2][8]; // of both halves: register s holds k 4s ... 4s + 3
  __m256 scales[2];
} Group;

/// Adds the products of a group to the sums of `tokens` rows, from row `first` on.
INLINE void add_group(Format format, int tokens, const Group *group, size_t g, const mio_quantized_rows *x, size_t first,
    __m256 sums[2][MIO_BLOCK_TOKENS]) {
  const size_t index = g * x->tokens + first;
  const int8_t *values = x->values + index * MIO_GROUP;
  __m256i integers[2][TILE];
  for (int t = 0; t < tokens; t++) integers[0][t] = integers[1][t] = first_sum(format, x->corrections[index + t]);
  for (int s = 0; s < 8; s++) {
    for (int t = 0; t < tokens; t++) {
      const __m256i four = broadcast4(values + t * MIO_GROUP + 4 * s);
      for (int half = 0; half < 2; half++) {
        integers[half][t] = add_products(format, integers[half][t], group->weights[half][s], four);
      }
    }
  }
  for (int t = 0; t < tokens; t++) {
    const __m256 scale = _mm256_set1_ps(x->scales[index + t]);
    for (int half = 0; half < 2; half++) {
      __m256 *sum = &sums[half][first + t];
      *sum = accumulate(*sum, integers[half][t], group->scales[half], scale);
    }
  }
}

/// Many rows: a group is unpacked once and used for all of them, tile by tile.
INLINE void panel_of_many(Format format, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format), tokens = x->tokens;
  const __m256i table = level_table();
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  __m256 sums[2][MIO_BLOCK_TOKENS];
  for (size_t t = 0; t < tokens; t++) sums[0][t] = sums[1][t] = _mm256_setzero_ps();
  for (size_t g = 0; g < weights.length; g++) {
    prefetch_group(weights, base, bytes, g, 1);
    Group group;
    for (int half = 0; half < 2; half++) {
      __m256i *w = group.weights[half];
      for (int s = 0; s < 4; s++) unpack(format, base + g * bytes + 32 * half, s, table, &w[s], &w[4 + s]);
      group.scales[half] = scales_of(base + weights.length * bytes + g * 32 + 16 * half);
    }
    __asm__ volatile("" : "+m"(group)); // its registers are needed for the tiles' sums
    size_t t = 0;
    for (; t + TILE <= tokens; t += TILE) add_group(format, TILE, &group, g, x, t, sums);
    switch (tokens - t) { // one body per number keeps the sums in registers
      case 1: add_group(format, 1, &group, g, x, t, sums); break;
      case 2: add_group(format, 2, &group, g, x, t, sums); break;
      case 3: add_group(format, 3, &group, g, x, t, sums); break;
      default: break;
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    for (int half = 0; half < 2; half++) store_rows(y, t, panel * MIO_PANEL_ROWS + 8 * half, sums[half][t]);
  }
}

/// Many rows where a product needs more than the unpacked weights: half a group stays in registers while all rows go by.
INLINE void halves_of_many(Format format, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format), tokens = x->tokens;
  const __m256i table = level_table();
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  __m256 sums[MIO_BLOCK_TOKENS][2];
  for (size_t t = 0; t < tokens; t++) sums[t][0] = sums[t][1] = _mm256_setzero_ps();
  for (size_t g = 0; g < weights.length; g++) {
    prefetch_group(weights, base, bytes, g, 1);
    for (int half = 0; half < 2; half++) {
      __m256i w[8];
      for (int s = 0; s < 4; s++) unpack(format, base + g * bytes + 32 * half, s, table, &w[s], &w[4 + s]);
      const __m256 scales = scales_of(base + weights.length * bytes + g * 32 + 16 * half);
      for (size_t t = 0; t < tokens; t++) {
        const size_t index = g * tokens + t;
        __m256i integers = first_sum(format, x->corrections[index]);
        for (int s = 0; s < 8; s++) {
          integers = add_products(format, integers, w[s], broadcast4(x->values + index * MIO_GROUP + 4 * s));
        }
        sums[t][half] = accumulate(sums[t][half], integers, scales, _mm256_set1_ps(x->scales[index]));
      }
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    for (int half = 0; half < 2; half++) store_rows(y, t, panel * MIO_PANEL_ROWS + 8 * half, sums[t][half]);
  }
}

INLINE void many_tokens(Format format, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  for (size_t panel = 0; panel < weights.panel_count; panel++) {
    if (format == Q4 || UNSIGNED_Q8) {
      panel_of_many(format, weights, panel, x, y);
    } else {
      halves_of_many(format, weights, panel, x, y);
    }
  }
}

#include "../x86_tokens.h"

void MIO_NAME(mio_multiply_q4)(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q4, weights, x, y); }

void MIO_NAME(mio_multiply_q8)(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q8, weights, x, y); }
