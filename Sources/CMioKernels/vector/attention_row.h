// Rotates the queries and the key of one row, and stores key and value in a cache page; mio_attention.h has the layout.
// Included once per instruction set, behind halves.h and the forms of the cache, with MIO_NAME(function) defined.

INLINE float inverse(float scale) { return scale >= 0x1p-120f ? 1.0f / scale : 0.0f; }

INLINE void rotate(const float *source, const float *rotation, size_t head_width, float *target) {
  const size_t half = head_width / 2;
  for (size_t start = 0; start < half; start += LANES) {
    const size_t count = half - start;
    const lanes a = load_some(source + start, count), b = load_some(source + half + start, count);
    const lanes cosine = load_some(rotation + start, count), sine = load_some(rotation + half + start, count);
    store_some(target + start, a * cosine - b * sine, count);
    store_some(target + half + start, b * cosine + a * sine, count);
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
  *low = __builtin_convertvector(nearest_integers(a * factor), bytes);
  *high = __builtin_convertvector(nearest_integers(b * factor), bytes);
  return scale;
}

INLINE void pack_integer_query(const float *query, size_t width, float factor, uint8_t *target) {
  lanes peaks = 0;
  for (size_t start = 0; start < width; start += LANES)
    peaks = __builtin_elementwise_max(peaks, magnitude(load_lanes(query + start)));
  float scale = __builtin_reduce_max(peaks) * (1.0f / 32512), reciprocal = inverse(scale);
  for (size_t group = 0; group < width / 32; group++) {
    integers sum = 0;
    for (size_t start = 32 * group; start < 32 * group + 32; start += LANES) {
      integers n = nearest_integers(load_lanes(query + start) * reciprocal);
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

INLINE void pack_query(int form, const float *query, size_t width, float factor, uint8_t *target) {
  if (form == I8) return pack_integer_query(query, width, factor, target);
  for (size_t start = 0; start < width; start += LANES) {
    store_lanes((float *)(void *)target + start, load_lanes(query + start) * factor);
  }
}

/// The rotated key goes to one of 16 lanes of a panel.
INLINE void store_key(int form, const mio_attention_row *row, size_t width) {
  rotate(row->key, row->rotation, row->head_width, row->scratch);
  const size_t lane = row->position % 16, panel = row->position / 16;
  uint8_t *keys = row->keys + panel * 16 * width * form_size(form);
  if (form == I8) {
    uint16_t *scales = (uint16_t *)(void *)(row->keys + MIO_ATTENTION_PAGE * width + panel * width);
    bytes low, high;
    for (size_t group = 0; group < width / 32; group++) {
      scales[16 * group + lane] = quantize_32(row->scratch + 32 * group, &low, &high);
      uint8_t *target = keys + group * 512 + lane * 4;
      for (size_t quad = 0; quad < 4; quad++) {
        memcpy(target + 64 * quad, (const uint8_t *)&low + 4 * quad, 4);
        memcpy(target + 64 * (quad + 4), (const uint8_t *)&high + 4 * quad, 4);
      }
    }
  } else if (form == F16) {
    for (size_t start = 0; start < width; start += LANES) {
      uint16_t halves[LANES];
      store_halves(halves, half_bits(load_lanes(row->scratch + start)));
      for (size_t i = 0; i < LANES; i++) memcpy(keys + ((start + i) * 16 + lane) * 2, &halves[i], 2);
    }
  } else {
    for (size_t d = 0; d < width; d++) memcpy(keys + (d * 16 + lane) * 4, row->scratch + d, 4);
  }
}

INLINE void store_value(int form, const mio_attention_row *row, size_t width) {
  memcpy(row->scratch, row->value, row->head_width * sizeof(float));
  uint16_t *scales = (uint16_t *)(void *)(row->values + MIO_ATTENTION_PAGE * width);
  for (size_t group = 0; group < width / 32; group++) {
    const size_t index = group * MIO_ATTENTION_PAGE + row->position;
    const float *source = row->scratch + 32 * group;
    uint8_t *target = row->values + 32 * index * form_size(form);
    if (form == I8) {
      bytes low, high;
      scales[index] = quantize_32(source, &low, &high);
      memcpy(target, &low, sizeof low);
      memcpy(target + sizeof low, &high, sizeof high);
    } else if (form == F16) {
      for (size_t i = 0; i < 32; i += LANES) store_halves(target + 2 * i, half_bits(load_lanes(source + i)));
    } else {
      memcpy(target, source, 32 * sizeof(float));
    }
  }
}

INLINE void prepare(int form, const mio_attention_row *row) {
  const size_t width = (row->head_width + 31) / 32 * 32;
  memset(row->scratch + row->head_width, 0, (width - row->head_width) * sizeof(float));
  if (row->key) {
    store_key(form, row, width);
    store_value(form, row, width);
  }
  for (size_t head = 0; head < row->heads; head++) {
    rotate(row->queries + head * row->head_width, row->rotation, row->head_width, row->scratch);
    pack_query(form, row->scratch, width, row->factor, row->packed + head * row->packed_stride);
  }
}

static void MIO_NAME(prepare_i8)(const mio_attention_row *row) { prepare(I8, row); }
static void MIO_NAME(prepare_f16)(const mio_attention_row *row) { prepare(F16, row); }
static void MIO_NAME(prepare_f32)(const mio_attention_row *row) { prepare(F32, row); }
