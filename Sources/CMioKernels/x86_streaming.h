// How the integer products on x86-64 ask memory for weights.
#ifndef MIO_X86_STREAMING_H
#define MIO_X86_STREAMING_H

#include "mio_kernels.h"
#include <immintrin.h>

/// How weights are asked for early, as a constant: a branch among the products costs some percent.
typedef enum { INTO_CACHES, PAST_CACHES, LEFT_TO_PROCESSOR } mio_asking;

// Groups of q4 asked for early where fewer panels than wanted are read side by side.
enum { GROUPS_AHEAD_OF_FEWER = 12 };

/// How many groups of `bytes` ahead weights are asked for, when `count` panels are read side by side. As many bytes ahead for
/// q8 as for q4, whose groups are half as large: as many groups cost an eighth of its speed on Zen 5.
///
/// Panels side by side may be left to the processor. More rows read fewer of them, and compute for longer between two lines:
/// what the processor asks for on its own then comes too late (on Zen 4 two thirds of the speed at eight rows).
static inline __attribute__((always_inline)) size_t groups_ahead(mio_panels weights, size_t bytes, int count) {
  const mio_streaming streaming = weights.streaming;
  const size_t wanted =
      count < streaming.panels && streaming.groups_ahead == 0 ? GROUPS_AHEAD_OF_FEWER : streaming.groups_ahead;
  return (wanted * 256 + bytes - 1) / bytes;
}

/// A group to ask for; null if that is left to the processor.
typedef struct {
  const uint8_t *group;
  const uint8_t *scales; // of this group and the next ones
} mio_coming;

/// The group `ahead` behind group `g` of a panel of groups of `bytes`; towards its end, a group of the panel `step` panels
/// further on.
static inline __attribute__((always_inline)) mio_coming coming_group(
    mio_panels weights, const uint8_t *panel, size_t bytes, size_t g, size_t step, size_t ahead) {
  if (ahead == 0) return (mio_coming){NULL, NULL};
  const size_t turn = weights.length > ahead ? weights.length - ahead : 0;
  const uint8_t *base = g < turn ? panel : panel + step * weights.panel_bytes;
  const size_t group = g < turn ? g + ahead : g - turn;
  return (mio_coming){base + group * bytes, base + weights.length * bytes + group * 32};
}

static inline __attribute__((always_inline)) void prefetch_line(const uint8_t *line, mio_asking asking) {
  if (asking == PAST_CACHES) {
    _mm_prefetch((const char *)line, _MM_HINT_NTA);
  } else {
    _mm_prefetch((const char *)line, _MM_HINT_T0);
  }
}

/// Asks for quarter `s` of what comes `ahead` of group `g`. Quarter by quarter between products is up to a fifth faster than
/// everything at once.
static inline __attribute__((always_inline)) void prefetch_quarter(
    mio_coming coming, size_t bytes, size_t g, size_t s, mio_asking asking) {
  if (coming.group == NULL) return;
  for (size_t line = 0; line < bytes / 4; line += 64) prefetch_line(coming.group + s * (bytes / 4) + line, asking);
  // The scales of four groups are two lines: turning to them less often is faster.
  if (g % 4 == 0 && s < 2) prefetch_line(coming.scales + s * 64, asking);
}

/// All of it, for products that memory does not limit.
static inline __attribute__((always_inline)) void prefetch_group(
    mio_panels weights, const uint8_t *panel, size_t bytes, size_t g, int step) {
  const mio_coming coming = coming_group(weights, panel, bytes, g, step, groups_ahead(weights, bytes, step));
  const mio_asking asking = weights.streaming.past_caches ? PAST_CACHES : INTO_CACHES;
  for (size_t s = 0; s < 4; s++) prefetch_quarter(coming, bytes, g, s, asking);
}

#endif
