// 16-bit fixed-point numbers, 16-bit floats, and scores on their way to weights.
#include "checks.h"

// MARK: - Products

typedef struct {
  size_t panels, columns, groups, run_groups, tokens;
  int has_bias, adds;
  int is_extreme;
} Shape;

static int16_t *fixed_numbers(size_t count, int is_extreme) {
  int16_t *x = zeros(count * 2);
  for (size_t i = 0; i < count; i++) {
    const int32_t value = (int32_t)(next_number() % (2 * MIO_FIXED_LIMIT + 1)) - MIO_FIXED_LIMIT;
    x[i] = (int16_t)(!is_extreme ? value : value < -MIO_FIXED_LIMIT / 2 ? -MIO_FIXED_LIMIT : MIO_FIXED_LIMIT);
  }
  return x;
}

static float plain_product(Shape shape, mio_fixed_panels w, const mio_fixed_rows *x, size_t row, size_t token, float sum) {
  for (size_t g = 0; g < shape.groups; g++) {
    const size_t position = x->starts[token] + g / x->run_groups * x->run_stride + g % x->run_groups;
    const size_t place = row / 16 * shape.groups + g;
    int32_t integers = 0;
    for (size_t k = 0; k < 64; k++) {
      integers += w.values[place * 1024 + k / 2 * 32 + row % 16 * 2 + k % 2] * x->values[position * 64 + k];
    }
    sum = fmaf((float)integers, w.scales[place * 16 + row % 16] * x->scales[position], sum);
  }
  return sum;
}

static int product(const mio_kernels *level, Shape shape) {
  const size_t run_stride = 5, places = shape.panels * shape.groups, stride = shape.columns + 5;
  const size_t span = shape.groups / shape.run_groups * run_stride + shape.run_groups, positions = span + 20;
  int16_t *values = fixed_numbers(places * 1024, shape.is_extreme);
  int16_t *x = fixed_numbers(positions * 64, shape.is_extreme);
  float *scales = gaussians(places * 16), *x_scales = gaussians(positions), *bias = gaussians(shape.columns);
  float *before = gaussians(shape.tokens * stride), *y = zeros(shape.tokens * stride * 4);
  uint32_t *starts = zeros(shape.tokens * 4), *targets = zeros(shape.tokens * 4);
  memcpy(y, before, shape.tokens * stride * 4);
  for (size_t t = 0; t < shape.tokens; t++) {
    starts[t] = next_number() % 20;
    targets[t] = (uint32_t)(shape.tokens - 1 - t);
  }
  const mio_fixed_panels weights = {values, scales, shape.panels, shape.groups};
  const mio_fixed_rows rows = {x, x_scales, starts, shape.run_groups, run_stride, shape.tokens};
  const mio_fixed_target target = {y, targets, stride, shape.columns, shape.has_bias ? bias : NULL, shape.adds};
  level->multiply_fixed(weights, &rows, target);
  mix(y, shape.tokens * stride * 4);
  int differences = 0;
  for (size_t t = 0; t < shape.tokens; t++) {
    for (size_t r = 0; r < shape.columns; r++) {
      const size_t place = targets[t] * stride + r;
      const float first = (shape.adds ? before[place] : 0) + (shape.has_bias ? bias[r] : 0);
      const float plain = plain_product(shape, weights, &rows, r, t, first);
      differences += memcmp(&plain, &y[place], 4) != 0;
    }
  }
  free(values), free(x), free(scales), free(x_scales), free(bias), free(before), free(y), free(starts), free(targets);
  return differences;
}

int check_fixed_products(const mio_kernels *level) {
  int differences = 0;
  for (size_t columns = 1; columns <= 112; columns++) {
    const int extreme = columns % 5 == 0, bias = columns % 2 == 0, adds = columns % 3 == 0;
    const Shape shape = {(columns + 15) / 16, columns, 2, 2, columns % 8 + 1, bias, adds, extreme};
    differences += product(level, shape);
  }
  for (size_t groups = 1; groups <= 20; groups++) { // around the groups of one pass
    for (size_t run = 1; run <= groups; run += 3) {
      differences += product(level, (Shape){3, 41, groups, run, 7, groups % 2 == 0, groups % 3 == 0, groups % 4 == 0});
    }
  }
  for (size_t tokens = 1; tokens <= 40; tokens++) {
    differences += product(level, (Shape){1, 16, 3, 3, tokens, 1, tokens % 2 == 0, 0});
    differences += product(level, (Shape){7, 110, 1, 1, tokens, 0, tokens % 2 == 0, 1});
  }
  return differences;
}

// MARK: - Rounding

static void fix_rows(const mio_kernels *level, Pattern pattern, size_t columns, int maps, int activates) {
  const size_t rows = 3, stride = columns + 7, groups = (columns + 63) / 64, position_stride = groups + 1;
  float *x = numbers(pattern, rows * stride), *factor = gaussians(columns), *offset = gaussians(columns);
  int16_t *values = zeros(rows * position_stride * 128);
  float *scales = zeros(rows * position_stride * 4);
  const mio_float_rows source = {x, stride, rows, columns, maps ? factor : NULL, maps ? offset : NULL, activates};
  level->fix_rows(source, position_stride, values, scales);
  mix(values, rows * position_stride * 128), mix(scales, rows * position_stride * 4);
  float *scaled = zeros(rows * columns * 4);
  level->scale_rows(source, scaled), mix(scaled, rows * columns * 4);
  free(scaled), free(x), free(factor), free(offset), free(values), free(scales);
}

void check_fixed_rows(const mio_kernels *level) {
  for (size_t columns = 1; columns <= 200; columns++) {
    const Pattern pattern = columns % PATTERNS;
    for (int maps = 0; maps < 2; maps++) {
      for (int activates = 0; activates < 2; activates++) fix_rows(level, pattern, columns, maps, activates);
    }
  }
}

