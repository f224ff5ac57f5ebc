// How the integer products on x86-64 ask memory for weights.
#ifndef MIO_X86_STREAMING_H
#define MIO_X86_STREAMING_H

#include "mio_kernels.h"
#include <immintrin.h>

/// Asks for the group `groups_ahead` behind group `g` of a panel of groups of `bytes`; towards its end, for groups of the panel
/// `step` panels further on.
static inline __attribute__((always_inline)) void prefetch_group(
    mio_panels weights, const uint8_t *panel, size_t bytes, size_t g, size_t step) {
  const size_t ahead = weights.streaming.groups_ahead;
  if (ahead == 0) return;
  const size_t turn = weights.length > ahead ? weights.length - ahead : 0;
  const uint8_t *coming = g < turn ? panel : panel + step * weights.panel_bytes;
  const size_t group = g < turn ? g + ahead : g - turn;
  const char *lines = (const char *)coming + group * bytes;
  // The scales of four groups are two lines: turning to them less often is faster.
  const char *scales = (const char *)coming + weights.length * bytes + group * 32;
  if (weights.streaming.past_caches) {
    for (size_t line = 0; line < bytes; line += 64) _mm_prefetch(lines + line, _MM_HINT_NTA);
    if (g % 4 == 0) _mm_prefetch(scales, _MM_HINT_NTA), _mm_prefetch(scales + 64, _MM_HINT_NTA);
  } else {
    for (size_t line = 0; line < bytes; line += 64) _mm_prefetch(lines + line, _MM_HINT_T0);
    if (g % 4 == 0) _mm_prefetch(scales, _MM_HINT_T0), _mm_prefetch(scales + 64, _MM_HINT_T0);
  }
}

#endif
