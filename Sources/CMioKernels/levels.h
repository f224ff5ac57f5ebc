// The functions of every instruction-set level, one line per kernel, for dispatch.c.
#ifndef MIO_LEVELS_H
#define MIO_LEVELS_H

#include "mio_kernels.h"

#define MIO_DECLARE_LEVEL(isa)                      \
  mio_multiply_quantized mio_multiply_q4_##isa;     \
  mio_multiply_quantized mio_multiply_q8_##isa;     \
  mio_multiply_float mio_multiply_f32_##isa;        \
  mio_multiply_float mio_multiply_f16_##isa;        \
  mio_quantize_rows mio_quantize_rows_##isa;        \
  mio_pack_panel mio_pack_q4_##isa;                 \
  mio_pack_panel mio_pack_q8_##isa;                 \
  mio_pack_panel mio_pack_f16_##isa;                \
  extern const mio_attention_kernels mio_attention_##isa;

#if defined(__x86_64__)
MIO_DECLARE_LEVEL(avx2)
MIO_DECLARE_LEVEL(avx512)
mio_multiply_quantized mio_multiply_q4_avxvnni;
mio_multiply_quantized mio_multiply_q8_avxvnni;
#elif defined(__aarch64__)
MIO_DECLARE_LEVEL(neon)
#endif

#endif
