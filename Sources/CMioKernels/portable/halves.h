// 16-bit floats without instructions of an instruction-set variant: AArch64 always has some, x86-64 has none.
#if !defined(__aarch64__)
#define MIO_HALVES_BY_STEPS
#endif
#include "../vector/halves.h"
