// Scores of dense attention to weights. Included once per instruction set, behind fixed_rows.h, with MIO_NAME(function)
// defined.

INLINE lanes visible_scores(mio_online_softmax_row row, size_t first) {
  const lanes scores = load_lanes(row.scores + first);
  if (first + LANES <= row.visible) return scores;
  lanes kept = scores;
  for (size_t lane = 0; lane < LANES; lane++) {
    if (first + lane >= row.visible) kept[lane] = -__builtin_inff();
  }
  return kept;
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

/// 5792 * 2^(scores * scale - peak), rounded.
INLINE integers fixed_weights(lanes scores, float scale, float peak) {
  return fixed_power_below_one(__builtin_elementwise_fma(scores, (lanes)scale, (lanes)(0 - peak)));
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
