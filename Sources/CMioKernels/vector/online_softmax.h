// Scores of dense attention to weights. Included once per instruction set, behind fixed_rows.h, with MIO_NAME(function)
// defined.

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

INLINE lanes visible_scores(mio_online_softmax_row row, size_t first) {
  const lanes scores = load_lanes(row.scores + first);
  if (first + LANES <= row.visible) return scores;
  lanes kept = scores;
  for (size_t lane = 0; lane < LANES; lane++) {
    if (first + lane >= row.visible) kept[lane] = -__builtin_inff();
  }
  return kept;
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

/// The largest of the scores, scaled.
INLINE float peak_of_scores(mio_online_softmax_row row) {
  const size_t whole = row.visible / LANES * LANES;
  lanes peaks = -__builtin_inff(), others = peaks;
  size_t i = 0;
  for (; i + 2 * LANES <= whole; i += 2 * LANES) {
    const lanes a = load_lanes(row.scores + i), b = load_lanes(row.scores + i + LANES);
    peaks = a > peaks ? a : peaks;
    others = b > others ? b : others;
  }
  for (; i < row.visible; i += LANES) {
    const lanes scores = visible_scores(row, i);
    peaks = scores > peaks ? scores : peaks;
  }
  return largest_of(others > peaks ? others : peaks) * row.scale;
}

/// Moves the maximum up to `score` if that is larger, and the sums with it. Returns the maximum.
INLINE float raise_maximum(mio_online_softmax_row row, float score) {
  const float peak = score > row.state[0] ? score : row.state[0];
  if (peak == row.state[0]) return peak;
  const float factor = power_below_one((lanes)(row.state[0] - peak))[0];
  row.state[0] = peak;
  row.state[1] *= factor;
  for (size_t i = 0; i < row.width; i += LANES) {
    store_some(row.result + i, load_some(row.result + i, row.width - i) * factor, row.width - i);
  }
  return peak;
}

INLINE lanes weights_of(mio_online_softmax_row row, size_t first, float peak) {
  if (first >= row.visible) return 0;
  return power_below_one(__builtin_elementwise_fma(visible_scores(row, first), (lanes)row.scale, (lanes)(0 - peak)));
}

void MIO_NAME(mio_online_softmax)(mio_online_softmax_row row) {
  const float peak = raise_maximum(row, peak_of_scores(row));
  lanes sum = 0;
  for (size_t i = 0; i < row.padded; i += LANES) {
    const lanes weights = weights_of(row, i, peak);
    sum += weights;
    store_lanes(row.scores + i, weights);
  }
  row.state[1] += sum_of(sum);
}

/// 5792 * 2^(scores * scale - peak) for exponents <= 0, rounded. A relative error below 3e-6 before rounding is far less than
/// that of rounding; below 2^-30 nothing is left of a weight.
INLINE integers fixed_weights(lanes scores, float scale, float peak) {
  const lanes x = at_least(__builtin_elementwise_fma(scores, (lanes)scale, (lanes)(0 - peak)), -30);
  const lanes shifted = x + 12582912.0f;
  const lanes r = x - (shifted - 12582912.0f);
  lanes p = __builtin_elementwise_fma((lanes)9.58285294e-3f, r, (lanes)5.59064262e-2f);
  p = __builtin_elementwise_fma(p, r, (lanes)2.40240991e-1f);
  p = __builtin_elementwise_fma(p, r, (lanes)6.93124175e-1f);
  p = __builtin_elementwise_fma(p, r, (lanes)1.0f);
  const lanes power = lanes_of(bits_of(p) + (bits_of(shifted) << 23));
  return bits_of(__builtin_elementwise_fma(power, (lanes)(float)MIO_FIXED_LIMIT, (lanes)12582912.0f)) - 0x4B400000;
}

INLINE integers store_weights(lanes scores, float scale, float peak, int16_t *values) {
  const integers weights = fixed_weights(scores, scale, peak);
  const shorts narrow = __builtin_convertvector(weights, shorts);
  memcpy(values, &narrow, sizeof narrow);
  return weights;
}

void MIO_NAME(mio_online_softmax_fixed)(mio_online_softmax_row row, int16_t *values, float *scales) {
  const float own = peak_of_scores(row);
  const float peak = raise_maximum(row, own);
  integers sum = 0;
  size_t i = 0;
  for (; i + LANES <= row.visible; i += LANES) sum += store_weights(load_lanes(row.scores + i), row.scale, own, values + i);
  for (; i < row.padded; i += LANES) {
    const lanes scores = i < row.visible ? visible_scores(row, i) : (lanes)-__builtin_inff();
    sum += store_weights(scores, row.scale, own, values + i);
  }
  const float scale = power_below_one((lanes)(own - peak))[0] * (1.0f / MIO_FIXED_LIMIT);
  for (size_t group = 0; group < row.padded / MIO_FIXED_GROUP; group++) scales[group] = scale;
  row.state[1] += (float)__builtin_reduce_add(sum) * scale;
}
