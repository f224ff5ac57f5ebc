// The readers behind mio_images.h, one for each library.
#ifndef MIO_IMAGE_READERS_H
#define MIO_IMAGE_READERS_H

#include "mio_images.h"

int mio_stb_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char *reason);
void *mio_stb_decode(const uint8_t *bytes, size_t count, int deep, mio_image_header *header, int *ran_out, char *reason);

int mio_jpeg_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char *reason);
void *mio_jpeg_decode(const uint8_t *bytes, size_t count, mio_image_header *header, int *ran_out, char *reason);

int mio_webp_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char *reason);
void *mio_webp_decode(const uint8_t *bytes, size_t count, int alpha, mio_image_header *header, int *ran_out, char *reason);

#endif
