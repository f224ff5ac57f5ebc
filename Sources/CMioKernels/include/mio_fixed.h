// Products of 16-bit fixed-point numbers: as fast as 16-bit floats, at several times their precision.
//
// 64 consecutive k of a row share one scale, max |x| / 5792, so that the sum of their products fits 32 bits. Sums of
// integers are exact and those of floats have one order: every instruction set gives the same bits.
#ifndef MIO_FIXED_H
#define MIO_FIXED_H

#include <stddef.h>
#include <stdint.h>

enum { MIO_FIXED_GROUP = 64, MIO_FIXED_LIMIT = 5792 };

/// Consecutive panels of 16 rows of weights.
typedef struct {
  const int16_t *values; // [panels][groups][32 pairs of k][16 rows][2], 64-byte aligned
  const float *scales;   // [panels][groups][16]
  size_t panel_count;
  size_t groups;
} mio_fixed_panels;

/// Rows of activations. Group g of row t lies at position starts[t] + g / run_groups * run_stride + g % run_groups: rows may
/// overlap, and a window over several lines of an image is several runs.
typedef struct {
  const int16_t *values; // [positions][64]
  const float *scales;   // [positions]
  const uint32_t *starts;
  size_t run_groups;
  size_t run_stride;
  size_t count;
} mio_fixed_rows;

/// Where results go: element (t, r) at base[index_map[t] * stride + r] for r < columns.
typedef struct {
  float *base;
  const uint32_t *index_map;
  size_t stride;
  size_t columns;
  const float *bias; // [columns], or null
  int adds;          // whether results are added to what is there
} mio_fixed_target;

/// y = (y if adds) + bias + sum over groups g of float(sum over k of w q) * (weight scale * activation scale): one fused
/// multiply-add per group, in the order of the groups.
typedef void mio_multiply_fixed(mio_fixed_panels weights, const mio_fixed_rows *x, mio_fixed_target y);

/// Rounds rows of floats: `rows` rows of `columns` floats, the first of every row `stride` floats behind that of the row
/// before. Row t fills the positions from t * position_stride on; missing values of its last group are 0.
/// Before rounding, x becomes x * factor + offset column by column where these are given, and silu of that if `activates`.
typedef struct {
  const float *base;
  size_t stride;
  size_t rows;
  size_t columns;
  const float *factor; // [columns], or null
  const float *offset; // [columns]
  int activates;
} mio_float_rows;
typedef void mio_fix_rows(mio_float_rows x, size_t position_stride, int16_t *values, float *scales);

/// y = x as `mio_fix_rows` maps it, in floats: rows one behind the other.
typedef void mio_scale_rows(mio_float_rows x, float *y);

/// Rounds one group of a panel of f16 weights: the sum of `source_count` (1 to 9) runs of `count` (up to 64) columns, each
/// times its factor.
typedef void mio_fix_group(
    const uint16_t *const *sources, const float *factors, size_t source_count, size_t count, int16_t *values, float *scales);

/// Rounds one group of a panel from 16 columns of floats: register k holds x[k * stride ..< k * stride + count].
typedef void mio_fix_columns(const float *x, size_t stride, size_t rows, size_t count, int16_t *values, float *scales);

/// A line of tiles: each covers 4 x 4 pixels d of four lines, and starts two pixels behind the one before.
typedef struct {
  const float *base;  // [4 lines][2 * tiles + 2 pixels][channels]
  size_t line_stride; // floats from line to line
  size_t channels;
  size_t tiles;
} mio_tile_line;

/// Rounds the 16 sums B d B' of every tile. Multiplying with B turns four values a, b, c, d into a - c, b + c, c - b, b - d;
/// lines first. Sum (i, j) of tile t fills the positions from (4 i + j) * stride + t * groups on.
typedef void mio_fix_tiles(mio_tile_line x, size_t stride, int16_t *values, float *scales);

/// Products of the 16 sums of a line of tiles on their way to pixels.
typedef struct {
  const float *base; // [16][stride]: [tiles][columns]
  size_t stride;
  size_t columns;
  size_t tiles;
  const float *bias; // [columns]
  int adds;          // whether results are added to what is there
} mio_tile_products;

/// 2 x 2 pixels A m A' + bias of every tile, in two lines. Multiplying with A turns a, b, c, d into a + b + c, b - c - d.
typedef void mio_join_tiles(mio_tile_products x, float *upper, float *lower);

/// 16-bit floats to 32 bits.
typedef void mio_f16_to_f32(const uint16_t *x, float *y, size_t count);

/// y = x, or y + x if `adds`, as 16-bit floats: rounded to nearest even, beyond 65,504 held there.
typedef void mio_f32_to_f16(const float *x, int adds, uint16_t *y, size_t count);

/// One query's scores of a chunk of keys, on their way to weights `2^((score - largest so far) * scale)`.
typedef struct {
  float *scores; // [padded], those from `visible` on do not count; `padded` is a multiple of 16
  size_t padded;
  size_t visible; // at least 1
  float scale;    // scale of the scores times log2 e, positive
  float *state;   // largest score so far times scale, -infinity at first; sum of the weights so far
  float *result;  // [width], sum of weighted values so far: scaled to the new maximum
  size_t width;
} mio_online_softmax_row;

/// Turns the scores into weights, zeros behind the visible ones.
typedef void mio_online_softmax(mio_online_softmax_row row);

/// Turns the scores into fixed-point weights, `padded` a multiple of 64. All of them share the scale of the largest, 5792, and
/// their sum is that of the rounded weights, which are at most 2^31 / 5792 in number.
typedef void mio_online_softmax_fixed(mio_online_softmax_row row, int16_t *values, float *scales);

#endif
