// y = W x for q4 and q8 weights with AVX-512 VNNI: one register holds 4 k of all 16 rows of a panel.
//
// vpdpbusd multiplies unsigned by signed bytes, so weights are lifted to w + 64 (q4) or w + 128 (q8) and every sum starts
// at -64 or -128 times the sum of the activations.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "../x86_streaming.h"

#pragma clang attribute push(                                                                                                  \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma,f16c"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

typedef enum { Q4, Q8 } Format;

INLINE size_t group_bytes(Format format) { return format == Q4 ? 256 : 512; }

INLINE __m512i level_table(void) {
  const __m128i values = _mm_loadu_si128((const __m128i *)mio_q4_levels);
  return _mm512_broadcast_i32x4(_mm_add_epi8(values, _mm_set1_epi8(64)));
}

/// Unsigned weights of a group: those of k 4s ... 4s + 3 and of k 16 + 4s ... 16 + 4s + 3, for s < 4.
INLINE void unpack_pair(Format format, const uint8_t *group, int s, __m512i table, __m512i *low, __m512i *high) {
  if (format == Q4) {
    const __m512i pair = _mm512_loadu_si512(group + 64 * s), nibble = _mm512_set1_epi8(15);
    *low = _mm512_shuffle_epi8(table, _mm512_and_si512(pair, nibble));
    *high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(pair, 4), nibble));
  } else {
    const __m512i lift = _mm512_set1_epi8((char)0x80);
    *low = _mm512_xor_si512(_mm512_loadu_si512(group + 64 * s), lift);
    *high = _mm512_xor_si512(_mm512_loadu_si512(group + 64 * (4 + s)), lift);
  }
}

/// All of them: register s holds k 4s ... 4s + 3.
INLINE void unpack(Format format, const uint8_t *group, __m512i table, __m512i w[8]) {
  for (int s = 0; s < 4; s++) unpack_pair(format, group, s, table, &w[s], &w[4 + s]);
}

INLINE __m512i broadcast4(const int8_t *values) {
  int32_t bits;
  memcpy(&bits, values, 4);
  return _mm512_set1_epi32(bits);
}

/// Where the integer sums start.
INLINE __m512i first_sum(Format format, int32_t correction) {
  const __m512i c = _mm512_set1_epi32(correction);
  return format == Q4 ? c : _mm512_add_epi32(c, c);
}

INLINE __m512 scales_of(const uint8_t *halves) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)halves)); }

INLINE __m512 accumulate(__m512 sum, __m512i integers, __m512 weight_scale, __m512 x_scale) {
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers), _mm512_mul_ps(weight_scale, x_scale), sum);
}

INLINE void store_rows(mio_target y, size_t token, size_t row, __m512 sums) {
  if (row >= y.columns) return;
  const size_t rest = y.columns - row;
  const __mmask16 mask = rest >= 16 ? 0xFFFF : (__mmask16)((1u << rest) - 1);
  _mm512_mask_storeu_ps(y.base + token * y.stride + row, mask, sums);
}

#define FEW_TOKENS 8
#define SIDE_BY_SIDE 12

