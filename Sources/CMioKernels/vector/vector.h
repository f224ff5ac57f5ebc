// Sixteen lanes for every instruction set: the compiler splits them into the registers it has.
//
// The functions below repeat VectorMath.swift operation by operation. Contraction to fused multiply-adds is off, so each
// instruction set gives the same bits.
#ifndef MIO_VECTOR_H
#define MIO_VECTOR_H

#include "../levels.h"
#include <string.h>

#pragma STDC FP_CONTRACT OFF
// Everything that takes or returns lanes is inlined, so their calling convention does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((ext_vector_type(16)));
typedef int32_t integers __attribute__((ext_vector_type(16)));
typedef int8_t bytes __attribute__((ext_vector_type(16)));

#define LANES 16

#endif
