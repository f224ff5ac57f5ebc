#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "readers.h"

static mio_image_kind kind(const uint8_t *bytes, size_t count) {
  if (count >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF) return MIO_IMAGE_JPEG;
  if (count >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0) return MIO_IMAGE_WEBP;
  return MIO_IMAGE_STB;
}

int mio_image_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char reason[MIO_IMAGE_REASON_LIMIT]) {
  snprintf(reason, MIO_IMAGE_REASON_LIMIT, "unknown");
  *header = (mio_image_header){0};
  header->kind = kind(bytes, count);
  switch (header->kind) {
    case MIO_IMAGE_JPEG: return mio_jpeg_inspect(bytes, count, header, reason);
    case MIO_IMAGE_WEBP: return mio_webp_inspect(bytes, count, header, reason);
    case MIO_IMAGE_STB: return mio_stb_inspect(bytes, count, header, reason);
  }
  return 0;
}

void *mio_image_decode(const uint8_t *bytes, size_t count, int deep, int alpha, mio_image_header *header, int *ran_out,
    char reason[MIO_IMAGE_REASON_LIMIT]) {
  snprintf(reason, MIO_IMAGE_REASON_LIMIT, "unknown");
  *header = (mio_image_header){0};
  header->kind = kind(bytes, count);
  *ran_out = 0;
  switch (header->kind) {
    case MIO_IMAGE_JPEG: return mio_jpeg_decode(bytes, count, header, ran_out, reason);
    case MIO_IMAGE_WEBP: return mio_webp_decode(bytes, count, alpha, header, ran_out, reason);
    case MIO_IMAGE_STB: return mio_stb_decode(bytes, count, deep, header, ran_out, reason);
  }
  return NULL;
}

void mio_image_free(void *pixels) { free(pixels); }
