// Attention over cache pages; definition in mio_attention.h. Included once per instruction set with MIO_NAME(function) and
// the following defined:
//
//   quads load_quads(const uint8_t *keys)         64 bytes of keys, each with KEY_OFFSET added
//   integers add_quads(integers sum, quads keys, int32_t query)
//                                                 adds to sum[p] the products of bytes 4p ... 4p + 3 with those of `query`
//   QUERIES                                       queries whose sums fit the registers, 4 or 8
//   INTEGER_SCORES                                queries whose integer sums fit the registers
//   VALUE_LANES                                   lanes of a value that are added up for all queries at once, 1 or 2
//   ASKS_AHEAD                                    whether keys and values are asked from memory early

#include "functions.h"
#include "halves.h"

enum { I8, F16, F32 };

/// Bytes of one number in a page, without its scale.
INLINE size_t form_size(int form) { return form == I8 ? 1 : form == F16 ? 2 : 4; }

#include "attention_row.h"

INLINE lanes load_bfloats(const uint8_t *source) {
  typedef uint16_t words __attribute__((ext_vector_type(16)));
  words values;
  memcpy(&values, source, sizeof values);
  return lanes_of(__builtin_convertvector(values, integers) << 16);
}

/// Scores of one panel of 16 positions for `n` queries: 8-bit keys times 16-bit queries, exact within a group.
INLINE void integer_scores(const mio_attention_block *block, size_t first, size_t n, const uint8_t *keys, const uint8_t *scales,
    lanes score[QUERIES]) {
  const size_t width = block->width;
  lanes total[QUERIES];
  for (size_t q = 0; q < n; q++) total[q] = 0;
  for (size_t g = 0; g < width / 32; g++) {
    integers high[QUERIES], low[QUERIES];
    for (size_t q = 0; q < n; q++) {
      const int32_t *sums = (const int32_t *)(const void *)(block->query[first + q] + 2 * width);
      low[q] = (integers)(-KEY_OFFSET * sums[g]);
      high[q] = 0;
    }
    for (size_t s = 8 * g; s < 8 * g + 8; s++) {
      const quads key = load_quads(keys + 64 * s);
      for (size_t q = 0; q < n; q++) {
        const int32_t *parts = (const int32_t *)(const void *)block->query[first + q];
        high[q] = add_quads(high[q], key, parts[s]);
        low[q] = add_quads(low[q], key, parts[width / 4 + s]);
      }
    }
    const lanes scale = load_bfloats(scales + 32 * g);
    for (size_t q = 0; q < n; q++) {
      const lanes sum = __builtin_convertvector((high[q] << 8) + low[q], lanes);
      total[q] = __builtin_elementwise_fma(sum, scale, total[q]);
    }
  }
  for (size_t q = 0; q < n; q++) {
    score[q] = total[q] * *(const float *)(const void *)(block->query[first + q] + 2 * width + width / 8);
  }
}

INLINE lanes load_number_lanes(int form, const uint8_t *source) {
  return form == F16 ? load_halves(source) : load_lanes((const float *)(const void *)source);
}

INLINE void float_scores(
    const mio_attention_block *block, size_t first, size_t n, const uint8_t *keys, int form, lanes score[QUERIES]) {
  for (size_t q = 0; q < n; q++) score[q] = 0;
  for (size_t d = 0; d < block->width; d++) {
    const lanes key = load_number_lanes(form, keys + 16 * form_size(form) * d);
    for (size_t q = 0; q < n; q++) {
      const float query = ((const float *)(const void *)block->query[first + q])[d];
      score[q] = __builtin_elementwise_fma((lanes)query, key, score[q]);
    }
  }
}

INLINE void prefetch(const uint8_t *source, size_t count) {
  for (size_t i = 0; i < count; i += 64) __builtin_prefetch(source + i);
}

