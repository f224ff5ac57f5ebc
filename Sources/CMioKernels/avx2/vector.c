// The shared vector sources with AVX2 registers.
#include "../vector/vector.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define MIO_NAME(name) name##_avx2
#include "../vector/pack.h"
#include "../vector/quantize_rows.h"
#pragma clang attribute pop
#endif
