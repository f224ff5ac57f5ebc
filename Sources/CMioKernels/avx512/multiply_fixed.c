// y = W x for 16-bit fixed-point numbers with AVX-512 VNNI: one register holds 2 k of all 16 rows of a panel.
//
// Sums that do not fit one pass over k wait in y, so every sum is added in the order of k whatever the blocking.
#include "../variants.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,fma"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))

// Groups of one pass. Four panels of them (64 KB) come from the second-level cache again for every six rows, which is fast
// enough, and sums go through memory half as often as with four, which stay in the first level.
enum { PASS = 8 };

INLINE __mmask16 column_mask(mio_fixed_target y, size_t row) {
  if (row >= y.columns) return 0;
  const size_t rest = y.columns - row;
  return rest >= 16 ? 0xFFFF : (__mmask16)((1u << rest) - 1);
}

INLINE __m512i broadcast_pair(const int16_t *values) {
  int32_t bits;
  memcpy(&bits, values, 4);
  return _mm512_set1_epi32(bits);
}

/// Adds groups first ..< last to the sums of `panels` panels and `tokens` rows of activations.
INLINE void tile(int panels, int tokens, mio_fixed_panels weights, size_t panel, size_t first, size_t last,
    const mio_fixed_rows *x, size_t token, mio_fixed_target y) {
  __m512 sums[12][4];
  for (int p = 0; p < panels; p++) {
    const size_t row = (panel + p) * 16;
    const __mmask16 mask = column_mask(y, row);
    const __m512 bias = first == 0 && y.bias ? _mm512_maskz_loadu_ps(mask, y.bias + row) : _mm512_setzero_ps();
    const __mmask16 loaded = first > 0 || y.adds ? mask : 0;
    for (int t = 0; t < tokens; t++) {
      sums[t][p] = _mm512_add_ps(_mm512_maskz_loadu_ps(loaded, y.base + y.index_map[token + t] * y.stride + row), bias);
    }
  }
  for (size_t group = first; group < last; group++) {
    const int16_t *w[4], *values[12];
    const float *scales[12];
    __m512i integers[4][12];
    const size_t offset = group / x->run_groups * x->run_stride + group % x->run_groups;
    for (int p = 0; p < panels; p++) w[p] = weights.values + ((panel + p) * weights.groups + group) * 1024;
    for (int t = 0; t < tokens; t++) {
      values[t] = x->values + (x->starts[token + t] + offset) * MIO_FIXED_GROUP;
      scales[t] = x->scales + x->starts[token + t] + offset;
      for (int p = 0; p < panels; p++) integers[p][t] = _mm512_setzero_si512();
    }
// Unrolled, the compiler splits every second vpdpwssd into a product and a sum, which costs a quarter of the speed.
#pragma clang loop unroll(disable)
    for (size_t pair = 0; pair < 32; pair++) {
      __m512i columns[4];
      for (int p = 0; p < panels; p++) columns[p] = _mm512_load_si512(w[p] + pair * 32);
      for (int t = 0; t < tokens; t++) {
        const __m512i value = broadcast_pair(values[t] + 2 * pair);
        for (int p = 0; p < panels; p++) integers[p][t] = _mm512_dpwssd_epi32(integers[p][t], columns[p], value);
      }
    }
    for (int p = 0; p < panels; p++) {
      const __m512 scale = _mm512_loadu_ps(weights.scales + ((panel + p) * weights.groups + group) * 16);
      for (int t = 0; t < tokens; t++) {
        const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(*scales[t]));
        sums[t][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(integers[p][t]), both, sums[t][p]);
      }
    }
  }
  for (int p = 0; p < panels; p++) {
    const size_t row = (panel + p) * 16;
    const __mmask16 mask = column_mask(y, row);
    for (int t = 0; t < tokens; t++) _mm512_mask_storeu_ps(y.base + y.index_map[token + t] * y.stride + row, mask, sums[t][p]);
  }
}

/// The operands of `add_group`: six rows of one group, their scales, and where the sums of four panels lie.
typedef struct {
  const int16_t *values[6];
  float *targets[6];
  float scales[6];
} six_rows;

