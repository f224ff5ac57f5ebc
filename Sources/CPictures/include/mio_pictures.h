// Pictures in memory: PNG, BMP, JPEG and WebP in, PNG and JPEG out, by stb_image, libjpeg-turbo and libwebp. Nothing is
// decoded before the caller has seen its size.
#ifndef MIO_PICTURES_H
#define MIO_PICTURES_H

#include <stddef.h>
#include <stdint.h>

/// Longest side that is read or written.
enum { MIO_PICTURE_SIDE_LIMIT = 65535 };

/// How a picture is compressed.
typedef enum { MIO_PICTURE_STB = 0, MIO_PICTURE_JPEG = 1, MIO_PICTURE_WEBP = 2 } mio_picture_kind;

/// What the header of a picture says.
typedef struct {
  int32_t width, height;
  /// 1 gray, 2 gray and alpha, 3 red green blue, 4 with alpha; of a JPEG, 4 is CMYK.
  int32_t channels;
  /// Whether a channel has 16 bits.
  int32_t is_deep;
  /// Whether the file holds several pictures; such WebP files are not read.
  int32_t is_animated;
  mio_picture_kind kind;
} mio_picture_header;

/// Longest text that says why something failed, its end included.
enum { MIO_PICTURE_REASON_LIMIT = 200 };

/// Reads the header alone. Returns 1, or 0 if the bytes are no picture of a known kind, and why.
int mio_picture_inspect(
    const uint8_t *bytes, size_t count, mio_picture_header *header, char reason[MIO_PICTURE_REASON_LIMIT]);

/// Decodes a picture whose header was read before; the numbers lie row by row, channels side by side, 8 bits each.
///
/// Deep pictures: gray ones are decoded to 16 bits if `deep` is set (the result holds uint16_t), otherwise the upper 8
/// bits of every number are kept. CMYK comes as RGB. `header` gets the size and channels of the result, `ran_out`
/// whether bytes behind the last one were asked for. Returns NULL on failure and why; otherwise free with
/// mio_picture_free.
void *mio_picture_decode(
    const uint8_t *bytes, size_t count, int deep, mio_picture_header *header, int *ran_out,
    char reason[MIO_PICTURE_REASON_LIMIT]);

void mio_picture_free(void *pixels);

/// Receives encoded bytes.
typedef void mio_picture_sink(void *context, void *bytes, int count);

/// Encode [height][width][3]. Return 1, or 0 on failure. Quality is 1...100; the comment, without a zero in it, may be
/// empty and is cut after 65,533 bytes.
int mio_picture_encode_png(mio_picture_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb);
int mio_picture_encode_jpeg(
    mio_picture_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb, int quality,
    const uint8_t *comment, size_t comment_count);

#endif
