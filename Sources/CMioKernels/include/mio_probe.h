// Loops that reach a limit of the machine, for `mio-lite bench`: what memory and multipliers can do at best on one thread.
#ifndef MIO_PROBE_H
#define MIO_PROBE_H

#include <stddef.h>
#include <stdint.h>

/// Reads `count` bytes once and returns their xor (so that the reads cannot be removed): `streams` equal parts side by side,
/// each front to back, 256 bytes in turn. `bytes` lies on a 64-byte boundary, `count` is a multiple of 1024 times `streams`.
/// Every line is asked for `ahead` bytes early; with 0 that is left to the processor.
uint64_t mio_probe_read(const void *bytes, size_t count, size_t streams, size_t ahead);

/// Runs `rounds` rounds of the int8 dot products of the variant of that name on independent registers.
/// Returns the multiplications and additions done.
uint64_t mio_probe_int8(const char *variant, uint64_t rounds);

/// Runs `rounds` rounds of the f32 fused multiply-adds of the variant of that name on independent registers.
/// Returns the multiplications and additions done.
uint64_t mio_probe_f32(const char *variant, uint64_t rounds);

#endif
