// Row operations of the networks over images. Included once per instruction set, behind functions.h, with
// MIO_NAME(function) defined.

INLINE lanes gelu_of(lanes x) { return 0.5f * x * (1 + error_function(x * 0.707106781186547524f)); }

void MIO_NAME(mio_gelu_bias)(float *values, const float *bias, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    store_some(values + i, gelu_of(load_some(values + i, count - i) + load_some(bias + i, count - i)), count - i);
  }
}

void MIO_NAME(mio_geglu)(const float *x, const float *gate, float *y, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    store_some(y + i, load_some(x + i, count - i) * gelu_of(load_some(gate + i, count - i)), count - i);
  }
}

void MIO_NAME(mio_layer_normalize)(
    const float *x, const float *weight, const float *bias, float epsilon, float *y, size_t count) {
  lanes sum = 0, squares = 0;
  for (size_t i = 0; i < count; i += LANES) sum += load_some(x + i, count - i);
  const float mean = sum_of(sum) / (float)count;
  for (size_t i = 0; i < count; i += LANES) {
    lanes deviation = load_some(x + i, count - i) - mean;
    if (count - i < LANES) {
      float kept[LANES] = {0};
      memcpy(kept, &deviation, (count - i) * sizeof(float));
      deviation = load_lanes(kept);
    }
    squares += deviation * deviation;
  }
  const float scale = 1 / __builtin_sqrtf(sum_of(squares) / (float)count + epsilon);
  for (size_t i = 0; i < count; i += LANES) {
    const lanes value = (load_some(x + i, count - i) - mean) * scale * load_some(weight + i, count - i);
    store_some(y + i, value + load_some(bias + i, count - i), count - i);
  }
}

INLINE void sum_columns(
    int squared, const float *x, size_t rows, size_t stride, const float *centers, size_t columns, float *sums) {
  for (size_t first = 0; first < columns; first += LANES) {
    const size_t count = columns - first;
    const lanes center = load_some(centers + first, count);
    lanes sum = 0;
    for (size_t row = 0; row < rows; row++) {
      const lanes value = load_some(x + row * stride + first, count) - center;
      sum += squared ? value * value : value;
    }
    store_some(sums + first, sum, count);
  }
}

void MIO_NAME(mio_column_sums)(
    const float *x, size_t rows, size_t stride, const float *centers, int squared, size_t columns, float *sums) {
  if (squared) {
    sum_columns(1, x, rows, stride, centers, columns, sums);
  } else {
    sum_columns(0, x, rows, stride, centers, columns, sums);
  }
}
