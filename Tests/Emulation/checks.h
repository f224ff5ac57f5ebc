// Fixed numbers, what is computed from them as checksums, and the checks of every kind of kernel.
#ifndef CHECKS_H
#define CHECKS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mio_kernels.h"

#pragma STDC FP_CONTRACT OFF

#define COUNT(array) (sizeof(array) / sizeof *(array))

/// The next of a fixed sequence of 24-bit numbers.
uint32_t next_number(void);

/// Roughly Gaussian.
float gaussian(void);

/// Adds bytes to the checksum.
void mix(const void *data, size_t count);

/// Zeros on a 64-byte boundary, to be freed.
void *zeros(size_t count);

/// `EXTREMES` are of one magnitude and either sign, so that integer sums reach their limits; `FAINT` are numbers of either
/// sign from 1 down to where they count as silence.
typedef enum { GAUSSIAN, ZEROS, EXTREMES, FAINT, PATTERNS } Pattern;

void fill(Pattern pattern, float *x, size_t count);
float *numbers(Pattern pattern, size_t count);
float *gaussians(size_t count);

typedef enum { F32, F16, Q8, Q4, FORMATS } Format;

/// Each runs kernels of one level at every tail length, and returns how many results differ from plain C.
int check_products(const mio_kernels *level, Format format);
int check_fixed_products(const mio_kernels *level);
void check_fixed_rows(const mio_kernels *level);
void check_fixed_panels(const mio_kernels *level);
void check_tiles(const mio_kernels *level);
void check_halves(const mio_kernels *level);
void check_softening(const mio_kernels *level);
void check_rows(const mio_kernels *level);
void check_image_rows(const mio_kernels *level);
void check_attention(const mio_kernels *level);

#endif
