// WebP by libwebp, animations by its libwebpdemux.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

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
  header->channels = features.has_alpha ? 4 : 3;
  header->is_animated = features.has_animation != 0;
  return 1;
}

void *mio_webp_decode(const uint8_t *bytes, size_t count, int alpha, mio_image_header *header, int *ran_out, char *reason) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    snprintf(reason, MIO_IMAGE_REASON_LIMIT, "another version of libwebp");
    return NULL;
  }
  if (!mio_webp_inspect(bytes, count, header, reason)) return NULL;
  if (!alpha) header->channels = 3;
  const size_t stride = (size_t)header->width * (size_t)header->channels;
  const size_t size = stride * (size_t)header->height;
  uint8_t *pixels = malloc(size);
  if (!pixels) {
    snprintf(reason, MIO_IMAGE_REASON_LIMIT, "out of memory");
    return NULL;
  }
  config.output.colorspace = header->channels == 4 ? MODE_RGBA : MODE_RGB;
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

struct mio_webp_animation {
  uint8_t *bytes;
  WebPAnimDecoder *decoder;
};

mio_webp_animation *mio_webp_animation_open(const uint8_t *bytes, size_t count) {
  mio_webp_animation *animation = calloc(1, sizeof *animation);
  if (!animation) return NULL;
  animation->bytes = malloc(count);
  if (animation->bytes) {
    memcpy(animation->bytes, bytes, count);
    const WebPData data = {.bytes = animation->bytes, .size = count};
    animation->decoder = WebPAnimDecoderNew(&data, NULL);
  }
  if (animation->decoder) return animation;
  mio_webp_animation_close(animation);
  return NULL;
}

const uint8_t *mio_webp_animation_next(mio_webp_animation *animation, int *is_damaged) {
  uint8_t *pixels = NULL;
  int milliseconds = 0;
  *is_damaged = 0;
  if (!WebPAnimDecoderHasMoreFrames(animation->decoder)) return NULL;
  if (WebPAnimDecoderGetNext(animation->decoder, &pixels, &milliseconds)) return pixels;
  *is_damaged = 1;
  return NULL;
}

void mio_webp_animation_close(mio_webp_animation *animation) {
  if (animation->decoder) WebPAnimDecoderDelete(animation->decoder);
  free(animation->bytes);
  free(animation);
}