/// 16-bit floats of any size and sign, but no infinities and NaNs; `pattern` as of `numbers`.
static uint16_t *halves(const mio_kernels *level, Pattern pattern, size_t count) {
  float *x = numbers(pattern, count);
  uint16_t *y = zeros(count * 2);
  level->f32_to_f16(x, 0, y, count);
  free(x);
  return y;
}

void check_fixed_panels(const mio_kernels *level) {
  static const float factors[] = {1, 0.5f, -0.25f, 0.25f, -0.5f, 1, 0.25f, -0.25f, 0.5f};
  int16_t values[1024];
  float scales[16];
  for (size_t count = 1; count <= 64; count++) {
    for (size_t source_count = 1; source_count <= COUNT(factors); source_count += 1 + source_count / 4) {
      const uint16_t *sources[COUNT(factors)];
      for (size_t i = 0; i < source_count; i++) sources[i] = halves(level, (count + i) % PATTERNS, count * 16);
      level->fix_group(sources, factors, source_count, count, values, scales);
      mix(values, sizeof values), mix(scales, sizeof scales);
      for (size_t i = 0; i < source_count; i++) free((void *)sources[i]);
    }
  }
  for (size_t rows = 0; rows <= 64; rows++) {
    for (size_t count = 1 + rows % 3; count <= 16; count += 3) {
      const size_t stride = count + 4;
      float *x = numbers((rows + count) % PATTERNS, 64 * stride);
      level->fix_columns(x, stride, rows, count, values, scales);
      mix(values, sizeof values), mix(scales, sizeof scales);
      free(x);
    }
  }
}

// MARK: - Tiles

static void tiles(const mio_kernels *level, Pattern pattern, size_t channels, size_t count, int adds) {
  const size_t width = 2 * count + 2, line_stride = width * channels + 3, groups = (channels + 63) / 64;
  const size_t stride = count * groups + 1, product_stride = count * channels + 5;
  float *x = numbers(pattern, 4 * line_stride), *scales = zeros(16 * stride * 4);
  int16_t *values = zeros(16 * stride * 128);
  level->fix_tiles((mio_tile_line){x, line_stride, channels, count}, stride, values, scales);
  mix(values, 16 * stride * 128), mix(scales, 16 * stride * 4);
  float *products = gaussians(16 * product_stride), *bias = gaussians(channels);
  float *upper = gaussians(2 * count * channels), *lower = gaussians(2 * count * channels);
  level->join_tiles((mio_tile_products){products, product_stride, channels, count, bias, adds}, upper, lower);
  mix(upper, 2 * count * channels * 4), mix(lower, 2 * count * channels * 4);
  free(x), free(scales), free(values), free(products), free(bias), free(upper), free(lower);
}

void check_tiles(const mio_kernels *level) {
  for (size_t channels = 1; channels <= 140; channels++) {
    tiles(level, channels % PATTERNS, channels, channels % 3 + 1, channels % 2 == 0);
  }
}

// MARK: - 16-bit floats

void check_halves(const mio_kernels *level) {
  uint16_t *every = zeros(65536 * 2), *back = zeros(65536 * 2);
  float *wide = zeros(65536 * 4);
  // All that are numbers, there and back.
  for (size_t i = 0; i < 65536; i++) every[i] = (uint16_t)((i & 0x7C00) == 0x7C00 ? 0 : i);
  level->f16_to_f32(every, wide, 65536), mix(wide, 65536 * 4);
  level->f32_to_f16(wide, 0, back, 65536), mix(back, 65536 * 2);
  // Floats of any bits: ties, infinities and NaNs among them.
  for (size_t i = 0; i < 65536; i++) {
    const uint32_t bits = next_number() << 8 | (i % 4 == 0 ? 0 : next_number() & 0xFF);
    memcpy(wide + i, &bits, 4);
  }
  level->f32_to_f16(wide, 0, back, 65536), mix(back, 65536 * 2);
  for (size_t count = 1; count <= 70; count++) {
    fill(count % PATTERNS, wide, count);
    level->f32_to_f16(wide, 1, every, count), mix(every, (count + 20) * 2);
    level->f16_to_f32(every, wide, count), mix(wide, (count + 20) * 4);
  }
  free(every), free(back), free(wide);
}

// MARK: - Scores to weights

/// Two chunks of scores, the second of which may raise the maximum.
static void soften(const mio_kernels *level, size_t visible, size_t width) {
  const size_t padded = (visible + 15) / 16 * 16, groups = (visible + 63) / 64;
  for (int is_fixed = 0; is_fixed < 2; is_fixed++) {
    float state[2] = {-INFINITY, 0}, *result = gaussians(width);
    float *scores = zeros(groups * 256), *scales = zeros(groups * 4);
    int16_t *values = zeros(groups * 128);
    for (int chunk = 0; chunk < 2; chunk++) {
      for (size_t i = 0; i < groups * 64; i++) scores[i] = gaussian() * (i % 7 == 0 ? 40 : 4);
      if (is_fixed) {
        level->online_softmax_fixed(
            (mio_online_softmax_row){scores, groups * 64, visible, 0.7f, state, result, width}, values, scales);
        mix(values, groups * 128), mix(scales, groups * 4);
      } else {
        level->online_softmax((mio_online_softmax_row){scores, padded, visible, 0.7f, state, result, width});
        mix(scores, padded * 4);
      }
      mix(state, sizeof state), mix(result, width * 4);
    }
    free(result), free(scores), free(values), free(scales);
  }
}

void check_softening(const mio_kernels *level) {
  for (size_t visible = 1; visible <= 130; visible++) soften(level, visible, visible % 70 + 1);
  soften(level, 512, 160);
}
