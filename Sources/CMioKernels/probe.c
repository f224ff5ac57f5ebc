#include "mio_probe.h"

#include "variants.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Enough independent accumulators to hide the latency of any of the instructions (4 or 5 cycles, 2 a cycle).
enum { CHAINS = 12 };

// The empty asm keeps a value alive and unknown to the optimizer without touching memory.
#define KEEP(value) __asm__ volatile("" : "+v"(value))
#define KEEP_GENERIC(value) __asm__ volatile("" : "+r"(value))

// Baseline versions: plain C, for processors without any of the variants below.
#if !defined(__aarch64__)
static uint64_t read_generic(const void *bytes, size_t count, size_t streams, size_t ahead) {
  uint64_t sum[8] = {0};
  for (size_t i = 0; i < count / streams; i += 256) {
    for (size_t stream = 0; stream < streams; stream++) {
      const uint64_t *words = (const void *)((const char *)bytes + stream * (count / streams) + i);
      for (int j = 0; ahead > 0 && j < 32; j += 8) __builtin_prefetch((const char *)(words + j) + ahead, 0, 0);
      for (int j = 0; j < 32; j++) sum[j % 8] ^= words[j];
    }
  }
  return sum[0] ^ sum[1] ^ sum[2] ^ sum[3] ^ sum[4] ^ sum[5] ^ sum[6] ^ sum[7];
}
#endif

static uint64_t multiply_generic(uint64_t rounds) {
  uint64_t a[CHAINS];
  for (int i = 0; i < CHAINS; i++) a[i] = (uint64_t)i + 3;
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) {
      a[i] = a[i] * 5 + 1;
      KEEP_GENERIC(a[i]);
    }
  return rounds * CHAINS * 2;
}

#if defined(__x86_64__)

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

static uint64_t read_avx2(const void *bytes, size_t count, size_t streams, size_t ahead) {
  __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
  for (size_t i = 0; i < count / streams; i += 256) {
    for (size_t stream = 0; stream < streams; stream++) {
      const __m256i *v = (const void *)((const char *)bytes + stream * (count / streams) + i);
      for (int j = 0; ahead > 0 && j < 8; j += 2) __builtin_prefetch((const char *)(v + j) + ahead, 0, 0);
      for (int j = 0; j < 8; j++) sum[j % 4] = _mm256_xor_si256(sum[j % 4], _mm256_load_si256(v + j));
    }
  }
  __m256i all = _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
  return (uint64_t)(_mm256_extract_epi64(all, 0) ^ _mm256_extract_epi64(all, 1) ^ _mm256_extract_epi64(all, 2) ^
                    _mm256_extract_epi64(all, 3));
}

static uint64_t int8_avx2(uint64_t rounds) {
  __m256i a[CHAINS], w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  for (int i = 0; i < CHAINS; i++) a[i] = _mm256_setzero_si256();
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) {
      KEEP(x);
      a[i] = _mm256_add_epi32(a[i], _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones));
    }
  for (int i = 0; i < CHAINS; i++) KEEP(a[i]);
  return rounds * CHAINS * 64;
}

static uint64_t f32_avx2(uint64_t rounds) {
  __m256 a[CHAINS], w = _mm256_set1_ps(0.999f), x = _mm256_set1_ps(1e-6f);
  for (int i = 0; i < CHAINS; i++) a[i] = _mm256_set1_ps((float)i);
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) a[i] = _mm256_fmadd_ps(a[i], w, x);
  for (int i = 0; i < CHAINS; i++) KEEP(a[i]);
  return rounds * CHAINS * 16;
}

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,avxvnni"))), apply_to = function)

static uint64_t int8_avxvnni(uint64_t rounds) {
  __m256i a[CHAINS], w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(1);
  for (int i = 0; i < CHAINS; i++) a[i] = _mm256_setzero_si256();
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) a[i] = _mm256_dpbusd_avx_epi32(a[i], w, x);
  for (int i = 0; i < CHAINS; i++) KEEP(a[i]);
  return rounds * CHAINS * 64;
}

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vnni"))), apply_to = function)

static uint64_t read_avx512(const void *bytes, size_t count, size_t streams, size_t ahead) {
  __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  for (size_t i = 0; i < count / streams; i += 256) {
    for (size_t stream = 0; stream < streams; stream++) {
      const __m512i *v = (const void *)((const char *)bytes + stream * (count / streams) + i);
      for (int j = 0; ahead > 0 && j < 4; j++) __builtin_prefetch((const char *)(v + j) + ahead, 0, 0);
      for (int j = 0; j < 4; j++) sum[j] = _mm512_xor_si512(sum[j], _mm512_load_si512(v + j));
    }
  }
  __m512i all = _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]));
  uint64_t words[8];
  _mm512_storeu_si512(words, all);
  return words[0] ^ words[1] ^ words[2] ^ words[3] ^ words[4] ^ words[5] ^ words[6] ^ words[7];
}

