// Prints, for every instruction-set level of the machine it runs on, checksums of what the kernels compute from fixed
// numbers. The lines of all levels of all architectures must be the same; products are also compared with plain C here.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mio_kernels.h"

static uint32_t state;
static uint32_t next(void) { return (state = state * 1664525u + 1013904223u) >> 8; }
static float uniform(void) { return (float)next() / 16777216.0f; }

/// Roughly Gaussian.
static float gaussian(void) {
  float sum = -6;
  for (int i = 0; i < 12; i++) sum += uniform();
  return sum;
}

static uint64_t checksum;
static void mix(const void *data, size_t count) {
  for (size_t i = 0; i < count; i++) checksum = (checksum ^ ((const uint8_t *)data)[i]) * 1099511628211u;
}

static void report(const char *level, const char *what) {
  printf("%s\t%s\t%016llx\n", level, what, (unsigned long long)checksum);
  checksum = 1469598103934665603u;
  state = 1;
}

static void *zeros(size_t count) {
  void *memory = aligned_alloc(64, (count + 8191) / 4096 * 4096);
  if (memory == NULL) exit(2);
  return memset(memory, 0, (count + 8191) / 4096 * 4096);
}

static float *gaussians(size_t count) {
  float *x = zeros(count * sizeof(float));
  for (size_t i = 0; i < count; i++) x[i] = gaussian();
  return x;
}

static float half_value(uint16_t half) {
  uint32_t bits = (uint32_t)(half & 0x7FFF) << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return (half & 0x8000) ? -value * 0x1p112f : value * 0x1p112f;
}

// MARK: - Products

typedef enum { F32, F16, Q8, Q4 } Format;
static const char *const format_names[] = {"f32", "f16", "q8", "q4"};

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
    default: byte = panel[group * 256 + i % 16 / 4 * 64 + row * 4 + i % 4]; return mio_q4_levels[i < 16 ? byte & 15 : byte >> 4];
  }
}

static float plain_product(
    Format format, const uint8_t *panel, size_t row, size_t columns, const float *x, const mio_quantized_rows *q, size_t token) {
  float sum = 0;
  if (format == F32 || format == F16) {
    for (size_t k = 0; k < columns; k++) sum = fmaf(element(format, panel, row, k), x[k], sum);
    return sum;
  }
  for (size_t g = 0; g < q->groups; g++) {
    float integers = 0;  // exact: below 2^24
    for (size_t i = 0; i < 32; i++) integers += element(format, panel, row, g * 32 + i) * q->values[(g * q->tokens + token) * 32 + i];
    uint16_t half;
    memcpy(&half, panel + q->groups * (format == Q8 ? 512 : 256) + g * 32 + row * 2, 2);
    sum = fmaf(integers, half_value(half) * q->scales[g * q->tokens + token], sum);
  }
  return sum;
}

static int products(const mio_kernels *level, Format format, size_t rows, size_t columns, size_t tokens) {
  const size_t panel_count = (rows + 15) / 16, groups = (columns + 31) / 32;
  const size_t sizes[] = {columns * 64, columns * 32, groups * 544, groups * 288};
  float *values = gaussians(rows * columns), *x = gaussians(tokens * columns), *y = gaussians(tokens * rows);
  uint8_t *panels = zeros(panel_count * sizes[format]);
  for (size_t p = 0; p < panel_count; p++) {
    const float *first = values + p * 16 * columns;
    const size_t count = rows - p * 16 < 16 ? rows - p * 16 : 16;
    uint8_t *panel = panels + p * sizes[format];
    if (format == Q4) level->pack_q4(first, count, columns, panel);
    if (format == Q8) level->pack_q8(first, count, columns, panel);
    if (format == F16) level->pack_f16(first, count, columns, panel);
    for (size_t i = 0; format == F32 && i < count * columns; i++) {
      memcpy(panel + (i % columns * 16 + i / columns) * 4, &first[i], 4);
    }
  }
  mix(panels, panel_count * sizes[format]);

  mio_quantized_rows q = {zeros(groups * tokens * 32), zeros(groups * tokens * 4), zeros(groups * tokens * 4), groups, tokens};
  const mio_rows operand = {x, columns, tokens};
  const mio_target target = {y, rows, rows};
  level->quantize_rows(operand, 0, columns, &q);
  mix(q.values, groups * tokens * 32), mix(q.scales, groups * tokens * 4), mix(q.corrections, groups * tokens * 4);
  const mio_panels weights = {panels, panel_count, sizes[format], format == F32 || format == F16 ? columns : groups};
  switch (format) {
    case F32: level->multiply_f32(weights, operand, target); break;
    case F16: level->multiply_f16(weights, operand, target); break;
    case Q8: level->multiply_q8(weights, &q, target); break;
    case Q4: level->multiply_q4(weights, &q, target); break;
  }
  int differences = 0;
  for (size_t t = 0; t < tokens; t++) {
    for (size_t r = 0; r < rows; r++) {
      const float plain = plain_product(format, panels + r / 16 * sizes[format], r % 16, columns, x + t * columns, &q, t);
      differences += memcmp(&plain, &y[t * rows + r], 4) != 0;
    }
  }
  free(values), free(x), free(y), free(panels), free(q.values), free(q.scales), free(q.corrections);
  return differences;
}

