// Prints, for every instruction-set level of the machine it runs on, or for those named by its arguments, checksums of what
// the kernels compute from fixed numbers. The lines of all levels of all architectures must be the same; products are also
// compared with plain C here.
#include <stdio.h>

#include "checks.h"

// Every entry of the table is checked below; who adds one adds its check.
_Static_assert(sizeof(mio_kernels) == 36 * sizeof(void *), "a kernel without a check");
_Static_assert(sizeof(mio_attention_kernels) == 7 * sizeof(void *), "an attention kernel without a check");

static uint32_t state;
static uint64_t checksum;

uint32_t next_number(void) { return (state = state * 1664525u + 1013904223u) >> 8; }

float gaussian(void) {
  float sum = -6;
  for (int i = 0; i < 12; i++) sum += (float)next_number() / 16777216.0f;
  return sum;
}

void mix(const void *data, size_t count) {
  for (size_t i = 0; i < count; i++) checksum = (checksum ^ ((const uint8_t *)data)[i]) * 1099511628211u;
}

void *zeros(size_t count) {
  void *memory = aligned_alloc(64, (count / 64 + 1) * 64);
  if (memory == NULL) exit(2);
  return memset(memory, 0, count);
}

void fill(Pattern pattern, float *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float value = gaussian();
    switch (pattern) {
      case GAUSSIAN: x[i] = value; break;
      case EXTREMES: x[i] = value < 0 ? -60000 : 60000; break;
      case FAINT: x[i] = ldexpf(value, -(int)(next_number() % 160)); break;
      default: x[i] = 0;
    }
  }
}

float *numbers(Pattern pattern, size_t count) {
  float *x = zeros(count * sizeof(float));
  fill(pattern, x, count);
  return x;
}

float *gaussians(size_t count) { return numbers(GAUSSIAN, count); }

static void begin(void) {
  checksum = 1469598103934665603u;
  state = 1;
}

static void report(const char *level, const char *what) {
  printf("%s\t%s\t%016llx\n", level, what, (unsigned long long)checksum);
  begin();
}

/// The levels that this processor can run.
static void print_levels(void) {
  printf("levels:");
  for (size_t index = 0; index < mio_variant_count(); index++) {
    if (mio_variant(index) != NULL) printf(" %s", mio_variant(index)->name);
  }
  printf("\n");
}

static int check_level(const mio_kernels *level) {
  static const char *const format_names[] = {"f32", "f16", "q8", "q4"};
  static const struct {
    const char *name;
    void (*check)(const mio_kernels *level);
  } checks[] = {
      {"fixed rows", check_fixed_rows},
      {"fixed panels", check_fixed_panels},
      {"tiles", check_tiles},
      {"halves", check_halves},
      {"softening", check_softening},
      {"rows", check_rows},
      {"image rows", check_image_rows},
      {"attention", check_attention},
  };
  int differences = 0;
  begin();
  for (Format format = F32; format < FORMATS; format++) {
    differences += check_products(level, format);
    report(level->name, format_names[format]);
  }
  differences += check_fixed_products(level);
  report(level->name, "fixed");
  for (size_t i = 0; i < COUNT(checks); i++) {
    checks[i].check(level);
    report(level->name, checks[i].name);
  }
  return differences;
}

/// Every way of reading sees every byte once.
static int check_reading(void) {
  uint64_t *words = zeros(16384), expected = 0;
  for (uint64_t i = 0; i < 2048; i++) expected ^= words[i] = i * i + 1;
  int differences = 0;
  for (size_t streams = 1; streams <= 8; streams *= 2) {
    for (size_t ahead = 0; ahead <= 1024; ahead += 1024) {
      differences += mio_probe_read(words, 16384, streams, ahead) != expected;
    }
  }
  free(words);
  return differences == 0;
}

/// The probes and the set of processors give what the machine gives; here they only have to run.
static int check_machine(void) {
  uint8_t processors[128];
  int runs = 1;
  for (size_t index = 0; index < mio_variant_count(); index++) {
    const mio_kernels *level = mio_variant(index);
    if (level != NULL) runs &= mio_probe_int8(level->name, 10) > 0 && mio_probe_f32(level->name, 10) > 0;
  }
  return runs && check_reading() && mio_allowed_processors(processors, sizeof processors) <= sizeof processors;
}

static int is_wanted(const char *name, int count, char *const *wanted) {
  for (int i = 0; i < count; i++) {
    if (strcmp(name, wanted[i]) == 0) return 1;
  }
  return count == 0;
}

int main(int count, char **arguments) {
  int differences = 0;
  print_levels();
  for (size_t index = 0; index < mio_variant_count(); index++) {
    const mio_kernels *level = mio_variant(index);
    if (level != NULL && is_wanted(level->name, count - 1, arguments + 1)) differences += check_level(level);
  }
  if (differences > 0) fprintf(stderr, "%d products differ from plain C\n", differences);
  const int runs = check_machine();
  if (!runs) fprintf(stderr, "a probe of the machine fails\n");
  return differences > 0 || !runs;
}
