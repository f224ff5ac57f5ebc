// Attention with NEON and its dot product.
#include "../variants.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#include "../vector/vector.h"

#define MIO_NAME(name) name##_neon
#define QUERIES 4
enum { KEY_OFFSET = 0, INTEGER_SCORES = 1, VALUE_LANES = 1, ASKS_AHEAD = 0 };

INLINE quads load_quads(const uint8_t *keys) {
  quads values;
  memcpy(&values, keys, sizeof values);
  return values;
}

INLINE integers add_quads(integers sum, quads keys, int32_t query) {
  typedef int32_t four __attribute__((ext_vector_type(4)));
  const int8x16_t all = vreinterpretq_s8_s32(vdupq_n_s32(query));
  integers result;
  result.lo.lo = (four)vdotq_s32((int32x4_t)sum.lo.lo, (int8x16_t)keys.lo.lo, all);
  result.lo.hi = (four)vdotq_s32((int32x4_t)sum.lo.hi, (int8x16_t)keys.lo.hi, all);
  result.hi.lo = (four)vdotq_s32((int32x4_t)sum.hi.lo, (int8x16_t)keys.hi.lo, all);
  result.hi.hi = (four)vdotq_s32((int32x4_t)sum.hi.hi, (int8x16_t)keys.hi.hi, all);
  return result;
}

#include "../vector/attention.h"

#pragma clang attribute pop
#endif
