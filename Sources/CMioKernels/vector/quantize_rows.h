// Activations to signed bytes. Included once per instruction set with MIO_NAME(function) defined.

INLINE void quantize_group(const float *x, const mio_quantized_rows *y, size_t index) {
  lanes low, high;
  memcpy(&low, x, sizeof low);
  memcpy(&high, x + LANES, sizeof high);
  integers low_bits, high_bits;
  memcpy(&low_bits, &low, sizeof low);
  memcpy(&high_bits, &high, sizeof high);
  // Magnitudes order like their bits, and a NaN beats everything.
  const int32_t peak_bits = __builtin_reduce_max(__builtin_elementwise_max(low_bits & 0x7FFFFFFF, high_bits & 0x7FFFFFFF));
  float peak;
  memcpy(&peak, &peak_bits, sizeof peak);
  // Below 1e-30 the reciprocal would overflow; such a group is silence.
  const int silent = peak <= 1e-30f;
  const float factor = silent ? 0 : 127 / peak;
  const bytes low_values = __builtin_convertvector(nearest_integers(low * factor), bytes);
  const bytes high_values = __builtin_convertvector(nearest_integers(high * factor), bytes);
  const integers both = __builtin_convertvector(low_values, integers) + __builtin_convertvector(high_values, integers);
  memcpy(y->values + index * MIO_GROUP, &low_values, sizeof low_values);
  memcpy(y->values + index * MIO_GROUP + LANES, &high_values, sizeof high_values);
  y->scales[index] = silent ? 0 : peak / 127;
  y->corrections[index] = -64 * __builtin_reduce_add(both);
}

void MIO_NAME(mio_quantize_rows)(mio_rows x, size_t first, size_t columns, const mio_quantized_rows *y) {
  for (size_t t = 0; t < y->tokens; t++) {
    const float *row = x.base + (first + t) * x.stride;
    for (size_t g = 0; g < y->groups; g++) {
      const size_t count = columns - g * MIO_GROUP;
      if (count >= MIO_GROUP) {
        quantize_group(row + g * MIO_GROUP, y, g * y->tokens + t);
      } else {
        float padded[MIO_GROUP] = {0};
        memcpy(padded, row + g * MIO_GROUP, count * sizeof(float));
        quantize_group(padded, y, g * y->tokens + t);
      }
    }
  }
}
