// Fills the table of q4_search.h.
#include "q4_search.h"

#include <string.h>

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float extent_of(int trial) {
  const float extent = 50 + 2.5f * (float)(trial % MIO_Q4_EXTENTS);
  return trial < MIO_Q4_EXTENTS ? extent : -extent;
}

static float middle_above(int level) { return 0.5f * (float)(mio_q4_levels[level] + mio_q4_levels[level + 1]); }

/// The index of the level nearest to v, the upper one only beyond the middle; `level` is a guess.
static int nearest_index(float v, int level) {
  while (level < 15 && v > middle_above(level)) level++;
  while (level > 0 && !(v > middle_above(level - 1))) level--;
  return level;
}

/// Bits of the largest |u| on the near side of a middle; the middle and the extent have u's sign between them.
static uint32_t threshold(float extent, float middle) {
  const int upwards = extent > 0; // |u| grows away from v > middle, or towards it
  uint32_t bits = bits_of(middle / extent);
  while ((float_of(bits) * extent > middle) == upwards) bits--;
  while ((float_of(bits + 1) * extent > middle) != upwards) bits++;
  return bits;
}

/// Ascending, each once. Returns how many.
static size_t insert(uint32_t *sorted, size_t count, uint32_t value) {
  size_t place = count;
  while (place > 0 && sorted[place - 1] > value) place--;
  if (place > 0 && sorted[place - 1] == value) return count;
  memmove(sorted + place + 1, sorted + place, (count - place) * sizeof *sorted);
  sorted[place] = value;
  return count + 1;
}

size_t mio_q4_search_size(void) { return sizeof(mio_q4_search); }

void mio_prepare_q4_search(mio_q4_search *search) {
  uint32_t thresholds[MIO_Q4_TRIALS * 15];
  size_t count = 0;
  for (int trial = 0; trial < MIO_Q4_TRIALS; trial++) {
    for (int level = 0; level < 15; level++) {
      const float extent = extent_of(trial), middle = middle_above(level);
      if ((middle > 0) != (extent > 0) || middle / extent > MIO_Q4_LARGEST) continue;
      count = insert(thresholds, count, threshold(extent, middle));
    }
  }
  memset(search, 0, sizeof *search);
  int levels[MIO_Q4_TRIALS] = {0};
  for (size_t place = 0; place < MIO_Q4_PLACES; place++) {
    const float u = place < count ? float_of(thresholds[place]) : MIO_Q4_LARGEST;
    float *row = search->rows[place].levels;
    for (int trial = 0; trial < MIO_Q4_TRIALS; trial++) {
      levels[trial] = nearest_index(u * extent_of(trial), levels[trial]);
      const int level = mio_q4_levels[levels[trial]];
      row[trial] = (float)(level < 0 ? -level : level);
    }
    memcpy(row + MIO_Q4_TRIALS, row, MIO_Q4_EXTENTS * sizeof *row);
    search->thresholds[place] = place < count ? thresholds[place] : UINT32_MAX;
  }
  size_t place = 0;
  for (size_t cell = 0; cell < sizeof search->cells; cell++) {
    while (place < count && (size_t)(float_of(thresholds[place]) * MIO_Q4_CELLS) < cell) place++;
    search->cells[cell] = (uint8_t)place;
  }
}
