// The shared vector sources with AVX-512 registers.
#include "../variants.h"

#if defined(__x86_64__)
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma,f16c"))), apply_to = function)
#define MIO_NAME(name) name##_avx512
#include "../vector/functions.h"
#include "../vector/halves.h"
#include "../vector/dense_rows.h"
#include "levels.h"
#include "../vector/pack.h"
#include "../vector/fixed_rows.h"
#include "../vector/online_softmax.h"
#include "../vector/tiles.h"
#include "../vector/quantize_rows.h"
#include "../vector/rows.h"
#pragma clang attribute pop
#endif
