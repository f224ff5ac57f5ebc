// Weights to panels. Included once per instruction set, behind halves.h, with MIO_NAME(function) defined. Lanes are the rows
// of a panel, where nothing else is said.
#include "../q4_search.h"

/// Column k of the group, row by row; missing rows and columns are 0.
INLINE void load_group(const float *rows, size_t row_count, size_t columns, size_t group, lanes x[MIO_GROUP]) {
  float tile[MIO_GROUP][LANES] = {{0}};
  const size_t first = group * MIO_GROUP;
  const size_t count = columns - first < MIO_GROUP ? columns - first : MIO_GROUP;
  for (size_t row = 0; row < row_count; row++) {
    const float *source = rows + row * columns + first;
    for (size_t k = 0; k < count; k++) tile[k][row] = source[k];
  }
  memcpy(x, tile, sizeof tile);
}

INLINE lanes peak_of(const lanes x[MIO_GROUP]) {
  integers peak = bits_of(x[0]) & 0x7FFFFFFF;
  for (int k = 1; k < MIO_GROUP; k++) peak = __builtin_elementwise_max(peak, bits_of(x[k]) & 0x7FFFFFFF);
  return lanes_of(peak);
}

/// 1 / x, or 0 where |x| <= least.
INLINE lanes reciprocal(lanes x, float least) { return magnitude(x) > least ? 1 / x : (lanes)0.0f; }

void MIO_NAME(mio_pack_q8)(const float *rows, size_t row_count, size_t columns, uint8_t *panel) {
  const size_t groups = (columns + MIO_GROUP - 1) / MIO_GROUP;
  for (size_t group = 0; group < groups; group++) {
    lanes x[MIO_GROUP];
    load_group(rows, row_count, columns, group, x);
    const integers scale = half_bits(peak_of(x) / 127);
    const lanes factor = reciprocal(half_value(scale), 0);
    uint8_t *target = panel + group * 512;
    for (int k = 0; k < MIO_GROUP; k += 4) {
      integers four = 0;
      for (int byte = 0; byte < 4; byte++) {
        integers quantum = nearest_integers(x[k + byte] * factor);
        quantum = __builtin_elementwise_min(__builtin_elementwise_max(quantum, (integers)-127), (integers)127);
        four |= (quantum & 255) << 8 * byte;
      }
      memcpy(target + k * 16, &four, sizeof four);
    }
    store_halves(panel + groups * 512 + group * 32, scale);
  }
}

#ifndef MIO_HAS_NEAREST_INDEX
/// The index of the level nearest to v; the upper one only beyond the middle.
INLINE integers nearest_index(lanes v) {
  integers index = 0;
  for (int i = 0; i < 15; i++) index -= v > 0.5f * (mio_q4_levels[i] + mio_q4_levels[i + 1]);
  return index;
}
#endif

typedef float eight __attribute__((ext_vector_type(8)));
typedef int32_t eight_integers __attribute__((ext_vector_type(8)));

/// Rows whose sums run side by side, so that no sum waits for the one before.
#ifndef MIO_SEARCHED_ROWS
#define MIO_SEARCHED_ROWS 2
#endif

/// A group of a row: the weights over their largest magnitude.
typedef struct {
  float magnitudes[MIO_GROUP];
  uint32_t bits[MIO_GROUP];  // what finds the magnitude's place
  int32_t cells[MIO_GROUP];  // where to look it up
  int32_t firsts[MIO_GROUP]; // where the levels begin in a row of the table
  float peak;
} searched_group;

