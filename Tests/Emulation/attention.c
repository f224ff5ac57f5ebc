// Attention over cache pages of every form.
#include "checks.h"

typedef enum { I8_PAGES, F16_PAGES, F32_PAGES, FORMS } Form;

/// The queries of a chunk: `stride` bytes each, in the form that the pages need.
typedef struct {
  size_t head_width, count, stride;
  uint8_t *packed;
} Queries;

/// Fills a page row by row; the queries of the last row stay.
static void fill_page(
    const mio_kernels *level, Form form, uint8_t *page, size_t half_page, const float *rotation, Queries queries) {
  const mio_attention_kernels *kernels = level->attention;
  mio_prepare_attention *const prepare[] = {kernels->prepare_i8, kernels->prepare_f16, kernels->prepare_f32};
  const size_t width = queries.head_width;
  float *row = zeros((2 + queries.count) * width * 4), *scratch = zeros((width + 31) * 4);
  for (size_t position = 0; position < MIO_ATTENTION_PAGE; position++) {
    fill(position % 9 == 0 ? FAINT : GAUSSIAN, row, (2 + queries.count) * width);
    mio_attention_row operands = {width, rotation, row, row + width, page, page + half_page, position, row + 2 * width,
        position % 3 == 0 ? queries.count : 0, queries.packed, queries.stride, 0.1f, scratch};
    prepare[form](&operands);
    if (position % 16 == 15) { // queries of a row that is stored already
      operands.key = operands.value = NULL;
      prepare[form](&operands);
    }
  }
  free(row), free(scratch);
}

/// Adds results to some others, drawn: of earlier positions, of later ones, or of none.
static void merge(const mio_kernels *level, const mio_attention_block *block) {
  const size_t count = block->queries;
  float *maximum = gaussians(count), *sum = gaussians(count), *output = gaussians(count * block->width);
  const mio_attention_part part = {count, block->width, block->maximum, block->sum, block->output};
  for (size_t i = 0; i < count; i++) maximum[i] = next_number() % 5 == 0 ? -INFINITY : maximum[i] * 50;
  level->attention->merge(part, (mio_attention_part){count, block->width, maximum, sum, output});
  free(maximum), free(sum), free(output);
}

static void attend(const mio_kernels *level, Form form, size_t head_width, size_t count, const int32_t *visible) {
  mio_attend *const functions[] = {level->attention->i8, level->attention->f16, level->attention->f32};
  const size_t width = (head_width + 31) / 32 * 32, half_page = MIO_ATTENTION_PAGE * width * 4;
  const Queries queries = {head_width, count, width * 4 + 64, zeros(count * (width * 4 + 64))};
  const uint8_t *pages[4], *query[MIO_ATTENTION_QUERIES];
  float *rotation = gaussians(head_width), *output = gaussians(count * width);
  float maximum[MIO_ATTENTION_QUERIES], sum[MIO_ATTENTION_QUERIES];
  for (int p = 0; p < 4; p++) {
    uint8_t *page = zeros(2 * half_page);
    fill_page(level, form, page, half_page, rotation, queries);
    mix(page, 2 * half_page);
    pages[p] = page;
  }
  for (size_t i = 0; i < count; i++) query[i] = queries.packed + i * queries.stride;
  mix(queries.packed, count * queries.stride);
  for (const int32_t *seen = visible; *seen >= 0; seen += count) {
    const mio_attention_block block = {pages, 0, half_page, width, count, query, seen, maximum, sum, output};
    functions[form](&block);
    merge(level, &block);
    mix(maximum, count * 4), mix(sum, count * 4), mix(output, count * width * 4);
  }
  for (int p = 0; p < 4; p++) free((void *)pages[p]);
  free(queries.packed), free(rotation), free(output);
}

void check_attention(const mio_kernels *level) {
  static const size_t head_widths[] = {2, 6, 30, 32, 34, 40, 62, 64, 66, 80, 96, 110, 128, 160, 256, 512};
  int32_t visible[512];
  for (Form form = I8_PAGES; form < FORMS; form++) {
    // One query that sees every number of positions.
    for (int32_t i = 0; i <= MIO_ATTENTION_CHUNK; i++) visible[i] = i;
    visible[MIO_ATTENTION_CHUNK + 1] = -1;
    attend(level, form, 40, 1, visible);
    // Every number of queries; what they see is drawn, and some see nothing.
    for (size_t count = 1; count <= MIO_ATTENTION_QUERIES; count++) {
      for (size_t i = 0; i < 10 * count; i++) visible[i] = i % 11 == 0 ? 0 : (int32_t)(next_number() % 257);
      visible[10 * count] = -1;
      attend(level, form, 72, count, visible);
    }
    for (size_t i = 0; i < COUNT(head_widths); i++) {
      const int32_t some[] = {256, 129, 17, -1};
      attend(level, form, head_widths[i], 3, some);
    }
  }
}
