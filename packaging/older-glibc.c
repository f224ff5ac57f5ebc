/* glibc 2.35 gave these functions new versions, which set no errno. Programs for older systems ask for those of before, whose
 * results are the same. */
#if defined(__x86_64__)
#define BEFORE "GLIBC_2.2.5"
#else
#define BEFORE "GLIBC_2.17"
#endif

__asm__(".symver hypot_before, hypot@" BEFORE);
__asm__(".symver hypotf_before, hypotf@" BEFORE);
double hypot_before(double x, double y);
float hypotf_before(float x, float y);

__attribute__((visibility("hidden"))) double hypot(double x, double y) { return hypot_before(x, y); }
__attribute__((visibility("hidden"))) float hypotf(float x, float y) { return hypotf_before(x, y); }
