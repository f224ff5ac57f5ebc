// Rotates the queries and the key of one row, and stores key and value in an int8 cache page; mio_attention.h has the layout.
// Repeats RotaryEmbedding.rotate, AttentionOperand.pack and KeyValueCache.store operation by operation.

// Nearest integers of numbers within +-2^22, ties to even.
INLINE integers nearest(lanes x) { return (integers)(x + 12582912.0f) - 0x4B400000; }

INLINE float inverse(float scale) { return scale >= 0x1p-120f ? 1.0f / scale : 0.0f; }

INLINE void rotate(const float *source, const float *rotation, size_t head_width, float *target) {
  size_t half = head_width / 2;
  for (size_t start = 0; start < half; start += LANES) {
    size_t count = half - start < LANES ? half - start : LANES;
    lanes a, b, cosine, sine;
    if (count == LANES) {
      a = load_lanes(source + start), b = load_lanes(source + half + start);
      cosine = load_lanes(rotation + start), sine = load_lanes(rotation + half + start);
      lanes first = a * cosine - b * sine, second = b * cosine + a * sine;
      memcpy(target + start, &first, sizeof first);
      memcpy(target + half + start, &second, sizeof second);
    } else {
      a = load_some(source + start, count), b = load_some(source + half + start, count);
      cosine = load_some(rotation + start, count), sine = load_some(rotation + half + start, count);
      lanes first = a * cosine - b * sine, second = b * cosine + a * sine;
      memcpy(target + start, &first, count * sizeof(float));
      memcpy(target + half + start, &second, count * sizeof(float));
    }
  }
}

// 32 floats as bytes in -127...127; returns the bits of their bfloat16 scale.
INLINE uint16_t quantize_32(const float *source, bytes *low, bytes *high) {
  lanes a = load_lanes(source), b = load_lanes(source + LANES);
  float peak = __builtin_reduce_max(__builtin_elementwise_max(magnitude(a), magnitude(b))) * (1.0f / 127);
  uint32_t bits;
  memcpy(&bits, &peak, sizeof bits);
  uint16_t scale = (uint16_t)((bits + 0xFFFF) >> 16);
  bits = (uint32_t)scale << 16;
  memcpy(&peak, &bits, sizeof peak);
  float factor = inverse(peak);
  *low = __builtin_convertvector(nearest(a * factor), bytes);
  *high = __builtin_convertvector(nearest(b * factor), bytes);
  return scale;
}

INLINE void pack_query(const float *query, size_t width, float factor, uint8_t *target) {
  lanes peaks = 0;
  for (size_t start = 0; start < width; start += LANES)
    peaks = __builtin_elementwise_max(peaks, magnitude(load_lanes(query + start)));
  float scale = __builtin_reduce_max(peaks) * (1.0f / 32512), reciprocal = inverse(scale);
  for (size_t group = 0; group < width / 32; group++) {
    integers sum = 0;
    for (size_t start = 32 * group; start < 32 * group + 32; start += LANES) {
      integers n = nearest(load_lanes(query + start) * reciprocal);
      integers upper = (n + 128) >> 8;
      bytes high = __builtin_convertvector(upper, bytes), low = __builtin_convertvector(n - (upper << 8), bytes);
      memcpy(target + start, &high, sizeof high);
      memcpy(target + width + start, &low, sizeof low);
      sum += n;
    }
    int32_t total = __builtin_reduce_add(sum);
    memcpy(target + 2 * width + 4 * group, &total, sizeof total);
  }
  scale *= factor;
  memcpy(target + 2 * width + width / 8, &scale, sizeof scale);
}

INLINE void store_key(const mio_attention_row *row, size_t width, float *vector) {
  rotate(row->key, row->rotation, row->head_width, vector);
  size_t lane = row->position % 16, panel = row->position / 16;
  uint8_t *keys = row->keys + panel * 16 * width;
  uint16_t *scales = (uint16_t *)(row->keys + MIO_ATTENTION_PAGE * width + panel * width);
  bytes low, high;
  for (size_t group = 0; group < width / 32; group++) {
    scales[16 * group + lane] = quantize_32(vector + 32 * group, &low, &high);
    uint8_t *target = keys + group * 512 + lane * 4;
    for (size_t quad = 0; quad < 4; quad++) {
      memcpy(target + 64 * quad, (const uint8_t *)&low + 4 * quad, 4);
      memcpy(target + 64 * (quad + 4), (const uint8_t *)&high + 4 * quad, 4);
    }
  }
}

INLINE void store_value(const mio_attention_row *row, size_t width, float *vector) {
  memcpy(vector, row->value, row->head_width * sizeof(float));
  uint16_t *scales = (uint16_t *)(row->values + MIO_ATTENTION_PAGE * width);
  bytes low, high;
  for (size_t group = 0; group < width / 32; group++) {
    size_t index = group * MIO_ATTENTION_PAGE + row->position;
    scales[index] = quantize_32(vector + 32 * group, &low, &high);
    memcpy(row->values + 32 * index, &low, sizeof low);
    memcpy(row->values + 32 * index + sizeof low, &high, sizeof high);
  }
}

static void MIO_NAME(prepare_i8)(const mio_attention_row *row) {
  _Alignas(64) float vector[MIO_ATTENTION_WIDTH];
  size_t width = (row->head_width + 31) / 32 * 32;
  memset(vector + row->head_width, 0, (width - row->head_width) * sizeof(float));
  if (row->key) {
    store_key(row, width, vector);
    store_value(row, width, vector);
  }
  for (size_t head = 0; head < row->heads; head++) {
    rotate(row->queries + head * row->head_width, row->rotation, row->head_width, vector);
    pack_query(vector, width, row->factor, row->packed + head * row->packed_stride);
  }
}
