// JPEG by libjpeg-turbo, with the settings of Pillow, so that the pixels are those that the reference sees.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "readers.h"

// A progressive JPEG may have any number of scans, each of which costs the work of a whole image.
enum { SCAN_LIMIT = 200 };
// Bytes that the coefficients of a progressive image may take.
#define MEMORY_LIMIT (1L << 30)

typedef struct {
  struct jpeg_error_mgr manager;
  jmp_buf failed;
  char *reason;
  int ran_out;
} jpeg_errors;

static void fail(j_common_ptr info) {
  jpeg_errors *errors = (jpeg_errors *)info->err;
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  snprintf(errors->reason, MIO_IMAGE_REASON_LIMIT, "%s", text);
  longjmp(errors->failed, 1);
}

static void note(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) ((jpeg_errors *)info->err)->ran_out = 1;
  if (level < 0) info->err->num_warnings += 1;
}

static void stay_silent(j_common_ptr info) { (void)info; }

static void limit_scans(j_common_ptr info) {
  if (info->is_decompressor && ((j_decompress_ptr)info)->input_scan_number > SCAN_LIMIT) {
    snprintf(((jpeg_errors *)info->err)->reason, MIO_IMAGE_REASON_LIMIT, "more than %d scans", SCAN_LIMIT);
    longjmp(((jpeg_errors *)info->err)->failed, 1);
  }
}

static void prepare(jpeg_errors *errors, char *reason) {
  jpeg_std_error(&errors->manager);
  errors->manager.error_exit = fail;
  errors->manager.emit_message = note;
  errors->manager.output_message = stay_silent;
  errors->reason = reason;
  errors->ran_out = 0;
}

int mio_jpeg_inspect(const uint8_t *bytes, size_t count, mio_image_header *header, char *reason) {
  struct jpeg_decompress_struct info;
  jpeg_errors errors;
  info.err = &errors.manager;
  prepare(&errors, reason);
  if (setjmp(errors.failed)) {
    jpeg_destroy_decompress(&info);
    return 0;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, count);
  const int status = jpeg_read_header(&info, TRUE);
  const int is_known = info.num_components == 1 || info.num_components == 3 || info.num_components == 4;
  header->width = (int32_t)info.image_width;
  header->height = (int32_t)info.image_height;
  header->channels = info.num_components;
  jpeg_destroy_decompress(&info);
  if (status != JPEG_HEADER_OK || !is_known) {
    snprintf(reason, MIO_IMAGE_REASON_LIMIT, "no image of 1, 3 or 4 components");
    return 0;
  }
  return 1;
}

// Inks to red, green and blue in place, as Pillow does: inverted, as Adobe's programs write them, and rounded.
static void convert_inks(uint8_t *row, size_t width) {
  for (size_t column = 0; column < width; column++) {
    const uint8_t *ink = row + 4 * column;
    const unsigned light = ink[3];
    uint8_t color[3];
    for (int channel = 0; channel < 3; channel++) {
      const unsigned product = (255u - ink[channel]) * light + 128;
      color[channel] = (uint8_t)(light - (((product >> 8) + product) >> 8));
    }
    memcpy(row + 3 * column, color, 3);
  }
}

// Everything that a jump back may find changed lies here, not in registers.
typedef struct {
  struct jpeg_decompress_struct info;
  jpeg_errors errors;
  struct jpeg_progress_mgr progress;
  uint8_t *pixels;
  uint8_t *row;
} jpeg_reading;

static void read_rows(jpeg_reading *reading, mio_image_header *header) {
  j_decompress_ptr info = &reading->info;
  const size_t width = info->output_width;
  const size_t channels = info->out_color_space == JCS_GRAYSCALE ? 1 : 3;
  header->width = (int32_t)width;
  header->height = (int32_t)info->output_height;
  header->channels = (int32_t)channels;
  reading->pixels = malloc(width * info->output_height * channels);
  reading->row = malloc(width * 4);
  if (!reading->pixels || !reading->row) {
    snprintf(reading->errors.reason, MIO_IMAGE_REASON_LIMIT, "out of memory");
    longjmp(reading->errors.failed, 1);
  }
  while (info->output_scanline < info->output_height) {
    uint8_t *target = reading->pixels + (size_t)info->output_scanline * width * channels;
    JSAMPROW rows[1] = {reading->row};
    if (jpeg_read_scanlines(info, rows, 1) != 1) {
      reading->errors.ran_out = 1;
      return;
    }
    if (info->out_color_space == JCS_CMYK) convert_inks(reading->row, width);
    memcpy(target, reading->row, width * channels);
    if (reading->errors.ran_out) return;
  }
}

