// 16-bit floats of sixteen lanes.
#ifndef MIO_HALVES_H
#define MIO_HALVES_H

#include "vector.h"

/// 16-bit floats, rounded to nearest even, beyond 65,504 held there; as HalfFloat.bits.
INLINE integers half_bits(lanes x) {
  const integers sign = (bits_of(x) >> 16) & 0x8000;
  const integers rest = bits_of(x) & 0x7FFFFFFF;
  const integers normal = ((rest + 0xFFF + ((rest >> 13) & 1)) >> 13) - (112 << 10);
  const integers subnormal = bits_of(lanes_of(rest) + 0.5f) - 0x3F000000;
  const integers large = rest > 0x7F800000 ? (integers)0x7E00 : (integers)0x7BFF;
  return sign | (rest >= 0x477FE000 ? large : rest < 0x38800000 ? subnormal : normal);
}

/// Exact; infinities and NaNs do not occur in scales.
INLINE lanes half_value(integers half) {
  const lanes value = lanes_of((half & 0x7FFF) << 13) * 0x1p112f;
  return lanes_of(bits_of(value) | (half & 0x8000) << 16);
}

INLINE void store_halves(void *target, integers halves) {
  typedef uint16_t words __attribute__((ext_vector_type(16)));
  const words narrow = __builtin_convertvector(halves, words);
  memcpy(target, &narrow, sizeof narrow);
}

#ifdef MIO_HALVES_BY_STEPS
/// Exact, for processors that know no 16-bit floats.
INLINE lanes load_halves(const void *source) {
  typedef uint16_t words __attribute__((ext_vector_type(16)));
  words values;
  memcpy(&values, source, sizeof values);
  const integers bits = __builtin_convertvector(values, integers), rest = (bits & 0x7FFF) << 13;
  const integers number = bits_of(lanes_of(rest) * 0x1p112f);
  return lanes_of(((bits & 0x7C00) == 0x7C00 ? rest | 0x7F800000 : number) | (bits & 0x8000) << 16);
}
#else
/// Exact, and one instruction where the processor has it.
INLINE lanes load_halves(const void *source) {
  typedef _Float16 halves __attribute__((ext_vector_type(16)));
  halves values;
  memcpy(&values, source, sizeof values);
  return __builtin_convertvector(values, lanes);
}
#endif

#endif