// Registers 0 to 23 hold the integers of [6 rows][4 panels], 24 to 27 two columns of each panel.
#define DOTS(r, value, a, b, c, d)                                                                                             \
  "vpbroadcastd " value ", %%zmm" #r "\n"                                                                                      \
  "vpdpwssd %%zmm" #r ", %%zmm24, %%zmm" #a "\n"                                                                               \
  "vpdpwssd %%zmm" #r ", %%zmm25, %%zmm" #b "\n"                                                                               \
  "vpdpwssd %%zmm" #r ", %%zmm26, %%zmm" #c "\n"                                                                               \
  "vpdpwssd %%zmm" #r ", %%zmm27, %%zmm" #d "\n"
#define PANELS(move, at, base)                                                                                                 \
  move " " at "(%[" base "]), %%zmm24\n" move " " at "(%[" base "],%[step]), %%zmm25\n" move " " at "(%[" base                 \
       "],%[step],2), %%zmm26\n" move " " at "(%[" base "],%[triple]), %%zmm27\n"
#define PAIR(columns, at)                                                                                                      \
  PANELS("vmovdqa64", columns, "w")                                                                                            \
  DOTS(28, at "(%[x0],%[i],4)", 0, 1, 2, 3)                                                                                    \
  DOTS(29, at "(%[x1],%[i],4)", 4, 5, 6, 7)                                                                                    \
  DOTS(30, at "(%[x2],%[i],4)", 8, 9, 10, 11)                                                                                  \
  DOTS(31, at "(%[x3],%[i],4)", 12, 13, 14, 15)                                                                                \
  DOTS(28, at "(%[x4],%[i],4)", 16, 17, 18, 19)                                                                                \
  DOTS(29, at "(%[x5],%[i],4)", 20, 21, 22, 23)
#define CLEAR(a, b, c, d)                                                                                                      \
  "vpxord %%zmm" #a ", %%zmm" #a ", %%zmm" #a "\n"                                                                             \
  "vpxord %%zmm" #b ", %%zmm" #b ", %%zmm" #b "\n"                                                                             \
  "vpxord %%zmm" #c ", %%zmm" #c ", %%zmm" #c "\n"                                                                             \
  "vpxord %%zmm" #d ", %%zmm" #d ", %%zmm" #d "\n"
#define ADD(integers, r, scale, at)                                                                                            \
  "vmulps %%zmm30, %%zmm" #scale ", %%zmm" #r "\n"                                                                             \
  "vcvtdq2ps %%zmm" #integers ", %%zmm" #integers "\n"                                                                         \
  "vfmadd213ps " #at "(%[i]), %%zmm" #r ", %%zmm" #integers "\n"                                                               \
  "vmovups %%zmm" #integers ", " #at "(%[i])\n"
#define ADD_ROW(target, scale, a, b, c, d)                                                                                     \
  "vbroadcastss " #scale "(%[rows]), %%zmm30\n"                                                                                \
  "movq " #target "(%[rows]), %[i]\n" ADD(a, 28, 24, 0) ADD(b, 29, 25, 64) ADD(c, 28, 26, 128) ADD(d, 29, 27, 192)

