// Operations on rows of activations.
#include "checks.h"

static void maps(const mio_kernels *level, size_t count) {
  mio_map *const functions[] = {level->elu, level->silu, level->sigmoid, level->tanh, level->gelu, level->softmax};
  float *x = zeros((count + 8) * 4);
  for (size_t i = 0; i < COUNT(functions); i++) {
    for (size_t j = 0; j < count + 8; j++) x[j] = gaussian() * (j % 3 == 0 ? 30 : 1);
    functions[i](x, count);
    mix(x, (count + 8) * 4);
  }
  free(x);
}

void check_rows(const mio_kernels *level) {
  for (size_t count = 1; count <= 200; count++) {
    float *x = gaussians(count), *y = gaussians(count), *gates = gaussians(4 * count), *cell = gaussians(count);
    maps(level, count);
    level->swiglu(x, y, count), mix(x, count * 4);
    for (size_t i = 0; i < count; i++) y[i] = fabsf(y[i]);
    level->snake(x, y, count), mix(x, count * 4);
    level->rms_normalize(x, y, 1e-5f, x, count), mix(x, count * 4);
    level->lstm_step(gates, cell, x, count), mix(cell, count * 4), mix(x, count * 4);
    free(x), free(y), free(gates), free(cell);
  }
}

void check_image_rows(const mio_kernels *level) {
  for (size_t count = 1; count <= 200; count++) {
    const size_t rows = 5, stride = count + 3;
    float *x = gaussians(rows * stride), *gate = gaussians(count), *weight = gaussians(count);
    float *y = zeros((count + 8) * 4);
    level->geglu(x, gate, y, count), mix(y, (count + 8) * 4);
    level->gelu_bias(y, weight, count), mix(y, (count + 8) * 4);
    level->layer_normalize(x, weight, gate, 1e-5f, y, count), mix(y, (count + 8) * 4);
    level->layer_normalize(x, weight, gate, 1e-5f, x, count), mix(x, count * 4);
    for (int squared = 0; squared < 2; squared++) {
      level->column_sums(x, rows, stride, gate, squared, count, y), mix(y, (count + 8) * 4);
    }
    free(x), free(gate), free(weight), free(y);
  }
}