static uint64_t int8_avx512(uint64_t rounds) {
  __m512i a[CHAINS], w = _mm512_set1_epi8(3), x = _mm512_set1_epi8(1);
  for (int i = 0; i < CHAINS; i++) a[i] = _mm512_setzero_si512();
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_dpbusd_epi32(a[i], w, x);
  for (int i = 0; i < CHAINS; i++) KEEP(a[i]);
  return rounds * CHAINS * 128;
}

static uint64_t f32_avx512(uint64_t rounds) {
  __m512 a[CHAINS], w = _mm512_set1_ps(0.999f), x = _mm512_set1_ps(1e-6f);
  for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_fmadd_ps(a[i], w, x);
  for (int i = 0; i < CHAINS; i++) KEEP(a[i]);
  return rounds * CHAINS * 32;
}

#pragma clang attribute pop

static int has_avx512(void) { return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"); }
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int is(const char *variant, const char *name) { return strcmp(variant, name) == 0; }

uint64_t mio_probe_read(const void *bytes, size_t count, size_t streams, size_t ahead) {
  return has_avx512() ? read_avx512(bytes, count, streams, ahead)
         : has_avx2() ? read_avx2(bytes, count, streams, ahead)
                      : read_generic(bytes, count, streams, ahead);
}

uint64_t mio_probe_int8(const char *variant, uint64_t rounds) {
  return is(variant, "avx512vnni") ? int8_avx512(rounds)
         : is(variant, "avxvnni")  ? int8_avxvnni(rounds)
         : is(variant, "avx2")     ? int8_avx2(rounds)
                                   : multiply_generic(rounds);
}

uint64_t mio_probe_f32(const char *variant, uint64_t rounds) {
  return is(variant, "avx512vnni")                       ? f32_avx512(rounds)
         : is(variant, "avxvnni") || is(variant, "avx2") ? f32_avx2(rounds)
                                                         : multiply_generic(rounds);
}

#elif defined(__aarch64__)

uint64_t mio_probe_read(const void *bytes, size_t count, size_t streams, size_t ahead) {
  uint64x2_t sum[4] = {vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0), vdupq_n_u64(0)};
  for (size_t i = 0; i < count / streams; i += 256) {
    for (size_t stream = 0; stream < streams; stream++) {
      const uint64_t *words = (const void *)((const char *)bytes + stream * (count / streams) + i);
      for (int j = 0; ahead > 0 && j < 32; j += 8) __builtin_prefetch((const char *)(words + j) + ahead, 0, 0);
      for (int j = 0; j < 16; j++) sum[j % 4] = veorq_u64(sum[j % 4], vld1q_u64(words + 2 * j));
    }
  }
  uint64x2_t all = veorq_u64(veorq_u64(sum[0], sum[1]), veorq_u64(sum[2], sum[3]));
  return vgetq_lane_u64(all, 0) ^ vgetq_lane_u64(all, 1);
}

// Independent chains of one instruction on bytes; `count` is its multiplications and additions.
#define INT8_PROBE(name, isa, instruction, count)                                                                              \
  __attribute__((target(isa))) static uint64_t name(uint64_t rounds) {                                                         \
    int32x4_t a[CHAINS];                                                                                                       \
    int8x16_t w = vdupq_n_s8(3), x = vdupq_n_s8(1);                                                                            \
    for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_s32(0);                                                                    \
    for (uint64_t r = 0; r < rounds; r++)                                                                                      \
      for (int i = 0; i < CHAINS; i++) __asm__ volatile(instruction " %0.4s, %1.16b, %2.16b" : "+w"(a[i]) : "w"(w), "w"(x));   \
    return rounds * CHAINS * count;                                                                                            \
  }

INT8_PROBE(int8_dotprod, "dotprod", "sdot", 32)
INT8_PROBE(int8_i8mm, "i8mm", "smmla", 64)

uint64_t mio_probe_int8(const char *variant, uint64_t rounds) {
  return strcmp(variant, "neoni8mm") == 0 ? int8_i8mm(rounds)
         : strcmp(variant, "neon") == 0   ? int8_dotprod(rounds)
                                          : multiply_generic(rounds);
}

uint64_t mio_probe_f32(const char *variant, uint64_t rounds) {
  (void)variant; // every processor of the architecture has them
  float32x4_t a[CHAINS], w = vdupq_n_f32(0.999f), x = vdupq_n_f32(1e-6f);
  for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_f32((float)i);
  for (uint64_t r = 0; r < rounds; r++)
    for (int i = 0; i < CHAINS; i++) __asm__ volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(a[i]) : "w"(w), "w"(x));
  return rounds * CHAINS * 8;
}

#else

uint64_t mio_probe_read(const void *bytes, size_t count, size_t streams, size_t ahead) {
  return read_generic(bytes, count, streams, ahead);
}

uint64_t mio_probe_int8(const char *variant, uint64_t rounds) {
  (void)variant;
  return multiply_generic(rounds);
}

uint64_t mio_probe_f32(const char *variant, uint64_t rounds) {
  (void)variant;
  return multiply_generic(rounds);
}

#endif
