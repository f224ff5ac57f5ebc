// Attention on every processor of the architecture.
#include "halves.h"
#include "quads.h"

#define MIO_NAME(name) name##_portable
#define QUERIES 4
enum { KEY_OFFSET = 0, INTEGER_SCORES = 1, VALUE_LANES = 1, ASKS_AHEAD = 0 };

#include "../vector/attention.h"
