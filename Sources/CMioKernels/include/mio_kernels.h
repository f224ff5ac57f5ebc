// Kernels of mio-lite: pure functions over pointers; no allocation, no I/O, no threads, no state.
#ifndef MIO_KERNELS_H
#define MIO_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "mio_attention.h"
#include "mio_probe.h"

/// Bit set of the instruction-set levels this processor and its operating system offer.
uint32_t mio_cpu_features(void);

/// Writes the set of processors that the scheduler may use for the calling thread, one bit each, to `set`.
/// Returns the bytes written, 0 if the system does not tell.
size_t mio_allowed_processors(uint8_t *set, size_t byte_count);

/// Tells the processor that the caller is waiting in a loop.
static inline void mio_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