/// Adds the products of one group of four panels to the sums in memory. `step` is the bytes from panel to panel.
///
/// In assembly because clang keeps the sums of `tile` on the stack and reloads addresses: 465 of 545 GOP/s, this 510.
INLINE void add_group(const int16_t *w, size_t step, const float *scales, const six_rows *rows) {
  size_t i = 0, triple = 3 * step;
  __asm__ volatile(CLEAR(0, 1, 2, 3) CLEAR(4, 5, 6, 7) CLEAR(8, 9, 10, 11) CLEAR(12, 13, 14, 15) CLEAR(16, 17, 18, 19)
                       CLEAR(20, 21, 22, 23) "1:\n" PAIR("0", "0") PAIR("64",
                           "4") "addq $128, %[w]\n"
                                "addq $2, %[i]\n"
                                "cmpq $32, %[i]\n"
                                "jne 1b\n"
                                // The scales of a panel's groups take a 32nd of its values.
                                "shrq $5, %[step]\n"
                                "shrq $5, %[triple]\n" PANELS("vmovups", "0", "scales") ADD_ROW(48, 96, 0, 1, 2, 3)
                                    ADD_ROW(56, 100, 4, 5, 6, 7) ADD_ROW(64, 104, 8, 9, 10, 11) ADD_ROW(72, 108, 12, 13, 14, 15)
                                        ADD_ROW(80, 112, 16, 17, 18, 19) ADD_ROW(88, 116, 20, 21, 22, 23)
                   : [w] "+r"(w), [i] "+r"(i), [step] "+r"(step), [triple] "+r"(triple)
                   : [x0] "r"(rows->values[0]), [x1] "r"(rows->values[1]), [x2] "r"(rows->values[2]), [x3] "r"(rows->values[3]),
                   [x4] "r"(rows->values[4]), [x5] "r"(rows->values[5]), [scales] "r"(scales), [rows] "r"(rows)
                   : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                   "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
                   "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
}

/// As `tile` for six rows and four panels whose 64 results are all wanted.
INLINE void full_tile(mio_fixed_panels weights, size_t panel, size_t first, size_t last, const mio_fixed_rows *x, size_t token,
    mio_fixed_target y) {
  six_rows rows;
  const int16_t *starts[6];
  const float *scales[6];
  for (int t = 0; t < 6; t++) {
    starts[t] = x->values + (size_t)x->starts[token + t] * MIO_FIXED_GROUP;
    scales[t] = x->scales + x->starts[token + t];
    rows.targets[t] = y.base + y.index_map[token + t] * y.stride + panel * 16;
  }
  if (first == 0 && (!y.adds || y.bias)) {
    for (int p = 0; p < 4; p++) {
      const __m512 bias = y.bias ? _mm512_loadu_ps(y.bias + (panel + p) * 16) : _mm512_setzero_ps();
      for (int t = 0; t < 6; t++) {
        float *sums = rows.targets[t] + 16 * p;
        _mm512_storeu_ps(sums, y.adds ? _mm512_add_ps(_mm512_loadu_ps(sums), bias) : bias);
      }
    }
  }
  size_t run = first / x->run_groups * x->run_stride, inner = first % x->run_groups;
  for (size_t group = first; group < last; group++) {
    for (int t = 0; t < 6; t++) {
      rows.values[t] = starts[t] + (run + inner) * MIO_FIXED_GROUP;
      rows.scales[t] = scales[t][run + inner];
    }
    const size_t place = panel * weights.groups + group;
    add_group(weights.values + place * 1024, weights.groups * 2048, weights.scales + place * 16, &rows);
    if (++inner == x->run_groups) inner = 0, run += x->run_stride;
  }
}

/// One pass over k for `panels` panels and all rows of activations.
INLINE void pass(int panels, mio_fixed_panels weights, size_t panel, size_t first, size_t last, const mio_fixed_rows *x,
    mio_fixed_target y) {
  size_t t = 0;
  if (panels == 4 && (panel + 4) * 16 <= y.columns) {
    for (; t + 6 <= x->count; t += 6) full_tile(weights, panel, first, last, x, t, y);
  }
  if (panels == 1) {
    for (; t + 12 <= x->count; t += 12) tile(1, 12, weights, panel, first, last, x, t, y);
  }
  for (; t + 6 <= x->count; t += 6) tile(panels, 6, weights, panel, first, last, x, t, y);
  switch (x->count - t) {
    case 5: tile(panels, 5, weights, panel, first, last, x, t, y); break;
    case 4: tile(panels, 4, weights, panel, first, last, x, t, y); break;
    case 3: tile(panels, 3, weights, panel, first, last, x, t, y); break;
    case 2: tile(panels, 2, weights, panel, first, last, x, t, y); break;
    case 1: tile(panels, 1, weights, panel, first, last, x, t, y); break;
    default: break;
  }
}

void mio_multiply_fixed_avx512(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y) {
  for (size_t first = 0; first < weights.groups; first += PASS) {
    const size_t last = first + PASS < weights.groups ? first + PASS : weights.groups;
    size_t panel = 0;
    for (; panel + 4 <= weights.panel_count; panel += 4) pass(4, weights, panel, first, last, x, y);
    for (; panel + 2 <= weights.panel_count; panel += 2) pass(2, weights, panel, first, last, x, y);
    for (; panel < weights.panel_count; panel++) pass(1, weights, panel, first, last, x, y);
  }
}

#pragma clang attribute pop
#endif
