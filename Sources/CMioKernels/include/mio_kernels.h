// Kernels of mio-lite: pure functions over pointers; no allocation, no I/O, no threads, no state.
#ifndef MIO_KERNELS_H
#define MIO_KERNELS_H

#include <stdint.h>

#include "mio_probe.h"

/// Bit set of the instruction-set levels this processor and its operating system offer.
uint32_t mio_cpu_features(void);

#endif
