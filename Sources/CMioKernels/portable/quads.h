// Products of bytes without instructions of an instruction-set variant.
#ifndef MIO_PORTABLE_QUADS_H
#define MIO_PORTABLE_QUADS_H

#include "../vector/vector.h"

INLINE quads load_quads(const uint8_t *source) {
  quads values;
  memcpy(&values, source, sizeof values);
  return values;
}

/// Adds to sum[r] the products of bytes 4r ... 4r + 3 with those of `other`. The 16-bit sums of two products do not overflow as
/// long as one factor is at most 127.
INLINE integers add_quads(integers sum, quads values, int32_t other) {
  typedef int16_t pairs __attribute__((ext_vector_type(32)));
  int8_t x[4];
  memcpy(x, &other, sizeof x);
  const integers even = (integers)((uint16_t)x[0] | (int32_t)((uint32_t)x[2] << 16));
  const integers odd = (integers)((uint16_t)x[1] | (int32_t)((uint32_t)x[3] << 16));
  const pairs both = (pairs)values;
  const integers products = (integers)((both << 8 >> 8) * (pairs)even + (both >> 8) * (pairs)odd);
  return sum + (products << 16 >> 16) + (products >> 16);
}

#endif
