// Operations on rows of activations. Included once per instruction set with MIO_NAME(function) defined.

/// x = expression(x), element by element.
#define MIO_MAP(name, expression)                                                                                              \
  void MIO_NAME(name)(float *values, size_t count) {                                                                           \
    for (size_t i = 0; i < count; i += LANES) {                                                                                \
      const lanes x = load_some(values + i, count - i);                                                                        \
      store_some(values + i, expression, count - i);                                                                           \
    }                                                                                                                          \
  }

/// x = expression(x, y), element by element.
#define MIO_COMBINE(name, expression)                                                                                          \
  void MIO_NAME(name)(float *values, const float *others, size_t count) {                                                      \
    for (size_t i = 0; i < count; i += LANES) {                                                                                \
      const lanes x = load_some(values + i, count - i);                                                                        \
      const lanes y = load_some(others + i, count - i);                                                                        \
      store_some(values + i, expression, count - i);                                                                           \
    }                                                                                                                          \
  }

MIO_MAP(mio_elu, x > 0 ? x : exponential_minus_one(x))
MIO_MAP(mio_silu, x *logistic(x))
MIO_MAP(mio_sigmoid, logistic(x))
MIO_MAP(mio_tanh, hyperbolic_tangent(x))
MIO_MAP(mio_gelu, 0.5f * x * (1 + error_function(x * 0.707106781186547524f)))
MIO_COMBINE(mio_swiglu, y *logistic(y) * x)
MIO_COMBINE(mio_snake, x + sine_squared(y * x) / (y + 1e-9f))

#undef MIO_MAP
#undef MIO_COMBINE

void MIO_NAME(mio_rms_normalize)(const float *x, const float *weight, float epsilon, float *y, size_t count) {
  lanes squares = 0;
  for (size_t i = 0; i < count; i += LANES) {
    const lanes value = load_some(x + i, count - i);
    squares += value * value;
  }
  const float scale = 1 / __builtin_sqrtf(sum_of(squares) / (float)count + epsilon);
  for (size_t i = 0; i < count; i += LANES) {
    store_some(y + i, load_some(x + i, count - i) * scale * load_some(weight + i, count - i), count - i);
  }
}

void MIO_NAME(mio_softmax)(float *x, size_t count) {
  float peak = -__builtin_inff();
  for (size_t i = 0; i < count; i++) peak = x[i] > peak ? x[i] : peak;
  if (peak == -__builtin_inff()) peak = 0;
  lanes sum = 0;
  for (size_t i = 0; i < count; i += LANES) {
    lanes value = exponential(load_some(x + i, count - i) - peak);
    store_some(x + i, value, count - i);
    sum += load_some(x + i, count - i);
  }
  const float scale = 1 / sum_of(sum);
  for (size_t i = 0; i < count; i += LANES) { store_some(x + i, load_some(x + i, count - i) * scale, count - i); }
}

void MIO_NAME(mio_lstm_step)(const float *gates, float *cell, float *hidden, size_t width) {
  for (size_t i = 0; i < width; i += LANES) {
    const size_t count = width - i;
    const lanes input = logistic(load_some(gates + i, count));
    const lanes forget = logistic(load_some(gates + width + i, count));
    const lanes candidate = hyperbolic_tangent(load_some(gates + 2 * width + i, count));
    const lanes output = logistic(load_some(gates + 3 * width + i, count));
    const lanes state = forget * load_some(cell + i, count) + input * candidate;
    store_some(cell + i, state, count);
    store_some(hidden + i, output * hyperbolic_tangent(state), count);
  }
}