/// Asks for the keys two panels ahead, and for the quarter of a page's values that goes with a panel of its keys; both take the
/// same number of bytes.
INLINE void ask_ahead(const mio_attention_block *block, int32_t start, int32_t positions, int form) {
  const size_t quarter = (block->values - block->keys) / 4, panel = (size_t)start % MIO_ATTENTION_PAGE / 16;
  prefetch(block->pages[start / MIO_ATTENTION_PAGE] + block->values + panel * quarter, quarter);
  if (start + 32 >= positions) return;
  const uint8_t *keys = block->pages[(start + 32) / MIO_ATTENTION_PAGE] + block->keys;
  const size_t next = (size_t)(start + 32) % MIO_ATTENTION_PAGE / 16, size = 16 * block->width * form_size(form);
  prefetch(keys + next * size, size);
  if (form == I8) prefetch(keys + MIO_ATTENTION_PAGE * block->width + next * block->width, block->width);
}

/// Scores of `n` queries over all positions, -infinity where they see nothing.
INLINE void score(const mio_attention_block *block, size_t first, size_t n, int32_t positions, int form,
    float weights[][MIO_ATTENTION_CHUNK]) {
  const size_t width = block->width;
  const integers order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int32_t start = 0; start < positions; start += LANES) {
    const uint8_t *page = block->pages[start / MIO_ATTENTION_PAGE] + block->keys;
    const size_t panel = (size_t)start % MIO_ATTENTION_PAGE / 16;
    const uint8_t *keys = page + panel * 16 * width * form_size(form);
    if (ASKS_AHEAD) ask_ahead(block, start, positions, form);
    lanes scores[QUERIES];
    if (form == I8) {
      const uint8_t *scales = page + MIO_ATTENTION_PAGE * width + panel * width;
      size_t q = 0;
      for (; q + INTEGER_SCORES <= n; q += INTEGER_SCORES) {
        integer_scores(block, first + q, INTEGER_SCORES, keys, scales, scores + q);
      }
      if (q < n) integer_scores(block, first + q, n - q, keys, scales, scores + q);
    } else {
      float_scores(block, first, n, keys, form, scores);
    }
    for (size_t q = 0; q < n; q++) {
      const integers seen = order < block->visible[first + q] - start;
      store_lanes(weights[q] + start, seen ? scores[q] : (lanes)-__builtin_inff());
    }
  }
}

/// Scores of a query to weights; writes their maximum and sum.
INLINE void weigh(const mio_attention_block *block, size_t query, int32_t positions, float weights[MIO_ATTENTION_CHUNK]) {
  lanes maxima = -__builtin_inff();
  for (int32_t start = 0; start < positions; start += LANES) {
    const lanes scores = load_lanes(weights + start);
    maxima = scores > maxima ? scores : maxima;
  }
  const float maximum = largest_of(maxima);
  lanes sum = 0;
  for (int32_t start = 0; start < positions; start += LANES) {
    lanes weight = 0;
    if (block->visible[query] > start) weight = exp2_of(load_lanes(weights + start) - maximum);
    sum += weight;
    store_lanes(weights + start, weight);
  }
  block->maximum[query] = maximum;
  block->sum[query] = sum_of(sum);
}

INLINE lanes load_value(int form, const uint8_t *source, float scale) {
  if (form != I8) return load_number_lanes(form, source);
  bytes values;
  memcpy(&values, source, sizeof values);
  return __builtin_convertvector(values, lanes) * scale;
}

