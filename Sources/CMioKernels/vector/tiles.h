// Sums of tiles of pixels, and pixels of their products. Included once per instruction set, behind fixed_rows.h, with
// MIO_NAME(function) defined.

INLINE void difference_lanes(const lanes x[4], lanes y[4]) {
  y[0] = x[0] - x[2], y[1] = x[1] + x[2], y[2] = x[2] - x[1], y[3] = x[1] - x[3];
}

/// The 16 sums of 16 channels of a tile.
INLINE void sum_tile(mio_tile_line x, const float *pixel, size_t count, lanes sums[16][4], size_t part) {
  lanes lines[4][4]; // [pixel][line]
  for (int column = 0; column < 4; column++) {
    lanes d[4];
    for (int line = 0; line < 4; line++) d[line] = load_some(pixel + line * x.line_stride + column * x.channels, count);
    difference_lanes(d, lines[column]);
  }
  for (int line = 0; line < 4; line++) {
    const lanes d[4] = {lines[0][line], lines[1][line], lines[2][line], lines[3][line]};
    lanes results[4];
    difference_lanes(d, results);
    for (int column = 0; column < 4; column++) sums[4 * line + column][part] = results[column];
  }
}

void MIO_NAME(mio_fix_tiles)(mio_tile_line x, size_t stride, int16_t *values, float *scales) {
  const size_t groups = (x.channels + MIO_FIXED_GROUP - 1) / MIO_FIXED_GROUP;
  for (size_t tile = 0; tile < x.tiles; tile++) {
    for (size_t group = 0; group < groups; group++) {
      lanes sums[16][4];
      for (size_t part = 0; part < 4; part++) {
        const size_t channel = group * MIO_FIXED_GROUP + part * LANES;
        if (channel < x.channels) {
          sum_tile(x, x.base + 2 * tile * x.channels + channel, x.channels - channel, sums, part);
        } else {
          for (int sum = 0; sum < 16; sum++) sums[sum][part] = 0;
        }
      }
      for (size_t sum = 0; sum < 16; sum++) {
        const size_t position = sum * stride + tile * groups + group;
        fix_group(sums[sum], values + position * MIO_FIXED_GROUP, scales + position);
      }
    }
  }
}

INLINE void put_lanes(float *target, lanes value, size_t count, int adds) {
  store_some(target, adds ? load_some(target, count) + value : value, count);
}

void MIO_NAME(mio_join_tiles)(mio_tile_products x, float *upper, float *lower) {
  for (size_t tile = 0; tile < x.tiles; tile++) {
    for (size_t column = 0; column < x.columns; column += LANES) {
      const size_t count = x.columns - column;
      const float *source = x.base + tile * x.columns + column;
      lanes first[4], second[4];
      for (size_t j = 0; j < 4; j++) {
        lanes m[4];
        for (size_t i = 0; i < 4; i++) m[i] = load_some(source + (4 * i + j) * x.stride, count);
        first[j] = m[0] + m[1] + m[2];
        second[j] = m[1] - m[2] - m[3];
      }
      const lanes bias = load_some(x.bias + column, count);
      const size_t left = 2 * tile * x.columns + column, right = left + x.columns;
      put_lanes(upper + left, first[0] + first[1] + first[2] + bias, count, x.adds);
      put_lanes(upper + right, first[1] - first[2] - first[3] + bias, count, x.adds);
      put_lanes(lower + left, second[0] + second[1] + second[2] + bias, count, x.adds);
      put_lanes(lower + right, second[1] - second[2] - second[3] + bias, count, x.adds);
    }
  }
}
