// Elementary functions on sixteen lanes; see VectorMath.swift for ranges, errors and sources.
#ifndef MIO_FUNCTIONS_H
#define MIO_FUNCTIONS_H

#include "vector.h"

INLINE lanes round_to_even(lanes x) { return (x + 12582912.0f) - 12582912.0f; }

INLINE lanes power_of_two(lanes n) { return lanes_of((bits_of(n + 12582912.0f) - 0x4B400000 + 127) << 23); }

typedef struct {
  lanes scale, fraction;
} exp_parts;

/// e^x = scale * (1 + fraction).
INLINE exp_parts split_exp(lanes x) {
  x = at_most(at_least(x, -87.3f), 88.37f);
  const lanes n = round_to_even(x * 1.44269504088896341f);
  const lanes r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  lanes p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return (exp_parts){power_of_two(n), p * (r * r) + r};
}

INLINE lanes exponential(lanes x) {
  const exp_parts e = split_exp(x);
  return x < -87.3f ? (lanes)0.0f : e.fraction * e.scale + e.scale;
}

INLINE lanes exponential_minus_one(lanes x) {
  const exp_parts e = split_exp(x);
  return e.fraction * e.scale + (e.scale - 1);
}

INLINE lanes logistic(lanes x) { return 1 / (1 + exponential(0 - x)); }

INLINE lanes hyperbolic_tangent(lanes x) {
  const lanes square = x * x;
  lanes p = square * -5.70498872745e-3f + 2.06390887954e-2f;
  p = p * square - 5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square - 3.33332819422e-1f;
  const lanes small = p * square * x + x;
  const lanes size = x < 0 ? 0 - x : x;
  const lanes large = 1 - 2 / (exponential(size + size) + 1);
  const lanes with_sign = x < 0 ? 0 - large : large;
  return size < 0.625f ? small : with_sign;
}

INLINE lanes error_function(lanes x) {
  x = at_most(at_least(x, -4), 4);
  const lanes square = x * x;
  lanes p = square * -2.72614225801306e-10f + 2.77068142495902e-08f;
  p = p * square - 2.10102402082508e-06f;
  p = p * square - 5.69250639462346e-05f;
  p = p * square - 7.34990630326855e-04f;
  p = p * square - 2.95459980854025e-03f;
  p = p * square - 1.60960333262415e-02f;
  lanes q = square * -1.45660718464996e-05f - 2.13374055278905e-04f;
  q = q * square - 1.68282697438203e-03f;
  q = q * square - 7.37332916720468e-03f;
  q = q * square - 1.42647390514189e-02f;
  return x * p / q;
}

INLINE lanes sine_squared(lanes x) {
  const lanes n = round_to_even(x * 0.318309886183790672f);
  const lanes r = ((x - n * 3.140625f) - n * 9.67502593994140625e-4f) - n * 1.509957990978376432e-7f;
  const lanes square = r * r;
  lanes p = square * -2.50521083854417e-8f + 2.75573192239859e-6f;
  p = p * square - 1.98412698412698e-4f;
  p = p * square + 8.33333333333333e-3f;
  p = p * square - 1.66666666666667e-1f;
  const lanes sine = p * square * r + r;
  return sine * sine;
}

/// Halves are folded onto each other, 8 + 8, 4 + 4, 2 + 2, 1 + 1.
INLINE float sum_of(lanes x) {
  typedef float eight __attribute__((ext_vector_type(8)));
  typedef float four __attribute__((ext_vector_type(4)));
  const eight a = x.lo + x.hi;
  const four b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

#endif
