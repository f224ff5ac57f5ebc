// Pictures in memory: PNG, JPEG, GIF (first frame) and BMP in, PNG and JPEG out, by stb_image and stb_image_write.
#ifndef MIO_PICTURES_H
#define MIO_PICTURES_H

#include <stddef.h>
#include <stdint.h>

/// Longest side that is read or written.
enum { MIO_PICTURE_SIDE_LIMIT = 65535 };

/// What the header of a picture says.
typedef struct {
  int32_t width, height;
  /// 1 gray, 2 gray and alpha, 3 red green blue, 4 with alpha.
  int32_t channels;
  /// Whether a channel has 16 bits.
  int32_t is_deep;
} mio_picture_header;

/// Reads the header alone. Returns 1, or 0 if the bytes are no picture of a known kind.
int mio_picture_inspect(const uint8_t *bytes, size_t count, mio_picture_header *header);

/// Decodes a picture; the numbers lie row by row, channels side by side, 8 bits each.
///
/// Deep pictures: gray ones are decoded to 16 bits if `deep` is set (the result holds uint16_t), otherwise the upper 8
/// bits of every number are kept. `header` gets the size and channels of the result, `ran_out` whether bytes behind the
/// last one were asked for. Returns NULL on failure; otherwise free with mio_picture_free.
void *mio_picture_decode(const uint8_t *bytes, size_t count, int deep, mio_picture_header *header, int *ran_out);

void mio_picture_free(void *pixels);

/// Why the last call on this thread failed, in two or three words.
const char *mio_picture_failure(void);

/// Receives encoded bytes.
typedef void mio_picture_sink(void *context, void *bytes, int count);

/// Encode [height][width][3]. Return 1, or 0 on failure. Quality is 1...100.
int mio_picture_encode_png(mio_picture_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb);
int mio_picture_encode_jpeg(
    mio_picture_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb, int quality);

#endif