// MARK: - Rows

static void rows(const mio_kernels *level, size_t count) {
  mio_map *const maps[] = {level->elu, level->silu, level->sigmoid, level->tanh, level->gelu, level->softmax};
  float *x = gaussians(count), *y = gaussians(count), *gates = gaussians(4 * count), *cell = gaussians(count);
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
    for (size_t j = 0; j < count; j++) x[j] = gaussian() * (j % 3 == 0 ? 30 : 1);
    maps[i](x, count);
    mix(x, count * 4);
  }
  level->swiglu(x, y, count), mix(x, count * 4);
  for (size_t i = 0; i < count; i++) y[i] = fabsf(y[i]);
  level->snake(x, y, count), mix(x, count * 4);
  level->rms_normalize(x, y, 1e-5f, x, count), mix(x, count * 4);
  level->lstm_step(gates, cell, x, count), mix(cell, count * 4), mix(x, count * 4);
  free(x), free(y), free(gates), free(cell);
}

// MARK: - Attention

/// Fills four pages through `prepare_i8` and attends to them; f16 and f32 pages hold numbers of that type.
static void attention(const mio_kernels *level, size_t head_width, size_t queries) {
  const size_t width = (head_width + 31) / 32 * 32, half_page = MIO_ATTENTION_PAGE * width * 4;
  const uint8_t *pages[4], *packed[MIO_ATTENTION_QUERIES];
  int32_t visible[MIO_ATTENTION_QUERIES];
  float *rotation = gaussians(head_width), *numbers = gaussians((2 + queries) * head_width);
  const size_t stride = width * 4 + 64;
  uint8_t *query = zeros(queries * stride);
  float maximum[MIO_ATTENTION_QUERIES], sum[MIO_ATTENTION_QUERIES], *output = gaussians(queries * width);
  for (size_t i = 0; i < queries; i++) {
    packed[i] = query + i * stride;
    visible[i] = (int32_t)(i == 0 ? 256 : next() % 257);
  }
  const mio_attention_block block = {pages, 0, half_page, width, queries, packed, visible, maximum, sum, output};
  mio_attend *const functions[] = {level->attention->i8, level->attention->f16, level->attention->f32};
  for (int form = 0; form < 3; form++) {
    for (int p = 0; p < 4; p++) {
      uint8_t *page = zeros(2 * half_page);
      pages[p] = page;
      for (size_t position = 0; form == 0 && position < MIO_ATTENTION_PAGE; position++) {
        for (size_t i = 0; i < (2 + queries) * head_width; i++) numbers[i] = gaussian();
        const mio_attention_row row = {
            head_width, rotation, numbers, numbers + head_width, page, page + half_page, position,
            numbers + 2 * head_width, queries, query, stride, 0.1f};
        level->attention->prepare_i8(&row);
      }
      for (size_t i = 0; form == 1 && i < half_page; i++) {  // 16-bit floats below 2 of both signs
        const uint16_t half = (uint16_t)(next() & 0xBFFF);
        memcpy(page + 2 * i, &half, 2);
      }
      for (size_t i = 0; form == 2 && i < half_page / 2; i++) {
        const float value = gaussian();
        memcpy(page + 4 * i, &value, 4);
      }
      mix(page, 2 * half_page);
    }
    if (form == 0) mix(query, queries * stride);
    for (size_t i = 0; form != 0 && i < queries; i++) {
      for (size_t d = 0; d < width; d++) {
        const float value = d < head_width ? gaussian() : 0;
        memcpy(query + i * stride + 4 * d, &value, 4);
      }
    }
    functions[form](&block);
    mix(maximum, queries * 4), mix(sum, queries * 4), mix(output, queries * width * 4);
    for (int p = 0; p < 4; p++) free((void *)pages[p]);
  }
  free(rotation), free(numbers), free(query), free(output);
}

int main(void) {
  static const size_t row_counts[] = {1, 15, 17, 64, 70}, column_counts[] = {1, 31, 33, 96, 300};
  static const size_t token_counts[] = {1, 2, 3, 4, 5, 7, 12, 64};
  int differences = 0;
  for (size_t index = 1; index < mio_level_count(); index++) {
    const mio_kernels *level = mio_level(index);
    if (level == NULL) continue;
    report("", "");
    for (Format format = F32; format <= Q4; format++) {
      for (size_t r = 0; r < 5; r++) {
        for (size_t c = 0; c < 5; c++) {
          for (size_t t = 0; t < 8; t++) differences += products(level, format, row_counts[r], column_counts[c], token_counts[t]);
        }
      }
      report(level->name, format_names[format]);
    }
    for (size_t count = 1; count < 200; count += 13) rows(level, count);
    report(level->name, "rows");
    for (size_t queries = 1; queries <= 8; queries++) attention(level, queries % 2 == 0 ? 128 : 40, queries);
    report(level->name, "attention");
  }
  if (differences > 0) fprintf(stderr, "%d products differ from plain C\n", differences);
  return differences > 0;
}
