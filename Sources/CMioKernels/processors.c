#define _GNU_SOURCE
#include "mio_kernels.h"

#if defined(__linux__)
#include <sched.h>
#include <string.h>
#endif

size_t mio_allowed_processors(uint8_t *set, size_t byte_count) {
#if defined(__linux__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (byte_count % sizeof(unsigned long) != 0) return 0;
  memset(set, 0, byte_count);
  return sched_getaffinity(0, byte_count, (cpu_set_t *)set) == 0 ? byte_count : 0;
#else
  (void)set;
  (void)byte_count;
  return 0;
#endif
}
