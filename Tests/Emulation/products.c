// Products with weights of every format.
#include "checks.h"

static float half_value(uint16_t half) {
  uint32_t bits = (uint32_t)(half & 0x7FFF) << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return (half & 0x8000) ? -value * 0x1p112f : value * 0x1p112f;
}

/// Element (row, k) of a panel, or its integer.
static float element(Format format, const uint8_t *panel, size_t row, size_t k) {
  const size_t group = k / 32, i = k % 32;
  float value;
  uint16_t half;
  uint8_t byte;
  switch (format) {
    case F32: memcpy(&value, panel + (k * 16 + row) * 4, 4); return value;
    case F16: memcpy(&half, panel + (k * 16 + row) * 2, 2); return half_value(half);
    case Q8: return (int8_t)panel[group * 512 + i / 4 * 64 + row * 4 + i % 4];
    default:
      byte = panel[group * 256 + i % 16 / 4 * 64 + row * 4 + i % 4];
      return mio_q4_levels[i < 16 ? byte & 15 : byte >> 4];
  }
}

static float plain_product(Format format, const uint8_t *panel, size_t row, size_t columns, const float *x,
    const mio_quantized_rows *q, size_t token) {
  float sum = 0;
  if (format == F32 || format == F16) {
    for (size_t k = 0; k < columns; k++) sum = fmaf(element(format, panel, row, k), x[k], sum);
    return sum;
  }
  for (size_t g = 0; g < q->groups; g++) {
    const int8_t *values = q->values + (g * q->tokens + token) * 32;
    float integers = 0; // exact: below 2^24
    for (size_t i = 0; i < 32; i++) integers += element(format, panel, row, g * 32 + i) * values[i];
    uint16_t half;
    memcpy(&half, panel + q->groups * (format == Q8 ? 512 : 256) + g * 32 + row * 2, 2);
    sum = fmaf(integers, half_value(half) * q->scales[g * q->tokens + token], sum);
  }
  return sum;
}

static const mio_q4_search *search(void) {
  static mio_q4_search *table;
  if (table == NULL) mio_prepare_q4_search(table = zeros(mio_q4_search_size()));
  return table;
}

static void pack(const mio_kernels *level, Format format, const float *rows, size_t count, size_t columns, uint8_t *panel) {
  switch (format) {
    case Q4: level->pack_q4(rows, count, columns, search(), panel); break;
    case Q8: level->pack_q8(rows, count, columns, panel); break;
    case F16: level->pack_f16(rows, count, columns, panel); break;
    default: level->pack_f32(rows, count, columns, panel);
  }
}

static int product(const mio_kernels *level, Format format, size_t rows, size_t columns, size_t tokens) {
  const size_t panel_count = (rows + 15) / 16, groups = (columns + 31) / 32, stride = rows + 3;
  const size_t sizes[] = {columns * 64, columns * 32, groups * 544, groups * 288}, size = sizes[format];
  const Pattern pattern = (rows + columns + tokens) % PATTERNS;
  float *values = numbers(pattern, rows * columns), *x = numbers(pattern, tokens * columns);
  float *y = gaussians(tokens * stride);
  uint8_t *panels = zeros(panel_count * size);
  for (size_t p = 0; p < panel_count; p++) {
    const size_t count = rows - p * 16 < 16 ? rows - p * 16 : 16;
    pack(level, format, values + p * 16 * columns, count, columns, panels + p * size);
  }
  mix(panels, panel_count * size);

  const size_t quantized = groups * tokens;
  mio_quantized_rows q = {zeros(quantized * 32), zeros(quantized * 4), zeros(quantized * 4), groups, tokens};
  const mio_rows operand = {x, columns, tokens};
  level->quantize_rows(operand, 0, columns, &q);
  mix(q.values, quantized * 32), mix(q.scales, quantized * 4), mix(q.corrections, quantized * 4);

  const mio_target target = {y, stride, rows};
  mio_panels weights = {panels, panel_count, size, format == F32 || format == F16 ? columns : groups, {1, 0, 0}};
  switch (format) {
    case F32: level->multiply_f32(weights, operand, target); break;
    case F16: level->multiply_f16(weights, operand, target); break;
    case Q8: level->multiply_q8(weights, &q, target); break;
    default: level->multiply_q4(weights, &q, target);
  }
  mix(y, tokens * stride * 4); // with what lies between the rows
  int differences = 0;
  for (size_t t = 0; t < tokens; t++) {
    for (size_t r = 0; r < rows; r++) {
      const float plain = plain_product(format, panels + r / 16 * size, r % 16, columns, x + t * columns, &q, t);
      differences += memcmp(&plain, &y[t * stride + r], 4) != 0;
    }
  }
  if (format == Q8 || format == Q4) {
    // However weights are read, the same bits everywhere, between the rows too.
    static const mio_streaming streamings[] = {{0, 0, 0}, {2, 0, 0}, {4, 0, 0}, {1, 3, 1}, {2, 12, 0}, {4, 64, 1}};
    for (size_t i = 0; i < COUNT(streamings); i++) {
      float *again = numbers(ZEROS, tokens * stride);
      for (size_t t = 0; t < tokens; t++) {
        memcpy(again + t * stride + rows, y + t * stride + rows, (stride - rows) * sizeof(float));
      }
      const mio_target other = {again, stride, rows};
      weights.streaming = streamings[i];
      (format == Q8 ? level->multiply_q8 : level->multiply_q4)(weights, &q, other);
      differences += memcmp(again, y, tokens * stride * sizeof(float)) != 0;
      free(again);
    }
  }
  free(values), free(x), free(y), free(panels), free(q.values), free(q.scales), free(q.corrections);
  return differences;
}

int check_products(const mio_kernels *level, Format format) {
  // Around the columns of one pass of the float kernels, and around groups.
  static const size_t column_counts[] = {127, 128, 129, 160, 255, 256, 257, 300, 513};
  int differences = 0;
  for (size_t rows = 1; rows <= 70; rows++) {
    differences += product(level, format, rows, 40, 1);
    differences += product(level, format, rows, 33, rows % 2 == 0 ? 3 : 9);
  }
  for (size_t columns = 1; columns <= 70; columns++) {
    differences += product(level, format, 17, columns, 2);
    differences += product(level, format, 20, columns, 7);
  }
  for (size_t i = 0; i < COUNT(column_counts); i++) {
    differences += product(level, format, 33, column_counts[i], 1);
    differences += product(level, format, 70, column_counts[i], 13);
  }
  for (size_t tokens = 1; tokens <= MIO_BLOCK_TOKENS; tokens++) differences += product(level, format, 35, 96, tokens);
  return differences;
}
