// The shared vector sources with the registers that every processor of the architecture has.
#include "halves.h"

#define MIO_NAME(name) name##_portable
#include "../vector/functions.h"
#include "../vector/dense_rows.h"
#include "../vector/pack.h"
#include "../vector/fixed_rows.h"
#include "../vector/online_softmax.h"
#include "../vector/tiles.h"
#include "../vector/quantize_rows.h"
#include "../vector/rows.h"