void *mio_jpeg_decode(const uint8_t *bytes, size_t count, mio_image_header *header, int *ran_out, char *reason) {
  jpeg_reading *reading = calloc(1, sizeof *reading);
  if (!reading) return NULL;
  reading->info.err = &reading->errors.manager;
  prepare(&reading->errors, reason);
  if (setjmp(reading->errors.failed)) {
    free(reading->pixels);
    reading->pixels = NULL;
  } else {
    jpeg_create_decompress(&reading->info);
    reading->info.mem->max_memory_to_use = MEMORY_LIMIT;
    reading->progress.progress_monitor = limit_scans;
    reading->info.progress = &reading->progress;
    jpeg_mem_src(&reading->info, bytes, count);
    jpeg_read_header(&reading->info, TRUE);
    reading->info.out_color_space = reading->info.num_components == 1   ? JCS_GRAYSCALE
                                    : reading->info.num_components == 4 ? JCS_CMYK
                                                                        : JCS_RGB;
    jpeg_start_decompress(&reading->info);
    if (!reading->errors.ran_out) read_rows(reading, header);
  }
  *ran_out = reading->errors.ran_out;
  uint8_t *pixels = reading->pixels;
  if (*ran_out) {
    free(pixels);
    pixels = NULL;
  }
  jpeg_destroy_decompress(&reading->info);
  free(reading->row);
  free(reading);
  return pixels;
}

int mio_image_encode_jpeg(mio_image_sink *sink, void *context, int32_t width, int32_t height, const uint8_t *rgb, int quality,
    const uint8_t *comment, size_t comment_count) {
  struct writing {
    struct jpeg_compress_struct info;
    jpeg_errors errors;
    unsigned char *bytes;
    unsigned long count;
    char reason[MIO_IMAGE_REASON_LIMIT];
  } *writing = calloc(1, sizeof *writing);
  if (!writing) return 0;
  writing->info.err = &writing->errors.manager;
  prepare(&writing->errors, writing->reason);
  volatile int is_written = 0;
  if (!setjmp(writing->errors.failed)) {
    jpeg_create_compress(&writing->info);
    jpeg_mem_dest(&writing->info, &writing->bytes, &writing->count);
    writing->info.image_width = (JDIMENSION)width;
    writing->info.image_height = (JDIMENSION)height;
    writing->info.input_components = 3;
    writing->info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&writing->info);
    jpeg_set_quality(&writing->info, quality, TRUE);
    jpeg_start_compress(&writing->info, TRUE);
    if (comment_count > 0) {
      const unsigned length = (unsigned)(comment_count < 65533 ? comment_count : 65533);
      jpeg_write_marker(&writing->info, JPEG_COM, comment, length);
    }
    while (writing->info.next_scanline < writing->info.image_height) {
      // libjpeg does not write to its input, though its type would allow it to.
      JSAMPROW rows[1] = {(JSAMPROW)(uintptr_t)(rgb + (size_t)writing->info.next_scanline * (size_t)width * 3)};
      jpeg_write_scanlines(&writing->info, rows, 1);
    }
    jpeg_finish_compress(&writing->info);
    is_written = 1;
  }
  jpeg_destroy_compress(&writing->info);
  for (unsigned long done = 0; is_written && done < writing->count;) {
    const unsigned long rest = writing->count - done;
    const int part = rest < (1 << 30) ? (int)rest : 1 << 30;
    sink(context, writing->bytes + done, part);
    done += (unsigned long)part;
  }
  free(writing->bytes);
  free(writing);
  return is_written;
}
