// How processors read weights fastest, by what was measured on them; bench/LOG.md has the figures.
#include "mio_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { FAMILY_ZEN_3_AND_4 = 0x19, FAMILY_ZEN_5 = 0x1A };

/// The processor's family, the extended part included.
static unsigned family(void) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  const unsigned base = a >> 8 & 15;
  return base == 15 ? base + (a >> 20 & 255) : base;
}

mio_streaming mio_default_streaming(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_is("amd") && family() == FAMILY_ZEN_5) {
    return (mio_streaming){.panels = 1, .groups_ahead = 20, .past_caches = 1};
  }
  // Zen 4 reads four panels side by side on its own faster than anything asked for.
  if (__builtin_cpu_is("amd") && family() == FAMILY_ZEN_3_AND_4) {
    return (mio_streaming){.panels = 4, .groups_ahead = 0, .past_caches = 0};
  }
  // Two panels side by side, asked for into the caches, are near the best on Emerald Rapids. What is best on Zen 5 reaches half
  // of it there.
  return (mio_streaming){.panels = 2, .groups_ahead = 12, .past_caches = 0};
}

#else

mio_streaming mio_default_streaming(void) { return (mio_streaming){.panels = 1, .groups_ahead = 0, .past_caches = 0}; }

#endif
