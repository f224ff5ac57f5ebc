// Images in memory: PNG, BMP, JPEG and WebP in, PNG and JPEG out, by stb_image, libjpeg-turbo and libwebp. Nothing is
// decoded before the caller has seen its size.
#ifndef MIO_IMAGES_H
#define MIO_IMAGES_H

#include <stddef.h>
#include <stdint.h>

/// Longest side that is read or written.
enum { MIO_IMAGE_SIDE_LIMIT = 65535 };

/// How an image is compressed.
typedef enum { MIO_IMAGE_STB = 0, MIO_IMAGE_JPEG = 1, MIO_IMAGE_WEBP = 2 } mio_image_kind;

/// What the header of an image says.
typedef struct {
  int32_t width, height;
  /// 1 gray, 2 gray and alpha, 3 red green blue, 4 with alpha; of a JPEG, 4 is CMYK.
  int32_t channels;
  /// Whether a channel has 16 bits.
  int32_t is_deep;
  /// Whether the file holds several images; such WebP files are read by mio_webp_animation.
  int32_t is_animated;
  mio_image_kind kind;
} mio_image_header;

/// Longest text that says why something failed, its end included.
enum { MIO_IMAGE_REASON_LIMIT = 200 };

/// Reads the header alone. Returns 1, or 0 if the bytes are no image of a known kind, and why.
int mio_image_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char reason[MIO_IMAGE_REASON_LIMIT]);

/// Decodes an image whose header was read before; the numbers lie row by row, channels side by side, 8 bits each.
///
/// Deep images: gray ones are decoded to 16 bits if `deep` is set (the result holds uint16_t), otherwise the upper 8
/// bits of every number are kept. CMYK comes as RGB. A WebP comes without its alpha channel unless `alpha` is set. `header`
/// gets the size and channels of the result, `ran_out` whether bytes behind the last one were asked for. Returns NULL on
/// failure and why; otherwise free with mio_image_free.
void *mio_image_decode(const uint8_t *bytes, size_t count, int deep, int alpha, mio_image_header *header, int *ran_out,
    char reason[MIO_IMAGE_REASON_LIMIT]);

void mio_image_free(void *pixels);

/// The frames of an animated WebP, one after the other.
typedef struct mio_webp_animation mio_webp_animation;

/// Opens an animation whose size was checked before; the bytes are copied. Returns NULL if it is damaged or memory runs out.
mio_webp_animation *mio_webp_animation_open(const uint8_t *bytes, size_t count);
/// The next frame as it is shown, [height][width][4] with alpha, until the next call; NULL at the end, and when the rest is
/// damaged, which `is_damaged` tells.
const uint8_t *mio_webp_animation_next(mio_webp_animation *animation, int *is_damaged);
void mio_webp_animation_close(mio_webp_animation *animation);

/// Unpacks a zlib stream, as PNGs hold texts. Returns the number of bytes written to `target`, or -1 if the stream is
/// damaged or has more than `capacity`.
long mio_image_inflate(const uint8_t *bytes, size_t count, uint8_t *target, size_t capacity);

/// Receives encoded bytes.
typedef void mio_image_sink(void *context, void *bytes, int count);

/// Encode [height][width][3]. Return 1, or 0 on failure; a PNG may have 2^29 bytes of pixels and rows. Quality is 1...100; the
/// comment, without a zero in it, may be empty and is cut after 65,533 bytes.
int mio_image_encode_png(mio_image_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb);
int mio_image_encode_jpeg(mio_image_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb, int quality,
    const uint8_t *comment, size_t comment_count);

#endif
