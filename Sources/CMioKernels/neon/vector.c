// The shared vector sources with NEON registers.
#include "../variants.h"

#if defined(__aarch64__)
#define MIO_NAME(name) name##_neon
#include "../vector/functions.h"
#include "../vector/halves.h"
#include "../vector/dense_rows.h"
#include "../vector/pack.h"
#include "../vector/fixed_rows.h"
#include "../vector/online_softmax.h"
#include "../vector/tiles.h"
#include "../vector/quantize_rows.h"
#include "../vector/rows.h"
#endif
