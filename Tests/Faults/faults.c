// Lets one call of the system fail: a library that is loaded in front of the C library (LD_PRELOAD).
//
// MIO_FAULT=KIND:N fails the Nth call of that kind, counted from 1 over all threads; MIO_FAULT=KIND:0 fails none. When the
// program ends, MIO_FAULT_LOG gets a line with how many calls there were. Built and run by scripts/faults and by the tests.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Smaller blocks are the Swift runtime's, which cannot go on without them.
enum { LARGE_BLOCK = 1 << 18 };

typedef enum {
  FAULT_OPEN,
  FAULT_READ,
  FAULT_WRITE,
  FAULT_MAP,
  FAULT_THREAD,
  FAULT_ALLOCATE,
  FAULT_RENAME,
  FAULT_SYNC,
  FAULT_STAT,
  FAULT_PIPE,
  FAULT_SPAWN,
  FAULT_KINDS
} fault_kind;
static const char *const names[FAULT_KINDS] = {
    "open", "read", "write", "map", "thread", "allocate", "rename", "sync", "stat", "pipe", "spawn"};
static atomic_long counts[FAULT_KINDS];
static int chosen = -1;
static long wanted;
static atomic_int ready;

__attribute__((constructor)) static void prepare(void) {
  const char *text = getenv("MIO_FAULT");
  const char *colon = text ? strchr(text, ':') : NULL;
  if (!colon) return;
  for (int kind = 0; kind < FAULT_KINDS; kind++) {
    if (strlen(names[kind]) == (size_t)(colon - text) && strncmp(names[kind], text, (size_t)(colon - text)) == 0) chosen = kind;
  }
  wanted = atol(colon + 1);
  // Programs that this one starts are not meant.
  unsetenv("LD_PRELOAD");
  atomic_store(&ready, 1);
}

__attribute__((destructor)) static void finish(void) {
  const char *path = getenv("MIO_FAULT_LOG");
  if (!path || chosen < 0) return;
  atomic_store(&ready, 0);
  FILE *file = fopen(path, "w");
  if (!file) return;
  fprintf(file, "%ld\n", atomic_load(&counts[chosen]));
  fclose(file);
}

static int fails(fault_kind kind) {
  if ((int)kind != chosen || !atomic_load(&ready)) return 0;
  return atomic_fetch_add(&counts[kind], 1) + 1 == wanted;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(kind, code, result)                                                                                               \
  if (fails(kind)) {                                                                                                           \
    errno = code;                                                                                                              \
    return result;                                                                                                             \
  }

int open(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  FAIL(FAULT_OPEN, EMFILE, -1)
  return NEXT(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  FAIL(FAULT_OPEN, EMFILE, -1)
  return NEXT(open64)(path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
  va_end(list);
  FAIL(FAULT_OPEN, EMFILE, -1)
  return NEXT(openat)(folder, path, flags, mode);
}
FILE *fopen(const char *path, const char *mode) {
  FAIL(FAULT_OPEN, EMFILE, NULL)
  return NEXT(fopen)(path, mode);
}
int mkstemp(char *template) {
  FAIL(FAULT_OPEN, EMFILE, -1)
  return NEXT(mkstemp)(template);
}
ssize_t read(int file, void *bytes, size_t count) {
  FAIL(FAULT_READ, EIO, -1)
  return NEXT(read)(file, bytes, count);
}
ssize_t pread(int file, void *bytes, size_t count, off_t offset) {
  FAIL(FAULT_READ, EIO, -1)
  return NEXT(pread)(file, bytes, count, offset);
}
ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
  FAIL(FAULT_READ, EIO, -1)
  return NEXT(pread64)(file, bytes, count, offset);
}
ssize_t write(int file, const void *bytes, size_t count) {
  FAIL(FAULT_WRITE, ENOSPC, -1)
  return NEXT(write)(file, bytes, count);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
  FAIL(FAULT_WRITE, ENOSPC, -1)
  return NEXT(pwrite)(file, bytes, count, offset);
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
  FAIL(FAULT_WRITE, ENOSPC, -1)
  return NEXT(pwrite64)(file, bytes, count, offset);
}
int ftruncate(int file, off_t length) {
  FAIL(FAULT_WRITE, ENOSPC, -1)
  return NEXT(ftruncate)(file, length);
}
int posix_fallocate(int file, off_t offset, off_t length) {
  if (fails(FAULT_WRITE)) return ENOSPC;
  return NEXT(posix_fallocate)(file, offset, length);
}
int fallocate(int file, int mode, off_t offset, off_t length) {
  FAIL(FAULT_WRITE, ENOSPC, -1)
  return NEXT(fallocate)(file, mode, offset, length);
}
void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
  FAIL(FAULT_MAP, ENOMEM, MAP_FAILED)
  return NEXT(mmap)(address, length, protection, flags, file, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset) {
  FAIL(FAULT_MAP, ENOMEM, MAP_FAILED)
  return NEXT(mmap64)(address, length, protection, flags, file, offset);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
  if (fails(FAULT_THREAD)) return EAGAIN;
  return NEXT(pthread_create)(thread, attributes, body, argument);
}
int rename(const char *from, const char *to) {
  FAIL(FAULT_RENAME, EACCES, -1)
  return NEXT(rename)(from, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  FAIL(FAULT_RENAME, EACCES, -1)
  return NEXT(renameat2)(a, from, b, to, flags);
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
  FAIL(FAULT_RENAME, EACCES, -1)
  return NEXT(linkat)(a, from, b, to, flags);
}
int fsync(int file) {
  FAIL(FAULT_SYNC, EIO, -1)
  return NEXT(fsync)(file);
}
int fdatasync(int file) {
  FAIL(FAULT_SYNC, EIO, -1)
  return NEXT(fdatasync)(file);
}
int fstat(int file, struct stat *status) {
  FAIL(FAULT_STAT, EOVERFLOW, -1)
  return NEXT(fstat)(file, status);
}
int stat(const char *path, struct stat *status) {
  FAIL(FAULT_STAT, EACCES, -1)
  return NEXT(stat)(path, status);
}
off_t lseek(int file, off_t offset, int whence) {
  FAIL(FAULT_STAT, ESPIPE, -1)
  return NEXT(lseek)(file, offset, whence);
}
int pipe(int ends[2]) {
  FAIL(FAULT_PIPE, EMFILE, -1)
  return NEXT(pipe)(ends);
}
int posix_spawn(pid_t *process, const char *path, const posix_spawn_file_actions_t *actions,
    const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {
  if (fails(FAULT_SPAWN)) return EAGAIN;
  return NEXT(posix_spawn)(process, path, actions, attributes, arguments, environment);
}

// dlsym itself allocates, so that these know their way without it.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
void *malloc(size_t size) {
  if (size >= LARGE_BLOCK) FAIL(FAULT_ALLOCATE, ENOMEM, NULL)
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  if (size && count >= LARGE_BLOCK / size) FAIL(FAULT_ALLOCATE, ENOMEM, NULL)
  return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  if (size >= LARGE_BLOCK) FAIL(FAULT_ALLOCATE, ENOMEM, NULL)
  return __libc_realloc(old, size);
}
int posix_memalign(void **block, size_t alignment, size_t size) {
  if (size >= LARGE_BLOCK && fails(FAULT_ALLOCATE)) return ENOMEM;
  *block = __libc_memalign(alignment, size);
  return *block || !size ? 0 : ENOMEM;
}
void *aligned_alloc(size_t alignment, size_t size) {
  if (size >= LARGE_BLOCK) FAIL(FAULT_ALLOCATE, ENOMEM, NULL)
  return __libc_memalign(alignment, size);
}
