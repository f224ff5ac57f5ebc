// Fuzzes the image readers: whatever the bytes are, no fault, no leak, bounded memory. Built and run by scripts/fuzz.
#include <stdint.h>
#include <stdlib.h>

#include "mio_images.h"

// The program lets more pixels through; a smaller limit keeps the executions per second high.
enum { PIXEL_LIMIT = 1 << 20 };

static void decode(const uint8_t *bytes, size_t count, int deep) {
  mio_image_header result = {0};
  int ran_out = 0;
  char reason[MIO_IMAGE_REASON_LIMIT] = "";
  void *pixels = mio_image_decode(bytes, count, deep, 1, &result, &ran_out, reason);
  if (!pixels) {
    if (!*reason) abort();
    return;
  }
  // Every number of the result can be read.
  const size_t size = (size_t)result.width * (size_t)result.height * (size_t)result.channels * (deep ? 2 : 1);
  uint8_t sum = 0;
  for (size_t index = 0; index < size; index++) sum ^= ((const uint8_t *)pixels)[index];
  static volatile uint8_t kept;
  kept = sum;
  (void)kept;
  mio_image_free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  mio_image_header header = {0};
  char reason[MIO_IMAGE_REASON_LIMIT] = "";
  if (!mio_image_inspect(bytes, count, &header, reason)) return 0;
  if (header.width <= 0 || header.height <= 0 || header.width > MIO_IMAGE_SIDE_LIMIT || header.height > MIO_IMAGE_SIDE_LIMIT)
    return 0;
  if ((int64_t)header.width * header.height > PIXEL_LIMIT) return 0;
  decode(bytes, count, header.is_deep && header.channels < 3);
  return 0;
}
