// The kernel tables of this architecture, and which of them the machine can run.
#include "levels.h"

/// The best 16 levels for Gaussian weights in blocks of 32 with one scale of either sign, fitted by Lloyd's algorithm over
/// the scale search of the packer and rounded; level 8 is held at 0 so that zero weights stay zero (0.02 dB).
const int8_t mio_q4_levels[16] = {-64, -51, -40, -32, -24, -17, -11, -5, 0, 6, 12, 18, 25, 33, 42, 55};

static const mio_kernels portable = {.name = "portable"};

#if defined(__x86_64__)

static const mio_kernels avx512vnni = {
    .name = "avx512vnni",
    .multiply_q4 = mio_multiply_q4_avx512,
    .multiply_q8 = mio_multiply_q8_avx512,
    .multiply_f32 = mio_multiply_f32_avx512,
    .multiply_f16 = mio_multiply_f16_avx512,
    .quantize_rows = mio_quantize_rows_avx512,
    .pack_q4 = mio_pack_q4_avx512,
    .pack_q8 = mio_pack_q8_avx512,
    .pack_f16 = mio_pack_f16_avx512,
    .attention = &mio_attention_avx512,
};

static int runs_avx512vnni(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("f16c");
}

size_t mio_level_count(void) { return 2; }

const mio_kernels *mio_level(size_t index) {
  __builtin_cpu_init();
  switch (index) {
    case 0: return &portable;
    case 1: return runs_avx512vnni() ? &avx512vnni : NULL;
    default: return NULL;
  }
}

#else

size_t mio_level_count(void) { return 1; }

const mio_kernels *mio_level(size_t index) { return index == 0 ? &portable : NULL; }

#endif