/// Weighted sums of VALUE_LANES lanes of the values for `n` queries.
INLINE void add_values(const mio_attention_block *block, size_t first, size_t n, size_t column, int32_t positions, int form,
    float weights[][MIO_ATTENTION_CHUNK]) {
  const size_t width = block->width, group = column / 32, size = form_size(form);
  lanes total[QUERIES][VALUE_LANES];
  for (size_t q = 0; q < n; q++)
    for (size_t i = 0; i < VALUE_LANES; i++) total[q][i] = 0;
  for (int32_t start = 0; start < positions; start += MIO_ATTENTION_PAGE) {
    const uint8_t *values = block->pages[start / MIO_ATTENTION_PAGE] + block->values;
    const uint8_t *rows = values + (MIO_ATTENTION_PAGE * 32 * group + column % 32) * size;
    const int32_t count = positions - start < MIO_ATTENTION_PAGE ? positions - start : MIO_ATTENTION_PAGE;
    float scales[MIO_ATTENTION_PAGE];
    for (size_t part = 0; form == I8 && part < MIO_ATTENTION_PAGE; part += LANES) {
      store_lanes(scales + part, load_bfloats(values + MIO_ATTENTION_PAGE * (width + 2 * group) + 2 * part));
    }
    for (int32_t p = 0; p < count; p++) {
      lanes value[VALUE_LANES];
      for (size_t i = 0; i < VALUE_LANES; i++) {
        value[i] = load_value(form, rows + (32 * (size_t)p + LANES * i) * size, form == I8 ? scales[p] : 1);
      }
      for (size_t q = 0; q < n; q++) {
        const lanes weight = (lanes)weights[q][start + p];
        for (size_t i = 0; i < VALUE_LANES; i++) total[q][i] = __builtin_elementwise_fma(weight, value[i], total[q][i]);
      }
    }
  }
  for (size_t q = 0; q < n; q++)
    for (size_t i = 0; i < VALUE_LANES; i++) store_lanes(block->output + (first + q) * width + column + LANES * i, total[q][i]);
}

INLINE void attend(const mio_attention_block *block, size_t first, size_t n, int form) {
  _Alignas(64) float weights[QUERIES][MIO_ATTENTION_CHUNK];
  int32_t positions = 0;
  for (size_t q = first; q < first + n; q++) positions = block->visible[q] > positions ? block->visible[q] : positions;
  score(block, first, n, positions, form, weights);
  for (size_t q = 0; q < n; q++) weigh(block, first + q, positions, weights[q]);
  for (size_t column = 0; column < block->width; column += LANES * VALUE_LANES) {
    add_values(block, first, n, column, positions, form, weights);
  }
}

/// One body per number of queries keeps every sum in a register.
INLINE void attend_all(const mio_attention_block *block, int form) {
  size_t first = 0;
  for (; first + QUERIES <= block->queries; first += QUERIES) attend(block, first, QUERIES, form);
  switch (block->queries - first) {
    case 1: attend(block, first, 1, form); break;
    case 2: attend(block, first, 2, form); break;
    case 3: attend(block, first, 3, form); break;
#if QUERIES > 4
    case 4: attend(block, first, 4, form); break;
    case 5: attend(block, first, 5, form); break;
    case 6: attend(block, first, 6, form); break;
    case 7: attend(block, first, 7, form); break;
#endif
  }
}

static void MIO_NAME(attend_i8)(const mio_attention_block *block) { attend_all(block, I8); }
static void MIO_NAME(attend_f16)(const mio_attention_block *block) { attend_all(block, F16); }
static void MIO_NAME(attend_f32)(const mio_attention_block *block) { attend_all(block, F32); }

static void MIO_NAME(merge)(mio_attention_part part, mio_attention_part later) {
  for (size_t q = 0; q < part.queries; q++) {
    if (!(later.maximum[q] > -__builtin_inff())) continue;
    const float peak = later.maximum[q] > part.maximum[q] ? later.maximum[q] : part.maximum[q];
    const float old = exp2_of((lanes)(part.maximum[q] - peak))[0], new = exp2_of((lanes)(later.maximum[q] - peak))[0];
    part.maximum[q] = peak;
    part.sum[q] = part.sum[q] * old + later.sum[q] * new;
    for (size_t i = q * part.width; i < (q + 1) * part.width; i += LANES) {
      store_lanes(part.output + i, load_lanes(part.output + i) * old + load_lanes(later.output + i) * new);
    }
  }
}

const mio_attention_kernels MIO_NAME(mio_attention) = {
    MIO_NAME(attend_i8),
    MIO_NAME(attend_f16),
    MIO_NAME(attend_f32),
    MIO_NAME(prepare_i8),
    MIO_NAME(prepare_f16),
    MIO_NAME(prepare_f32),
    MIO_NAME(merge),
};