INLINE void begin_search(searched_group *group, lanes low, lanes high) {
  const integers peak = __builtin_elementwise_max(bits_of(low) & 0x7FFFFFFF, bits_of(high) & 0x7FFFFFFF);
  const int32_t largest = __builtin_reduce_max(peak);
  memcpy(&group->peak, &largest, sizeof largest);
  const float inverse = group->peak > 1e-30f ? 1 / group->peak : 0;
  const lanes x[2] = {low * inverse, high * inverse};
  for (int half = 0; half < 2; half++) {
    // What is no number finds some row, and stays what it is in the sums.
    const integers bits = __builtin_elementwise_min(bits_of(x[half]) & 0x7FFFFFFF, bits_of((lanes)MIO_Q4_LARGEST));
    const integers cells = __builtin_convertvector(lanes_of(bits) * MIO_Q4_CELLS, integers);
    const integers firsts = bits_of(x[half]) < 0 ? (integers)(MIO_Q4_EXTENTS * 4) : (integers)0;
    store_lanes(group->magnitudes + 16 * half, magnitude(x[half]));
    memcpy(group->bits + 16 * half, &bits, sizeof bits);
    memcpy(group->cells + 16 * half, &cells, sizeof cells);
    memcpy(group->firsts + 16 * half, &firsts, sizeof firsts);
  }
}

/// Magnitudes of the levels of weight k in all trials.
INLINE const void *levels_of(const mio_q4_search *search, const searched_group *group, int k) {
  uint32_t place = search->cells[group->cells[k]];
  place += search->thresholds[place] < group->bits[k];
  place += search->thresholds[place] < group->bits[k];
  return (const uint8_t *)&search->rows[place] + group->firsts[k];
}

/// What the processor has of these is exact either way: squares of levels are integers.
INLINE lanes add_squares(lanes sum, lanes q) {
#pragma STDC FP_CONTRACT ON
  return sum + q * q;
}

INLINE eight add_eight_squares(eight sum, eight q) {
#pragma STDC FP_CONTRACT ON
  return sum + q * q;
}

/// The scale of least squared error among those that fit 24 trial assignments of levels: the largest magnitude is laid on
/// +-50, 52.5 ... 77.5, and a trial with products a = sum u q, b = sum q q leaves the error sum u u - a a / b. Lanes are
/// extents above zero, then those below, for which a has the other sign here; among equals the first pair wins.
INLINE void best_scales(const mio_q4_search *search, const searched_group groups[MIO_SEARCHED_ROWS], float *scales) {
  lanes a[MIO_SEARCHED_ROWS], b[MIO_SEARCHED_ROWS];
  eight a2[MIO_SEARCHED_ROWS], b2[MIO_SEARCHED_ROWS];
  for (int r = 0; r < MIO_SEARCHED_ROWS; r++) a[r] = 0, a2[r] = 0, b[r] = 0, b2[r] = 0;
  for (int k = 0; k < MIO_GROUP; k++) {
    for (int r = 0; r < MIO_SEARCHED_ROWS; r++) {
      const uint8_t *levels = levels_of(search, &groups[r], k);
      lanes q;
      eight q2;
      memcpy(&q, levels, sizeof q), memcpy(&q2, levels + sizeof q, sizeof q2);
      a[r] += groups[r].magnitudes[k] * q, a2[r] += groups[r].magnitudes[k] * q2;
      b[r] = add_squares(b[r], q), b2[r] = add_eight_squares(b2[r], q2);
    }
  }
  for (int r = 0; r < MIO_SEARCHED_ROWS; r++) {
    const lanes score = a[r] * a[r] / b[r];
    const eight score2 = a2[r] * a2[r] / b2[r];
    // Zeros leave 0 / 0, which is no score. What is positive keeps its order as an integer.
    const integers place = score > 0 ? bits_of(score) : (integers)0;
    eight_integers place2;
    memcpy(&place2, &score2, sizeof place2);
    place2 = score2 > 0 ? place2 : (eight_integers)0;
    const int32_t best = __builtin_reduce_max(__builtin_elementwise_max(place.lo, __builtin_elementwise_max(place.hi, place2)));
    const integers order = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 1, 3, 5, 7};
    const eight_integers order2 = {9, 11, 13, 15, 17, 19, 21, 23};
    const integers places = place == best ? order : (integers)MIO_Q4_TRIALS;
    const eight_integers places2 = place2 == best ? order2 : (eight_integers)MIO_Q4_TRIALS;
    const int32_t trial =
        __builtin_reduce_min(__builtin_elementwise_min(places.lo, __builtin_elementwise_min(places.hi, places2)));
    float products[MIO_Q4_TRIALS], squares[MIO_Q4_TRIALS];
    memcpy(products, &a[r], sizeof a[r]), memcpy(products + LANES, &a2[r], sizeof a2[r]);
    memcpy(squares, &b[r], sizeof b[r]), memcpy(squares + LANES, &b2[r], sizeof b2[r]);
    // Without a score the products are all zeros, and so must the scale be.
    const int32_t lane = trial / 2 + (trial & 1) * MIO_Q4_EXTENTS;
    const float sign = (float)(1 - 2 * (trial & 1));
    scales[r] = best > 0 ? groups[r].peak * (sign * products[lane] / squares[lane]) : groups[r].peak * 0;
  }
}

