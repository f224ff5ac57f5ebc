// y = W x for q4 and q8 weights with 256-bit registers: one register holds 4 k of 8 rows, half a panel.
//
// The including file defines `Format`, how four products are added (`add_products`), whether q8 weights are unsigned bytes
// w + 128 (`UNSIGNED_Q8`), and MIO_NAME. q4 weights are always multiplied as w + 64, which is below 128.

INLINE size_t group_bytes(Format format) { return format == Q4 ? 256 : 512; }

INLINE __m256i level_table(void) {
  const __m128i values = _mm_loadu_si128((const __m128i *)mio_q4_levels);
  return _mm256_broadcastsi128_si256(_mm_add_epi8(values, _mm_set1_epi8(64)));
}

INLINE __m256i load256(const uint8_t *bytes) { return _mm256_loadu_si256((const __m256i *)bytes); }

/// Weights of half a group: register s holds k 4s ... 4s + 3.
INLINE void unpack(Format format, const uint8_t *half, __m256i table, __m256i w[8]) {
  const __m256i nibble = _mm256_set1_epi8(15);
  if (format == Q4) {
    for (int s = 0; s < 4; s++) {
      const __m256i pair = load256(half + 64 * s);
      w[s] = _mm256_shuffle_epi8(table, _mm256_and_si256(pair, nibble));
      w[4 + s] = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(pair, 4), nibble));
    }
  } else {
    for (int s = 0; s < 8; s++) {
      w[s] = load256(half + 64 * s);
      if (UNSIGNED_Q8) w[s] = _mm256_xor_si256(w[s], _mm256_set1_epi8((char)0x80));
    }
  }
}

INLINE __m256i broadcast4(const int8_t *values) {
  int32_t bits;
  memcpy(&bits, values, 4);
  return _mm256_set1_epi32(bits);
}

/// Where the integer sums start: -64 or -128 times the sum of the activations, or 0 for signed products.
INLINE __m256i first_sum(Format format, int32_t correction) {
  if (format == Q8 && !UNSIGNED_Q8) return _mm256_setzero_si256();
  const __m256i c = _mm256_set1_epi32(correction);
  return format == Q4 ? c : _mm256_add_epi32(c, c);
}

INLINE __m256 scales_of(const uint8_t *halves) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves)); }

INLINE void store_rows(mio_target y, size_t token, size_t row, __m256 sums) {
  float *target = y.base + token * y.stride + row;
  if (row + 8 <= y.columns) {
    _mm256_storeu_ps(target, sums);
  } else if (row < y.columns) {
    float rest[8];
    _mm256_storeu_ps(rest, sums);
    memcpy(target, rest, (y.columns - row) * sizeof(float));
  }
}

/// `count` panels side by side and `tokens` rows of activations: half a group is unpacked into registers once and used for all
/// tokens.
INLINE void panel_tokens(
    Format format, int count, size_t tokens, mio_panels weights, size_t panel, const mio_quantized_rows *x, mio_target y) {
  const size_t bytes = group_bytes(format);
  const __m256i table = level_table();
  const uint8_t *base = weights.base + panel * weights.panel_bytes;
  __m256 sums[MIO_BLOCK_TOKENS * 2]; // [count][tokens][2 halves]
  for (size_t i = 0; i < count * tokens * 2; i++) sums[i] = _mm256_setzero_ps();
  for (size_t g = 0; g < weights.length; g++) {
    for (int p = 0; p < count; p++) {
      const uint8_t *own = base + p * weights.panel_bytes;
      prefetch_group(weights, own, bytes, g, count);
      for (int half = 0; half < 2; half++) {
        __m256i w[8];
        unpack(format, own + g * bytes + 32 * half, table, w);
        const __m256 scales = scales_of(own + weights.length * bytes + g * 32 + 16 * half);
        for (size_t t = 0; t < tokens; t++) {
          const size_t index = g * tokens + t;
          __m256i integers = first_sum(format, x->corrections[index]);
          for (int s = 0; s < 8; s++) {
            integers = add_products(format, integers, w[s], broadcast4(x->values + index * MIO_GROUP + 4 * s));
          }
          const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(x->scales[index]));
          __m256 *sum = &sums[(p * tokens + t) * 2 + half];
          *sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(integers), scale, *sum);
        }
      }
    }
  }
  for (int p = 0; p < count; p++) {
    for (size_t t = 0; t < tokens; t++) {
      for (int half = 0; half < 2; half++) {
        store_rows(y, t, (panel + p) * MIO_PANEL_ROWS + 8 * half, sums[(p * tokens + t) * 2 + half]);
      }
    }
  }
}

/// As many panels side by side as are asked for and keep the sums in registers, then the rest.
INLINE void multiply_few(Format format, size_t tokens, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  size_t panel = 0;
  if (tokens == 1 && weights.streaming.panels >= 4) {
    for (; panel + 4 <= weights.panel_count; panel += 4) panel_tokens(format, 4, tokens, weights, panel, x, y);
  }
  if (tokens <= 2 && weights.streaming.panels >= 2) {
    for (; panel + 2 <= weights.panel_count; panel += 2) panel_tokens(format, 2, tokens, weights, panel, x, y);
  }
  for (; panel < weights.panel_count; panel++) panel_tokens(format, 1, tokens, weights, panel, x, y);
}

INLINE void multiply(Format format, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  switch (x->tokens) { // one body per number keeps the sums in registers
    case 1: return multiply_few(format, 1, weights, x, y);
    case 2: return multiply_few(format, 2, weights, x, y);
    case 3: return multiply_few(format, 3, weights, x, y);
    case 4: return multiply_few(format, 4, weights, x, y);
    case 5: return multiply_few(format, 5, weights, x, y);
    default: break;
  }
  for (size_t panel = 0; panel < weights.panel_count; panel++) panel_tokens(format, 1, x->tokens, weights, panel, x, y);
}

void MIO_NAME(mio_multiply_q4)(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q4, weights, x, y); }

void MIO_NAME(mio_multiply_q8)(mio_panels weights, const mio_quantized_rows *x, mio_target y) { multiply(Q8, weights, x, y); }
