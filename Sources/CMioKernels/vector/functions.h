// Elementary functions on sixteen lanes; see VectorMath.swift for ranges, errors and sources.
#ifndef MIO_FUNCTIONS_H
#define MIO_FUNCTIONS_H

#include "vector.h"

INLINE lanes round_to_even(lanes x) { return (x + 12582912.0f) - 12582912.0f; }

INLINE lanes power_of_two(lanes n) { return lanes_of((nearest_integers(n) + 127) << 23); }

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

// Powers of 2 in attention. Three polynomials, because each is part of what a kernel promises to the bit: plain and fused
// multiply-adds round differently, and fixed-point weights need fewer digits.

/// 2^x for x <= 0, 0 below -126; coefficients in mio_attention.h.
INLINE lanes exp2_of(lanes x) {
  const lanes n = round_to_even(x), f = x - n;
  lanes p = f * MIO_EXP2_C6 + MIO_EXP2_C5;
  p = p * f + MIO_EXP2_C4;
  p = p * f + MIO_EXP2_C3;
  p = p * f + MIO_EXP2_C2;
  p = p * f + MIO_EXP2_C1;
  p = p * f + 1;
  return x >= -126 ? p * power_of_two(n) : (lanes)0.0f;
}

/// 2^x for x <= 0, 0 below -126; relative error below 1e-7. Fused multiply-adds, so that every instruction set agrees.
INLINE lanes power_below_one(lanes x) {
  const lanes n = round_to_even(x);
  const lanes r = x - n;
  lanes p = __builtin_elementwise_fma((lanes)1.53533e-4f, r, (lanes)1.33988790e-3f);
  p = __builtin_elementwise_fma(p, r, (lanes)9.61843070e-3f);
  p = __builtin_elementwise_fma(p, r, (lanes)5.55032720e-2f);
  p = __builtin_elementwise_fma(p, r, (lanes)2.40226510e-1f);
  p = __builtin_elementwise_fma(p, r, (lanes)6.93147180e-1f);
  p = __builtin_elementwise_fma(p, r, (lanes)1.0f);
  const lanes scaled = lanes_of(bits_of(p) + (bits_of(n + 12582912.0f) << 23));
  return x < -126 ? (lanes)0.0f : scaled;
}

/// 5792 * 2^x for x <= 0, rounded. A relative error below 3e-6 before rounding is far less than that of rounding; below 2^-30
/// nothing is left of a weight.
INLINE integers fixed_power_below_one(lanes x) {
  x = at_least(x, -30);
  const lanes shifted = x + 12582912.0f;
  const lanes r = x - (shifted - 12582912.0f);
  lanes p = __builtin_elementwise_fma((lanes)9.58285294e-3f, r, (lanes)5.59064262e-2f);
  p = __builtin_elementwise_fma(p, r, (lanes)2.40240991e-1f);
  p = __builtin_elementwise_fma(p, r, (lanes)6.93124175e-1f);
  p = __builtin_elementwise_fma(p, r, (lanes)1.0f);
  const lanes power = lanes_of(bits_of(p) + (bits_of(shifted) << 23));
  return bits_of(__builtin_elementwise_fma(power, (lanes)(float)MIO_FIXED_LIMIT, (lanes)12582912.0f)) - 0x4B400000;
}

/// Halves are folded onto each other, 8 + 8, 4 + 4, 2 + 2, 1 + 1.
INLINE float sum_of(lanes x) {
  typedef float eight __attribute__((ext_vector_type(8)));
  typedef float four __attribute__((ext_vector_type(4)));
  const eight a = x.lo + x.hi;
  const four b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

/// Halves are folded onto each other, 8 and 8, 4 and 4, 2 and 2, 1 and 1.
INLINE float largest_of(lanes x) {
  typedef float eight __attribute__((ext_vector_type(8)));
  typedef float four __attribute__((ext_vector_type(4)));
  const eight a = x.lo > x.hi ? x.lo : x.hi;
  const four b = a.lo > a.hi ? a.lo : a.hi;
  const float c = b.x > b.z ? b.x : b.z, d = b.y > b.w ? b.y : b.w;
  return c > d ? c : d;
}

#endif
