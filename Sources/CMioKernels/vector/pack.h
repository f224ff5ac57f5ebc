// Weights to panels. Included once per instruction set with MIO_NAME(function) defined. Lanes are the rows of a panel.

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

INLINE void store_scales(uint8_t *target, integers halves) {
  typedef uint16_t shorts __attribute__((ext_vector_type(16)));
  const shorts narrow = __builtin_convertvector(halves, shorts);
  memcpy(target, &narrow, sizeof narrow);
}

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
        // Adding 1.5 * 2^23 rounds and leaves the integer in the low bits.
        integers quantum = bits_of(x[k + byte] * factor + 12582912.0f) - 0x4B400000;
        quantum = __builtin_elementwise_min(__builtin_elementwise_max(quantum, (integers)-127), (integers)127);
        four |= (quantum & 255) << 8 * byte;
      }
      memcpy(target + k * 16, &four, sizeof four);
    }
    store_scales(panel + groups * 512 + group * 32, scale);
  }
}

#ifndef MIO_HAS_NEAREST_LEVELS
/// The level nearest to v: steps from level to level are added where v lies beyond the middle between them.
INLINE lanes nearest_level(lanes v) {
  lanes level = mio_q4_levels[0];
  for (int i = 0; i < 15; i++) {
    const float middle = 0.5f * (mio_q4_levels[i] + mio_q4_levels[i + 1]);
    const lanes step = mio_q4_levels[i + 1] - mio_q4_levels[i];
    level += lanes_of((v > middle) & bits_of(step));
  }
  return level;
}

INLINE integers nearest_index(lanes v) {
  integers index = 0;
  for (int i = 0; i < 15; i++) index -= v > 0.5f * (mio_q4_levels[i] + mio_q4_levels[i + 1]);
  return index;
}
#endif

/// The scale of least squared error among those that fit 24 trial assignments of codebook values: the largest magnitude is laid
/// on
/// +-50, 52.5 ... 77.5, and a trial with products a = sum u q, b = sum q q leaves the error sum u u - a a / b.
INLINE lanes best_scale(const lanes x[MIO_GROUP]) {
  const lanes peak = peak_of(x);
  const lanes inverse = reciprocal(peak, 1e-30f);
  lanes u[MIO_GROUP];
  for (int k = 0; k < MIO_GROUP; k++) u[k] = x[k] * inverse;
  lanes best = 0, scale = 0;
  for (int trial = 0; trial < 24; trial++) {
    const float extent = (50 + 2.5f * (trial / 2)) * (trial % 2 == 0 ? 1.0f : -1.0f);
    lanes a = 0, b = 0;
    for (int k = 0; k < MIO_GROUP; k++) {
      const lanes q = nearest_level(u[k] * extent);
      a += u[k] * q;
      b += q * q;
    }
    const lanes score = a * a / b;
    const integers better = score > best;
    best = better ? score : best;
    scale = better ? a / b : scale;
  }
  return peak * scale;
}

/// The indexes of two columns in one byte. Beyond 80 the nearest levels are the outermost ones.
INLINE integers level_pair(lanes low, lanes high, lanes factor) {
  low = at_most(at_least(low * factor, -80), 80);
  high = at_most(at_least(high * factor, -80), 80);
  return nearest_index(low) | nearest_index(high) << 4;
}

void MIO_NAME(mio_pack_q4)(const float *rows, size_t row_count, size_t columns, uint8_t *panel) {
  const size_t groups = (columns + MIO_GROUP - 1) / MIO_GROUP;
  for (size_t group = 0; group < groups; group++) {
    lanes x[MIO_GROUP];
    load_group(rows, row_count, columns, group, x);
    const integers scale = half_bits(best_scale(x));
    const lanes factor = reciprocal(half_value(scale), 0);
    uint8_t *target = panel + group * 256;
    for (int k = 0; k < MIO_GROUP / 2; k += 4) {
      integers four = 0;
      for (int byte = 0; byte < 4; byte++) four |= level_pair(x[k + byte], x[k + byte + 16], factor) << 8 * byte;
      memcpy(target + k * 16, &four, sizeof four);
    }
    store_scales(panel + groups * 256 + group * 32, scale);
  }
}

void MIO_NAME(mio_pack_f16)(const float *rows, size_t row_count, size_t columns, uint8_t *panel) {
  for (size_t group = 0; group * MIO_GROUP < columns; group++) {
    lanes x[MIO_GROUP];
    load_group(rows, row_count, columns, group, x);
    const size_t first = group * MIO_GROUP;
    for (size_t k = first; k < columns && k < first + MIO_GROUP; k++) store_scales(panel + k * 32, half_bits(x[k - first]));
  }
}
