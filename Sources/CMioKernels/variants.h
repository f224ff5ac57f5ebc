// The functions of every instruction-set variant, one line per kernel, for dispatch.c.
#ifndef MIO_VARIANTS_H
#define MIO_VARIANTS_H

#include "mio_kernels.h"

#define MIO_DECLARE_INTEGER_PRODUCTS(isa)                                                                                      \
  mio_multiply_quantized mio_multiply_q4_##isa;                                                                                \
  mio_multiply_quantized mio_multiply_q8_##isa;

#define MIO_DECLARE_LEVEL(isa)                                                                                                 \
  MIO_DECLARE_INTEGER_PRODUCTS(isa)                                                                                            \
  mio_multiply_float mio_multiply_f32_##isa;                                                                                   \
  mio_multiply_float mio_multiply_f16_##isa;                                                                                   \
  mio_multiply_fixed mio_multiply_fixed_##isa;                                                                                 \
  mio_fix_rows mio_fix_rows_##isa;                                                                                             \
  mio_fix_group mio_fix_group_##isa;                                                                                           \
  mio_fix_columns mio_fix_columns_##isa;                                                                                       \
  mio_scale_rows mio_scale_rows_##isa;                                                                                         \
  mio_fix_tiles mio_fix_tiles_##isa;                                                                                           \
  mio_join_tiles mio_join_tiles_##isa;                                                                                         \
  mio_f16_to_f32 mio_f16_to_f32_##isa;                                                                                         \
  mio_f32_to_f16 mio_f32_to_f16_##isa;                                                                                         \
  mio_online_softmax mio_online_softmax_##isa;                                                                                 \
  mio_online_softmax_fixed mio_online_softmax_fixed_##isa;                                                                     \
  mio_combine mio_gelu_bias_##isa;                                                                                             \
  mio_gate mio_geglu_##isa;                                                                                                    \
  mio_layer_norm mio_layer_normalize_##isa;                                                                                    \
  mio_sums mio_column_sums_##isa;                                                                                              \
  mio_quantize_rows mio_quantize_rows_##isa;                                                                                   \
  mio_pack_searched mio_pack_q4_##isa;                                                                                         \
  mio_pack_panel mio_pack_q8_##isa;                                                                                            \
  mio_pack_panel mio_pack_f16_##isa;                                                                                           \
  mio_pack_panel mio_pack_f32_##isa;                                                                                           \
  mio_map mio_elu_##isa;                                                                                                       \
  mio_map mio_silu_##isa;                                                                                                      \
  mio_map mio_sigmoid_##isa;                                                                                                   \
  mio_map mio_tanh_##isa;                                                                                                      \
  mio_map mio_gelu_##isa;                                                                                                      \
  mio_map mio_softmax_##isa;                                                                                                   \
  mio_combine mio_swiglu_##isa;                                                                                                \
  mio_combine mio_snake_##isa;                                                                                                 \
  mio_normalize mio_rms_normalize_##isa;                                                                                       \
  mio_lstm mio_lstm_step_##isa;                                                                                                \
  extern const mio_attention_kernels mio_attention_##isa;

/// A table whose products of quantized weights are those of `products`, those in fixed point those of `fixed`, and all else
/// those of `isa`.
#define MIO_VARIANT(label, isa, products, fixed)                                                                               \
  {                                                                                                                            \
    .name = label, .multiply_q4 = mio_multiply_q4_##products, .multiply_q8 = mio_multiply_q8_##products,                       \
    .multiply_f32 = mio_multiply_f32_##isa, .multiply_f16 = mio_multiply_f16_##isa,                                            \
    .multiply_fixed = mio_multiply_fixed_##fixed, .fix_rows = mio_fix_rows_##isa, .fix_group = mio_fix_group_##isa,            \
    .fix_columns = mio_fix_columns_##isa, .scale_rows = mio_scale_rows_##isa, .fix_tiles = mio_fix_tiles_##isa,                \
    .join_tiles = mio_join_tiles_##isa, .f16_to_f32 = mio_f16_to_f32_##isa, .f32_to_f16 = mio_f32_to_f16_##isa,                \
    .online_softmax = mio_online_softmax_##isa, .online_softmax_fixed = mio_online_softmax_fixed_##isa,                        \
    .gelu_bias = mio_gelu_bias_##isa, .geglu = mio_geglu_##isa, .layer_normalize = mio_layer_normalize_##isa,                  \
    .column_sums = mio_column_sums_##isa, .quantize_rows = mio_quantize_rows_##isa, .pack_q4 = mio_pack_q4_##isa,              \
    .pack_q8 = mio_pack_q8_##isa, .pack_f16 = mio_pack_f16_##isa, .pack_f32 = mio_pack_f32_##isa, .elu = mio_elu_##isa,        \
    .silu = mio_silu_##isa, .sigmoid = mio_sigmoid_##isa, .tanh = mio_tanh_##isa, .gelu = mio_gelu_##isa,                      \
    .softmax = mio_softmax_##isa, .swiglu = mio_swiglu_##isa, .snake = mio_snake_##isa,                                        \
    .rms_normalize = mio_rms_normalize_##isa, .lstm_step = mio_lstm_step_##isa, .attention = &mio_attention_##isa,             \
  }

MIO_DECLARE_LEVEL(portable)

#if defined(__x86_64__)
MIO_DECLARE_LEVEL(avx2)
MIO_DECLARE_INTEGER_PRODUCTS(avxvnni)
MIO_DECLARE_LEVEL(avx512)
#elif defined(__aarch64__)
MIO_DECLARE_LEVEL(neon)
MIO_DECLARE_INTEGER_PRODUCTS(neoni8mm)
mio_multiply_fixed mio_multiply_fixed_neoni8mm;

/// Whether the processor has sdot, and whether it has smmla.
int mio_has_dot_products(void);
int mio_has_matrix_products(void);
#endif

#endif
