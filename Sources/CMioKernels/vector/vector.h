// Sixteen lanes for every instruction set: the compiler splits them into the registers it has.
//
// The functions below repeat VectorMath.swift operation by operation. Contraction to fused multiply-adds is off, so each
// instruction set gives the same bits.
#ifndef MIO_VECTOR_H
#define MIO_VECTOR_H

#include "../variants.h"
#include <string.h>

#pragma STDC FP_CONTRACT OFF
// Everything that takes or returns lanes is inlined, so their calling convention does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((ext_vector_type(16)));
typedef int32_t integers __attribute__((ext_vector_type(16)));
typedef int16_t shorts __attribute__((ext_vector_type(16)));
typedef int8_t bytes __attribute__((ext_vector_type(16)));
/// Four bytes each of sixteen rows or positions.
typedef int8_t quads __attribute__((ext_vector_type(64)));

#define LANES 16

INLINE lanes load_lanes(const float *x) {
  lanes value;
  memcpy(&value, x, sizeof value);
  return value;
}

INLINE void store_lanes(float *x, lanes value) { memcpy(x, &value, sizeof value); }

/// The first `count` floats, zeros after them.
INLINE lanes load_some(const float *x, size_t count) {
  if (count >= LANES) return load_lanes(x);
  float padded[LANES] = {0};
  memcpy(padded, x, count * sizeof(float));
  return load_lanes(padded);
}

INLINE void store_some(float *x, lanes value, size_t count) {
  if (count >= LANES) return store_lanes(x, value);
  float padded[LANES];
  store_lanes(padded, value);
  memcpy(x, padded, count * sizeof(float));
}

INLINE integers bits_of(lanes x) {
  integers bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

INLINE lanes lanes_of(integers bits) {
  lanes x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

INLINE lanes magnitude(lanes x) { return lanes_of(bits_of(x) & 0x7FFFFFFF); }
INLINE lanes at_least(lanes x, float bound) { return x < bound ? (lanes)bound : x; }
INLINE lanes at_most(lanes x, float bound) { return x > bound ? (lanes)bound : x; }

/// Nearest integers of numbers within +-2^22, ties to even: adding 1.5 * 2^23 leaves them in the low bits.
INLINE integers nearest_integers(lanes x) { return bits_of(x + 12582912.0f) - 0x4B400000; }

#endif
