// What packing to q4 looks up instead of rounding every weight 24 times.
//
// A trial lays the largest magnitude of a group on an extent and takes the nearest levels. How a number |u| <= 1 rounds in all
// trials changes only at some 180 thresholds, so its place between them says everything: a row of 24 levels. Thresholds are
// those of the definition's own comparisons, u * extent > middle in floats, so no result depends on the detour.
#ifndef MIO_Q4_SEARCH_H
#define MIO_Q4_SEARCH_H

#include "mio_kernels.h"

enum {
  /// Extents that the largest magnitude is laid on: 50, 52.5 ... 77.5, then the same below zero.
  MIO_Q4_EXTENTS = 12,
  MIO_Q4_TRIALS = 2 * MIO_Q4_EXTENTS,
  /// Places between thresholds: 177, and some more to look at.
  MIO_Q4_PLACES = 184,
  /// Cells of equal width that |u| is looked up in first. No cell holds more than two thresholds.
  MIO_Q4_CELLS = 2048,
};

/// |u| above this does not occur: the quotient of a number and the largest magnitude, with its roundings.
#define MIO_Q4_LARGEST 1.001f

/// Magnitudes of the levels of a number |u|: of u in the trials with a positive extent, of -u in them, and again of u. The
/// first 24 are those of u > 0 in all trials, positive extents before negative ones, the last 24 those of u < 0.
typedef struct {
  float levels[3 * MIO_Q4_EXTENTS];
} mio_q4_row;

struct mio_q4_search {
  mio_q4_row rows[MIO_Q4_PLACES];
  /// The bits of the largest |u| that belongs to a row; all ones behind the last.
  uint32_t thresholds[MIO_Q4_PLACES];
  /// The row of the smallest |u| in a cell.
  uint8_t cells[MIO_Q4_CELLS + 4];
};

#endif
