// How the integer products on x86-64 ask memory for weights.
#ifndef MIO_X86_STREAMING_H
#define MIO_X86_STREAMING_H

#include "mio_kernels.h"
#include <immintrin.h>

/// How many groups of `bytes` ahead weights are asked for. As many bytes ahead for q8 as for q4, whose groups are half as
/// large: as many groups cost an eighth of its speed on Zen 5.
static inline __attribute__((always_inline)) size_t groups_ahead(mio_panels weights, size_t bytes) {
  return (weights.streaming.groups_ahead * 256 + bytes - 1) / bytes;
}

/// Asks for the group `ahead` behind group `g` of a panel of groups of `bytes`; towards its end, for groups of the panel
/// `step` panels further on. `past_caches` is to be a constant: a branch among the prefetches costs some percent.
static inline __attribute__((always_inline)) void prefetch_ahead(
    mio_panels weights, const uint8_t *panel, size_t bytes, size_t g, size_t step, size_t ahead, int past_caches) {
  if (ahead == 0) return;
  const size_t turn = weights.length > ahead ? weights.length - ahead : 0;
  const uint8_t *coming = g < turn ? panel : panel + step * weights.panel_bytes;
  const size_t group = g < turn ? g + ahead : g - turn;
  const char *lines = (const char *)coming + group * bytes;
  // The scales of four groups are two lines: turning to them less often is faster.
  const char *scales = (const char *)coming + weights.length * bytes + group * 32;
  if (past_caches) {
    for (size_t line = 0; line < bytes; line += 64) _mm_prefetch(lines + line, _MM_HINT_NTA);
    if (g % 4 == 0) _mm_prefetch(scales, _MM_HINT_NTA), _mm_prefetch(scales + 64, _MM_HINT_NTA);
  } else {
    for (size_t line = 0; line < bytes; line += 64) _mm_prefetch(lines + line, _MM_HINT_T0);
    if (g % 4 == 0) _mm_prefetch(scales, _MM_HINT_T0), _mm_prefetch(scales + 64, _MM_HINT_T0);
  }
}

static inline __attribute__((always_inline)) void prefetch_group(
    mio_panels weights, const uint8_t *panel, size_t bytes, size_t g, size_t step) {
  prefetch_ahead(weights, panel, bytes, g, step, groups_ahead(weights, bytes), weights.streaming.past_caches);
}

#endif
