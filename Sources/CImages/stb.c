// PNG and BMP by stb_image, PNG out by stb_image_write.
#include "readers.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// No allocation of stb may be larger than this: 16-bit RGBA of the most pixels that the caller lets through fits, and a
// compressed stream that unpacks to more than its header says is stopped here.
#define ALLOCATION_LIMIT ((size_t)1 << 30)

static void *bounded_malloc(size_t size) { return size <= ALLOCATION_LIMIT ? malloc(size) : NULL; }
static void *bounded_realloc(void *old, size_t size) { return size <= ALLOCATION_LIMIT ? realloc(old, size) : NULL; }

#define STBI_MALLOC(size) bounded_malloc(size)
#define STBI_REALLOC(old, size) bounded_realloc(old, size)
#define STBI_FREE(old) free(old)
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS MIO_IMAGE_SIDE_LIMIT
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
// For an empty IDAT before any other it copies no byte to a null pointer, which C defines only from C2y on and every memcpy
// heeds: the undefined-behavior sanitizer is to look for anything else.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_sanitize("nonnull-attribute"))), apply_to = function)
#endif
#include <stb/stb_image.h>
#if defined(__clang__)
#pragma clang attribute pop
#endif

#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

/// Bytes in memory that know whether more were asked for than there are; stb itself reads zeros there.
typedef struct {
  const uint8_t *bytes;
  size_t count;
  size_t position;
  int ran_out;
} source;

static int read_bytes(void *user, char *data, int size) {
  source *from = user;
  const size_t rest = from->count - from->position;
  const size_t count = rest < (size_t)size ? rest : (size_t)size;
  if (count == 0) from->ran_out = 1;
  memcpy(data, from->bytes + from->position, count);
  from->position += count;
  return (int)count;
}

static void skip_bytes(void *user, int count) {
  source *from = user;
  if (count < 0) {
    const size_t back = (size_t) - (long long)count;
    from->position -= back < from->position ? back : from->position;
  } else if ((size_t)count > from->count - from->position) {
    from->position = from->count;
    from->ran_out = 1;
  } else {
    from->position += (size_t)count;
  }
}

static int is_at_end(void *user) {
  const source *from = user;
  return from->position == from->count;
}

static const stbi_io_callbacks callbacks = {.read = read_bytes, .skip = skip_bytes, .eof = is_at_end};

static void explain(char *reason) {
  const char *text = stbi_failure_reason();
  snprintf(reason, MIO_IMAGE_REASON_LIMIT, "%s", text && *text ? text : "damaged data");
}

int mio_stb_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char *reason) {
  source from = {.bytes = bytes, .count = count};
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_callbacks(&callbacks, &from, &width, &height, &channels)) {
    explain(reason);
    return 0;
  }
  from = (source){.bytes = bytes, .count = count};
  header->is_deep = stbi_is_16_bit_from_callbacks(&callbacks, &from);
  header->width = width;
  // A negative height says that the rows of a BMP are stored from the top; stb hands it out with the header alone.
  header->height = height < 0 && height > INT_MIN ? -height : height;
  header->channels = channels;
  return 1;
}

void *mio_stb_decode(const uint8_t *bytes, size_t count, int deep, mio_image_header *header, int *ran_out, char *reason) {
  source from = {.bytes = bytes, .count = count};
  int width = 0, height = 0, channels = 0;
  void *pixels = deep ? (void *)stbi_load_16_from_callbacks(&callbacks, &from, &width, &height, &channels, 0)
                      : (void *)stbi_load_from_callbacks(&callbacks, &from, &width, &height, &channels, 0);
  if (!pixels) explain(reason);
  header->width = width;
  header->height = height;
  header->channels = channels;
  header->is_deep = deep;
  *ran_out = from.ran_out;
  return pixels;
}

long mio_image_inflate(const uint8_t *bytes, size_t count, uint8_t *target, size_t capacity) {
  if (count > INT_MAX || capacity > INT_MAX) return -1;
  return stbi_zlib_decode_buffer((char *)target, (int)capacity, (const char *)bytes, (int)count);
}
// stb_image_write counts in `int`: the filtered rows, a byte longer than the pixels, and a buffer for them that doubles.
#define ENCODING_LIMIT ((int64_t)1 << 29)

int mio_image_encode_png(mio_image_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb) {
  if (width < 1 || height < 1 || (3 * (int64_t)width + 1) * height > ENCODING_LIMIT) return 0;
  return stbi_write_png_to_func(sink, context, width, height, 3, rgb, width * 3);
}
