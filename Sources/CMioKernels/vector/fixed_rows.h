// Numbers to 16-bit fixed point. Included once per instruction set, behind halves.h, with MIO_NAME(function) defined.

/// The scale of a group whose largest magnitude has these bits, and the factor to its integers. A group below 1e-30 is silence.
INLINE float fixed_scale(int32_t peak_bits, float *factor) {
  float peak;
  memcpy(&peak, &peak_bits, sizeof peak);
  const int silent = peak <= 1e-30f;
  *factor = silent ? 0 : MIO_FIXED_LIMIT / peak;
  return silent ? 0 : peak / MIO_FIXED_LIMIT;
}

INLINE void fix_group(const lanes x[4], int16_t *values, float *scale) {
  // Magnitudes order like their bits, and a NaN beats everything.
  integers peaks = bits_of(x[0]) & 0x7FFFFFFF;
  for (int i = 1; i < 4; i++) peaks = __builtin_elementwise_max(peaks, bits_of(x[i]) & 0x7FFFFFFF);
  float factor;
  *scale = fixed_scale(__builtin_reduce_max(peaks), &factor);
  for (int i = 0; i < 4; i++) {
    const shorts narrow = __builtin_convertvector(nearest_integers(x[i] * factor), shorts);
    memcpy(values + LANES * i, &narrow, sizeof narrow);
  }
}

/// 16 columns of a row, mapped as `mio_float_rows` says. Lanes beyond the row are 0.
INLINE lanes map_lanes(int maps, int activates, const mio_float_rows *x, const float *source, size_t column) {
  const size_t count = x->columns - column;
  lanes value = load_some(source + column, count);
  if (maps) value = value * load_some(x->factor + column, count) + load_some(x->offset + column, count);
  return activates ? value * logistic(value) : value;
}

INLINE void scale_some_rows(int maps, int activates, mio_float_rows x, float *y) {
  for (size_t row = 0; row < x.rows; row++, y += x.columns) {
    for (size_t column = 0; column < x.columns; column += LANES) {
      store_some(y + column, map_lanes(maps, activates, &x, x.base + row * x.stride, column), x.columns - column);
    }
  }
}

void MIO_NAME(mio_scale_rows)(mio_float_rows x, float *y) {
  if (x.factor && x.activates) return scale_some_rows(1, 1, x, y);
  if (x.factor) return scale_some_rows(1, 0, x, y);
  scale_some_rows(0, 0, x, y);
}

INLINE void fix_some_rows(int maps, int activates, mio_float_rows x, size_t position_stride, int16_t *values, float *scales) {
  for (size_t row = 0; row < x.rows; row++) {
    const float *source = x.base + row * x.stride;
    size_t position = row * position_stride;
    for (size_t first = 0; first < x.columns; first += MIO_FIXED_GROUP, position++) {
      lanes group[4];
      for (int i = 0; i < 4; i++) {
        const size_t column = first + LANES * i;
        group[i] = column < x.columns ? map_lanes(maps, activates, &x, source, column) : (lanes)0.0f;
      }
      fix_group(group, values + position * MIO_FIXED_GROUP, scales + position);
    }
  }
}

void MIO_NAME(mio_fix_rows)(mio_float_rows x, size_t position_stride, int16_t *values, float *scales) {
  if (x.factor && x.activates) return fix_some_rows(1, 1, x, position_stride, values, scales);
  if (x.factor) return fix_some_rows(1, 0, x, position_stride, values, scales);
  if (x.activates) return fix_some_rows(0, 1, x, position_stride, values, scales);
  fix_some_rows(0, 0, x, position_stride, values, scales);
}

/// Lays 64 columns of 16 rows out as a group of a panel, rounded.
INLINE void fix_panel_group(const lanes column[MIO_FIXED_GROUP], int16_t *values, float *scales) {
  integers peaks = 0;
  for (int k = 0; k < MIO_FIXED_GROUP; k++) peaks = __builtin_elementwise_max(peaks, bits_of(column[k]) & 0x7FFFFFFF);
  const lanes peak = lanes_of(peaks);
  const lanes factor = peak > 1e-30f ? MIO_FIXED_LIMIT / peak : (lanes)0.0f;
  const lanes scale = peak > 1e-30f ? peak / MIO_FIXED_LIMIT : (lanes)0.0f;
  store_lanes(scales, scale);
  for (int k = 0; k < MIO_FIXED_GROUP; k += 2) {
    const integers even = nearest_integers(column[k] * factor), odd = nearest_integers(column[k + 1] * factor);
    const integers pair = (even & 0xFFFF) | odd << 16;
    memcpy(values + k * LANES, &pair, sizeof pair);
  }
}

void MIO_NAME(mio_fix_group)(
    const uint16_t *const *sources, const float *factors, size_t source_count, size_t count, int16_t *values, float *scales) {
  lanes column[MIO_FIXED_GROUP];
  for (size_t k = 0; k < count; k++) column[k] = load_halves(sources[0] + k * LANES) * factors[0];
  for (size_t i = 1; i < source_count; i++) {
    for (size_t k = 0; k < count; k++) column[k] += load_halves(sources[i] + k * LANES) * factors[i];
  }
  for (size_t k = count; k < MIO_FIXED_GROUP; k++) column[k] = 0;
  fix_panel_group(column, values, scales);
}

void MIO_NAME(mio_fix_columns)(const float *x, size_t stride, size_t rows, size_t count, int16_t *values, float *scales) {
  lanes column[MIO_FIXED_GROUP];
  for (size_t k = 0; k < MIO_FIXED_GROUP; k++) column[k] = k < rows ? load_some(x + k * stride, count) : (lanes)0.0f;
  fix_panel_group(column, values, scales);
}

void MIO_NAME(mio_f16_to_f32)(const uint16_t *x, float *y, size_t count) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) store_lanes(y + i, load_halves(x + i));
  if (i < count) {
    uint16_t some[LANES] = {0};
    memcpy(some, x + i, (count - i) * sizeof(uint16_t));
    store_some(y + i, load_halves(some), count - i);
  }
}

void MIO_NAME(mio_f32_to_f16)(const float *x, int adds, uint16_t *y, size_t count) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    lanes value = load_lanes(x + i);
    if (adds) value += load_halves(y + i);
    store_halves(y + i, half_bits(value));
  }
  if (i < count) {
    uint16_t some[LANES] = {0};
    lanes value = load_some(x + i, count - i);
    if (adds) {
      memcpy(some, y + i, (count - i) * sizeof(uint16_t));
      value += load_halves(some);
    }
    store_halves(some, half_bits(value));
    memcpy(y + i, some, (count - i) * sizeof(uint16_t));
  }
}
