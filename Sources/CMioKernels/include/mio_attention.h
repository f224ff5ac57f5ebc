// Attention over a paged key/value cache: layout and kernels.
#ifndef MIO_ATTENTION_H
#define MIO_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

/// Positions of one cache page.
#define MIO_ATTENTION_PAGE 64
/// Positions that one call covers: always the same blocks of a sequence, so that a row's result never depends on its
/// neighbours or on the number of threads.
#define MIO_ATTENTION_CHUNK 256
/// Query vectors of one call.
#define MIO_ATTENTION_QUERIES 8

/// Up to eight query vectors against one chunk of positions of one key/value head.
///
/// S is the head width rounded up to a multiple of 32; the cache and the queries hold zeros beyond the head width.
/// Keys of a page, 64 positions: four panels of 16 positions p, d running over the head:
///   i8:  panels [4][S/4][16 p][4 d] int8, then scales [4][S/32][16 p] bfloat16, one per 32 d
///   f16: panels [4][S][16 p] binary16          f32: the same as float
/// Values of a page:
///   i8:  [S/32][64 p][32 d] int8, then scales [S/32][64 p] bfloat16
///   f16: [S/32][64 p][32 d] binary16           f32: the same as float
/// A query, already multiplied with log2(e) / sqrt(head width):
///   i8:  16-bit integers n split as n = 256 high + low: high [S] int8, low [S] int8, then [S/32] int32 sums of n over
///        32 d, then one float scale; |n| <= 32512 keeps both parts and all sums in range
///   f16, f32: [S] float
///
/// For every query q, with positions p below `visible[q]` (others have weight 0):
///   score[p]  = i8: scale_q * sum over groups g, in order, fma(float(exact integer sum), scale_k[p][g], ...)
///               f16, f32: sum over d, in order, fma(query[d], key[p][d], ...)
///   maximum   = max of score, -infinity if nothing is visible
///   weight[p] = exp2(score[p] - maximum), as below
///   sum       = 16 partial sums (p modulo 16), in order of p, then folded 8 + 8, 4 + 4, 2 + 2, 1 + 1
///   output[d] = sum over p, in order, fma(weight[p], value[p][d], ...); i8: value = float(int8) * scale_v, rounded
///
/// exp2(x), x <= 0: n = x rounded to nearest even, f = x - n, a polynomial of degree 6 in f by Horner's rule with separate
/// multiplications and additions, times 2^n; 0 for x < -126. Every instruction set gives the same bits.
typedef struct {
  /// Pages of the chunk in order of position.
  const uint8_t *const *pages;
  /// Byte offsets of this layer's and head's keys and values in every page; the values follow the keys.
  size_t keys, values;
  /// S.
  size_t width;
  /// 1...8.
  size_t queries;
  /// [queries]
  const uint8_t *const *query;
  /// [queries] positions of the chunk that each query sees, 0...256.
  const int32_t *visible;
  /// [queries]
  float *maximum;
  /// [queries]
  float *sum;
  /// [queries][S]
  float *output;
} mio_attention_block;

typedef void mio_attend(const mio_attention_block *block);

/// One row of one key/value head on its way into the cache, and the queries that read it.
///
/// rotated[j] = a[j] cos - a[j + D/2] sin, rotated[j + D/2] = a[j + D/2] cos + a[j] sin, with separate multiplications and
/// additions. In an int8 cache groups of 32 numbers become bytes round(x / scale), ties to even, scale = max |x| / 127 rounded
/// up to bfloat16. A query becomes n = round(x / scale), scale = max |x| / 32512 over the head, stored as scale * factor. In
/// the others numbers are rounded to nearest even, and queries become x * factor.
typedef struct {
  /// D, even.
  size_t head_width;
  /// [D/2] cosines, [D/2] sines of the position.
  const float *rotation;
  /// [D]; NULL, both, for a row that is stored already.
  const float *key;
  const float *value;
  /// Where this layer's and head's keys and values lie in the page; the position counts from the page's first.
  uint8_t *keys, *values;
  size_t position;
  /// [heads][D]; none for a row that is only stored.
  const float *queries;
  size_t heads;
  /// Packed queries, `packed_stride` bytes apart.
  uint8_t *packed;
  size_t packed_stride;
  /// log2(e) / sqrt(D)
  float factor;
  /// [S], overwritten.
  float *scratch;
} mio_attention_row;

typedef void mio_prepare_attention(const mio_attention_row *row);

/// Results of queries over a range of positions, as `mio_attention_block` describes them.
typedef struct {
  size_t queries;
  size_t width;
  float *maximum, *sum, *output;
} mio_attention_part;

/// Adds a part of later positions to that of earlier ones: maximum = the larger m, and sum and output become
/// x * exp2(maximum - m) + later x * exp2(later maximum - m), with separate multiplications and additions. A query that sees
/// none of the later positions keeps what it has.
typedef void mio_merge_attention(mio_attention_part part, mio_attention_part later);

/// The kernels of one instruction-set variant, for each form of the cache.
typedef struct {
  mio_attend *_Nonnull i8, *_Nonnull f16, *_Nonnull f32;
  mio_prepare_attention *_Nonnull prepare_i8, *_Nonnull prepare_f16, *_Nonnull prepare_f32;
  mio_merge_attention *_Nonnull merge;
} mio_attention_kernels;

// Coefficients of 2^f for f in -0.5...0.5, relative error 2e-9 before rounding; c0 is 1.
#define MIO_EXP2_C1 0x1.62e43p-1f
#define MIO_EXP2_C2 0x1.ebfbdap-3f
#define MIO_EXP2_C3 0x1.c6aed4p-5f
#define MIO_EXP2_C4 0x1.3b2dbcp-7f
#define MIO_EXP2_C5 0x1.5f456ap-10f
#define MIO_EXP2_C6 0x1.41d334p-13f

#endif
