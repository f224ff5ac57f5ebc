/* What other languages rely on: sizes and places that must not change as long as the library is libmio.so.0. */
#include "mio.h"

_Static_assert(sizeof(mio_status) == 4 && sizeof(mio_option) == 4 && sizeof(mio_kind) == 4, "plain 32-bit numbers");
_Static_assert(sizeof(void *) != 8 || offsetof(mio_event, text) == 24, "what came before text");
_Static_assert(sizeof(void *) != 8 || offsetof(mio_event, rgb) == 64, "what came before rgb");
_Static_assert(sizeof(void *) != 8 || offsetof(mio_event, start) == 96, "what came before start");
_Static_assert(sizeof(void *) != 8 || sizeof(mio_event) == 120, "the whole, until a field is added at the end");
