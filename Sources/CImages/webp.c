// WebP by libwebp.
#include <stdio.h>
#include <stdlib.h>
#include <webp/decode.h>

#include "readers.h"

int mio_webp_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char *reason) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(bytes, count, &features);
  if (status != VP8_STATUS_OK) {
    snprintf(reason, MIO_IMAGE_REASON_LIMIT, status == VP8_STATUS_NOT_ENOUGH_DATA ? "cut off" : "bad header");
    return 0;
  }
  header->width = features.width;
  header->height = features.height;
  header->channels = 3;
  header->is_animated = features.has_animation != 0;
  return 1;
}

void *mio_webp_decode(const uint8_t *bytes, size_t count, mio_image_header *header, int *ran_out, char *reason) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    snprintf(reason, MIO_IMAGE_REASON_LIMIT, "another version of libwebp");
    return NULL;
  }
  if (!mio_webp_inspect(bytes, count, header, reason)) return NULL;
  const size_t stride = (size_t)header->width * 3;
  const size_t size = stride * (size_t)header->height;
  uint8_t *pixels = malloc(size);
  if (!pixels) {
    snprintf(reason, MIO_IMAGE_REASON_LIMIT, "out of memory");
    return NULL;
  }
  // Alpha is left out, not blended.
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = (WebPRGBABuffer){.rgba = pixels, .stride = (int)stride, .size = size};
  const VP8StatusCode status = WebPDecode(bytes, count, &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) {
    *ran_out = status == VP8_STATUS_NOT_ENOUGH_DATA || status == VP8_STATUS_SUSPENDED;
    snprintf(reason, MIO_IMAGE_REASON_LIMIT, "libwebp reports status %d", (int)status);
    free(pixels);
    return NULL;
  }
  return pixels;
}
