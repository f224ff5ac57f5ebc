#include "mio_kernels.h"

uint32_t mio_cpu_features(void) { return 0; }