/// The indexes of 32 columns of a row, columns i and i + 16 in one byte. Beyond 80 the nearest levels are the outermost ones.
INLINE bytes level_pairs(lanes low, lanes high, float factor) {
  low = at_most(at_least(low * factor, -80), 80);
  high = at_most(at_least(high * factor, -80), 80);
  return __builtin_convertvector(nearest_index(low) | nearest_index(high) << 4, bytes);
}

void MIO_NAME(mio_pack_q4)(const float *rows, size_t row_count, size_t columns, const mio_q4_search *search, uint8_t *panel) {
  const size_t groups = (columns + MIO_GROUP - 1) / MIO_GROUP;
  for (size_t group = 0; group < groups; group++) {
    const size_t first = group * MIO_GROUP, count = columns - first;
    lanes x[LANES][2] = {{0}};
    lanes scales = 0;
    for (size_t row = 0; row < row_count; row++) {
      const float *source = rows + row * columns + first;
      x[row][0] = load_some(source, count);
      if (count > LANES) x[row][1] = load_some(source + LANES, count - LANES);
    }
    for (size_t row = 0; row < row_count; row += MIO_SEARCHED_ROWS) {
      searched_group searched[MIO_SEARCHED_ROWS];
      for (size_t r = 0; r < MIO_SEARCHED_ROWS; r++) begin_search(&searched[r], x[row + r][0], x[row + r][1]);
      best_scales(search, searched, (float *)&scales + row);
    }
    const integers halves = half_bits(scales);
    const lanes factors = reciprocal(half_value(halves), 0);
    uint8_t *target = panel + group * 256;
    for (int row = 0; row < LANES; row++) {
      const bytes pairs = level_pairs(x[row][0], x[row][1], factors[row]);
      for (int k = 0; k < 16; k += 4) memcpy(target + k * 16 + row * 4, (const uint8_t *)&pairs + k, 4);
    }
    store_halves(panel + groups * 256 + group * 32, halves);
  }
}

void MIO_NAME(mio_pack_f16)(const float *rows, size_t row_count, size_t columns, uint8_t *panel) {
  for (size_t group = 0; group * MIO_GROUP < columns; group++) {
    lanes x[MIO_GROUP];
    load_group(rows, row_count, columns, group, x);
    const size_t first = group * MIO_GROUP;
    for (size_t k = first; k < columns && k < first + MIO_GROUP; k++) store_halves(panel + k * 32, half_bits(x[k - first]));
  }
}

void MIO_NAME(mio_pack_f32)(const float *rows, size_t row_count, size_t columns, uint8_t *panel) {
  for (size_t group = 0; group * MIO_GROUP < columns; group++) {
    lanes x[MIO_GROUP];
    load_group(rows, row_count, columns, group, x);
    const size_t first = group * MIO_GROUP;
    for (size_t k = first; k < columns && k < first + MIO_GROUP; k++) memcpy(panel + k * 64, &x[k - first], sizeof(lanes));
  }
}
