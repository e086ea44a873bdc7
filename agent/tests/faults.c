/**
 * Preloaded into an agent (LD_PRELOAD) by tests/faults.py: stands between it and the kernel, for what changes the folder FAULTS_ROOT. Counts
 * those steps, writes them down in FAULTS_LOG, and at a given one kills the process or lets the step fail, as the test says through the
 * shared memory of the file FAULTS_CONTROL.
 *
 * A line of the log: step, path [TAB second path | offset TAB bytes in hex].
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOTHING, KILL, TEAR, FAIL, FULL };  /* tests/faults.py has the same */
struct control { volatile int32_t mode, at, error, count; };

#define DESCRIPTORS 1024
static struct control *control;
static char root[4096];
static FILE *log_file;
static char *paths[DESCRIPTORS];  /* of the open files and folders under the root */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
  const char *folder = getenv("FAULTS_ROOT"), *shared = getenv("FAULTS_CONTROL"), *log_path = getenv("FAULTS_LOG");
  if (!folder || !shared || !log_path) return;
  int descriptor = open(shared, O_RDWR);
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  log_file = fopen(log_path, "a");
  snprintf(root, sizeof root, "%s", folder);
  if (control == MAP_FAILED || !log_file) abort();
}

static int ours(const char *path) { return root[0] && strncmp(path, root, strlen(root)) == 0; }
static int tracked(int descriptor) { return descriptor >= 0 && descriptor < DESCRIPTORS && paths[descriptor]; }
static void die(void) { kill(getpid(), SIGKILL); pause(); }

/** Before a step, with the lock held: 0 to do it, an errno to fail with it. *tear: do half of it first. */
static int before(int frees_room, int *tear) {
  int now = ++control->count;
  *tear = 0;
  if (control->mode == KILL && now == control->at) die();
  if (control->mode == TEAR && now == control->at) *tear = 1;
  if (control->mode == FAIL && now == control->at) return control->error;
  if (control->mode == FULL && now >= control->at && !frees_room) {
    *tear = now == control->at;
    return control->error;
  }
  return 0;
}

/** After a step that was done. */
static void after(int tear, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(log_file, format, arguments);
  va_end(arguments);
  fflush(log_file);
  if (tear) die();
}

#define STEP(frees_room, call, ...) do { \
    int tear; \
    pthread_mutex_lock(&lock); \
    int error = before(frees_room, &tear); \
    int result = error ? -1 : (call); \
    int number = error ? error : errno; \
    if (result >= 0) after(tear, __VA_ARGS__); \
    pthread_mutex_unlock(&lock); \
    errno = number; \
    return result; \
  } while (0)

static int opened(int descriptor, const char *path) {
  if (descriptor >= 0 && descriptor < DESCRIPTORS) paths[descriptor] = strdup(path);
  return descriptor;
}

static int open_step(const char *path, int flags, mode_t mode) {
  REAL(open);
  if (!ours(path) || (flags & O_ACCMODE) == O_RDONLY) return ours(path) ? opened(real(path, flags, mode), path) : real(path, flags, mode);
  STEP(0, opened(real(path, flags, mode), path), flags & O_TRUNC ? "create\t%s\ttruncate\n" : "create\t%s\n", path);
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_step(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_step(path, flags | O_LARGEFILE, mode);
}

int close(int descriptor) {
  REAL(close);
  if (tracked(descriptor)) {
    free(paths[descriptor]);
    paths[descriptor] = NULL;
  }
  return real(descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  REAL(write);
  if (!tracked(descriptor)) return real(descriptor, bytes, count);
  int tear;
  pthread_mutex_lock(&lock);
  int error = before(0, &tear);
  if (error && !tear) {
    pthread_mutex_unlock(&lock);
    errno = error;
    return -1;
  }
  ssize_t done = real(descriptor, bytes, tear ? (count + 1) / 2 : count);  /* on a full disk a write is short before the next one fails */
  struct stat status;
  if (done >= 0 && fstat(descriptor, &status) == 0) {  /* the store only ever appends */
    fprintf(log_file, "write\t%s\t%lld\t", paths[descriptor], (long long)status.st_size - (long long)done);
    for (ssize_t i = 0; i < done; i++) fprintf(log_file, "%02x", ((const unsigned char *)bytes)[i]);
    after(tear && !error, "\n");
  }
  pthread_mutex_unlock(&lock);
  return done;
}

int fsync(int descriptor) {
  REAL(fsync);
  if (!tracked(descriptor)) return real(descriptor);
  STEP(0, real(descriptor), "sync\t%s\n", paths[descriptor]);
}

static int truncate_step(int descriptor, off64_t length) {
  REAL(ftruncate64);
  if (!tracked(descriptor)) return real(descriptor, length);
  STEP(1, real(descriptor, length), "truncate\t%s\t%lld\n", paths[descriptor], (long long)length);
}
int ftruncate(int descriptor, off_t length) { return truncate_step(descriptor, length); }
int ftruncate64(int descriptor, off64_t length) { return truncate_step(descriptor, length); }

int rename(const char *from, const char *to) {
  REAL(rename);
  if (!ours(to)) return real(from, to);
  STEP(0, real(from, to), "rename\t%s\t%s\n", from, to);
}

int link(const char *from, const char *to) {
  REAL(link);
  if (!ours(to)) return real(from, to);
  STEP(0, real(from, to), "link\t%s\t%s\n", from, to);
}

int unlink(const char *path) {
  REAL(unlink);
  if (!ours(path)) return real(path);
  STEP(1, real(path), "unlink\t%s\n", path);
}

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  if (!ours(path)) return real(path, mode);
  STEP(0, real(path, mode), "mkdir\t%s\n", path);
}