/// Few tokens, where memory is the limit: `count` panels are read side by side, front to back. The integer sums of all panels
/// and rows stay in registers, and four bytes of activations are loaded once for all panels.
INLINE void few_tokens(Format format, int count, int tokens, mio_asking asking, mio_panels weights, size_t panel,
    const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format);
  const size_t ahead = asking == LEFT_TO_PROCESSOR ? 0 : groups_ahead(weights, bytes, count);
  const int all = count * tokens, is_split = all < 4; // few chains of sums become twice as many, to hide their latency
  const __m512i table = level_table();
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  __m512 sums[SIDE_BY_SIDE]; // [count][tokens]
  for (int i = 0; i < all; i++) sums[i] = _mm512_setzero_ps();
  for (size_t g = 0; g < weights.length; g++) {
    const size_t first = g * tokens;
    const int8_t *values = x->values + first * MIO_GROUP;
    __m512i integers[SIDE_BY_SIDE], others[SIDE_BY_SIDE];
    for (int i = 0; i < all; i++) {
      integers[i] = first_sum(format, x->corrections[first + i % tokens]);
      others[i] = _mm512_setzero_si512();
    }
    mio_coming coming[4];
    for (int p = 0; p < count; p++) {
      coming[p] = coming_group(weights, base + p * weights.panel_bytes, bytes, g, count, ahead);
    }
    for (int s = 0; s < 4; s++) {
      for (int p = 0; p < count; p++) {
        prefetch_quarter(coming[p], bytes, g, s, asking);
        __m512i low, high;
        unpack_pair(format, base + p * weights.panel_bytes + g * bytes, s, table, &low, &high);
        for (int t = 0; t < tokens; t++) {
          __m512i *sum = &integers[p * tokens + t], *other = is_split ? &others[p * tokens + t] : sum;
          *sum = _mm512_dpbusd_epi32(*sum, low, broadcast4(values + t * MIO_GROUP + 4 * s));
          *other = _mm512_dpbusd_epi32(*other, high, broadcast4(values + t * MIO_GROUP + 16 + 4 * s));
        }
      }
    }
    for (int p = 0; p < count; p++) {
      const __m512 scale = scales_of(base + p * weights.panel_bytes + weights.length * bytes + g * 32);
      for (int t = 0; t < tokens; t++) {
        const int i = p * tokens + t;
        if (is_split) integers[i] = _mm512_add_epi32(integers[i], others[i]);
        sums[i] = accumulate(sums[i], integers[i], scale, _mm512_set1_ps(x->scales[first + t]));
      }
    }
  }
  for (int p = 0; p < count; p++) {
    for (int t = 0; t < tokens; t++) store_rows(y, t, (panel + p) * MIO_PANEL_ROWS, sums[p * tokens + t]);
  }
}

/// `tokens` rows of activations and `count` panels: a group is unpacked into registers once and used for all tokens.
INLINE void panels_of_many(
    Format format, int count, size_t tokens, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format);
  const __m512i table = level_table();
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  __m512 sums[MIO_BLOCK_TOKENS * 2]; // [tokens][count]
  for (size_t i = 0; i < tokens * count; i++) sums[i] = _mm512_setzero_ps();
  for (size_t g = 0; g < weights.length; g++) {
    __m512i w[2][8];
    __m512 scales[2];
    for (int p = 0; p < count; p++) {
      const uint8_t *group = base + p * weights.panel_bytes + g * bytes;
      prefetch_group(weights, base + p * weights.panel_bytes, bytes, g, count);
      unpack(format, group, table, w[p]);
      scales[p] = scales_of(base + p * weights.panel_bytes + weights.length * bytes + g * 32);
    }
    for (size_t t = 0; t < tokens; t++) {
      const size_t index = g * tokens + t;
      __m512i integers[2];
      for (int p = 0; p < count; p++) integers[p] = first_sum(format, x->corrections[index]);
      for (int s = 0; s < 8; s++) {
        const __m512i value = broadcast4(x->values + index * MIO_GROUP + 4 * s);
        for (int p = 0; p < count; p++) integers[p] = _mm512_dpbusd_epi32(integers[p], w[p][s], value);
      }
      const __m512 x_scale = _mm512_set1_ps(x->scales[index]);
      for (int p = 0; p < count; p++) sums[t * count + p] = accumulate(sums[t * count + p], integers[p], scales[p], x_scale);
    }
  }
  for (size_t t = 0; t < tokens; t++) {
    for (int p = 0; p < count; p++) store_rows(y, t, (panel + p) * MIO_PANEL_ROWS, sums[t * count + p]);
  }
}

INLINE void many_tokens(Format format, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  size_t panel = 0;
  for (; panel + 2 <= weights.panel_count; panel += 2) panels_of_many(format, 2, x->tokens, weights, panel, x, y);
  if (panel < weights.panel_count) panels_of_many(format, 1, x->tokens, weights, panel, x, y);
}

#include "../x86_tokens.h"

void mio_multiply_q4_avx512(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q4, weights, x, y); }
void mio_multiply_q8_avx512(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q8, weights, x, y); }

#pragma clang attribute pop
#endif
