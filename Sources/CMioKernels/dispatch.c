// The kernel tables of this architecture, and which of them the machine can run.
#include "variants.h"

/// The best 16 codebook values for Gaussian weights in blocks of 32 with one scale of either sign, fitted by Lloyd's algorithm
/// over the scale search of the packer and rounded; value 8 is held at 0 so that zero weights stay zero (0.02 dB).
const int8_t mio_q4_levels[16] = {-64, -51, -40, -32, -24, -17, -11, -5, 0, 6, 12, 18, 25, 33, 42, 55};

static const mio_kernels portable = MIO_VARIANT("portable", portable, portable, portable);

#if defined(__x86_64__)

static const mio_kernels avx2 = MIO_VARIANT("avx2", avx2, avx2, avx2);
static const mio_kernels avxvnni = MIO_VARIANT("avxvnni", avx2, avxvnni, avx2);
static const mio_kernels avx512vnni = MIO_VARIANT("avx512vnni", avx512, avx512, avx512);

static int runs_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static int runs_avx512vnni(void) {
  return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

size_t mio_variant_count(void) { return 4; }

const mio_kernels *mio_variant(size_t index) {
  __builtin_cpu_init();
  switch (index) {
    case 0: return &portable;
    case 1: return runs_avx2() ? &avx2 : NULL;
    case 2: return runs_avx2() && __builtin_cpu_supports("avxvnni") ? &avxvnni : NULL;
    case 3: return runs_avx512vnni() ? &avx512vnni : NULL;
    default: return NULL;
  }
}

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>

// Bits of the kernel's hardware capabilities.
enum { HWCAP_DOT_PRODUCTS = 1 << 20, HWCAP2_MATRIX_PRODUCTS = 1 << 13 };

int mio_has_dot_products(void) { return (getauxval(AT_HWCAP) & HWCAP_DOT_PRODUCTS) != 0; }
int mio_has_matrix_products(void) { return (getauxval(AT_HWCAP2) & HWCAP2_MATRIX_PRODUCTS) != 0; }
#else
// Every Apple processor that runs macOS has dot products, the first of them no matrix products.
int mio_has_dot_products(void) { return 1; }
int mio_has_matrix_products(void) { return 0; }
#endif

static const mio_kernels neon = MIO_VARIANT("neon", neon, neon, neon);
static const mio_kernels neoni8mm = MIO_VARIANT("neoni8mm", neon, neoni8mm, neoni8mm);

size_t mio_variant_count(void) { return 3; }

const mio_kernels *mio_variant(size_t index) {
  switch (index) {
    case 0: return &portable;
    case 1: return mio_has_dot_products() ? &neon : NULL;
    case 2: return mio_has_dot_products() && mio_has_matrix_products() ? &neoni8mm : NULL;
    default: return NULL;
  }
}

#else

size_t mio_variant_count(void) { return 1; }

const mio_kernels *mio_variant(size_t index) { return index == 0 ? &portable : NULL; }

#endif
