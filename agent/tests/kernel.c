/* A board's kernel and bus for a process that believes to run on one, put before its C library by LD_PRELOAD. What the files of a fake root cannot do:
 * writes to the FPGA manager's `firmware` load what lies in lib/firmware, as linux-xlnx's fpga-mgr.c and zynq-fpga.c do; ioctls of the render node are
 * zocl's; the first access to the PL may hang or fail. FAKE_LOAD=hang|timeout, FAKE_BUS=hang|error. Syncs are noted in <root>/syncs, a line each. Where
 * there is a <root>/dram, which the core sees, the node is the processor's cache of it: nothing but a sync brings one up to date with the other. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRMWARE "/sys/class/fpga_manager/fpga0/firmware"
#define NODE "/dev/dri/renderD128"
#define PL "/dev/mem/43c00000"
#define CMA_ADDRESS 0x16800000u

static int told(const char *name, const char *value) {
  const char *is = getenv(name);
  return is && !strcmp(is, value);
}

/* The root of the board, where the descriptor's path is root + end. */
static int below(int fd, const char *end, char *root, size_t bytes) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, root, bytes - 1);
  if (length < (ssize_t)strlen(end)) return 0;
  root[length] = 0;
  char *at = root + length - strlen(end);
  if (strcmp(at, end)) return 0;
  *at = 0;
  return 1;
}

static void put(const char *root, const char *path, long offset, const void *data, size_t bytes, int flags) {
  char full[4200];
  snprintf(full, sizeof full, "%s%s", root, path);
  int fd = open(full, O_WRONLY | O_CREAT | flags, 0644);
  if (offset) lseek(fd, offset, SEEK_SET);
  syscall(SYS_write, fd, data, bytes);
  close(fd);
}

static void state(const char *root, const char *text) { put(root, "/sys/class/fpga_manager/fpga0/state", 0, text, strlen(text), O_TRUNC); }

static int fails(const char *root, const char *text, int error) {
  state(root, text);
  errno = error;
  return -1;
}

static int load(const char *root, const char *name) {
  char path[4600];
  struct stat found;
  snprintf(path, sizeof path, "%s/lib/firmware/%.300s", root, name);
  state(root, "firmware request\n");
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &found)) return fails(root, "firmware request error\n", ENOENT);
  unsigned char *data = malloc(found.st_size + 4);
  ssize_t length = read(fd, data, found.st_size);
  close(fd);
  state(root, "write init\n");
  int synced = 0;
  for (ssize_t i = 0; i + 4 <= length && !synced; i += 4) synced = !memcmp(data + i, "\x66\x55\x99\xaa", 4);
  free(data);
  if (!synced || length % 4) return fails(root, "write init error\n", EINVAL);
  state(root, "write\n");
  while (told("FAKE_LOAD", "hang")) pause();
  if (told("FAKE_LOAD", "timeout")) return fails(root, "write complete error\n", ETIMEDOUT);
  const uint32_t open_shifters = 15, out_of_reset = 0;
  put(root, "/dev/mem/f8000000", 0x900, &open_shifters, 4, 0);
  put(root, "/dev/mem/f8000000", 0x240, &out_of_reset, 4, 0);
  state(root, "operating\n");
  return 0;
}

ssize_t write(int fd, const void *data, size_t bytes) {
  char root[4097], name[256];
  if (below(fd, FIRMWARE, root, sizeof root)) {
    snprintf(name, sizeof name, "%.*s", (int)bytes, (const char *)data);
    return load(root, name) ? -1 : (ssize_t)bytes;
  }
  return syscall(SYS_write, fd, data, bytes);
}

/* include/uapi/drm/drm.h of Linux, and XRT's src/runtime_src/core/edge/include/zynq_ioctl.h, in this file's own words. */
struct version { int major, minor, patch; size_t name_bytes; char *name; size_t date_bytes; char *date; size_t text_bytes; char *text; };
struct create { uint64_t size; uint32_t handle, flags; };
struct map { uint32_t handle, pad; uint64_t offset; };
struct sync { uint32_t handle, direction; uint64_t offset, size; };
struct info { uint32_t handle, flags; uint64_t size, address; };
static uint64_t allocated;

static int bring_up_to_date(const char *root, const struct sync *sync) {
  char cache[4200], dram[4200];
  snprintf(cache, sizeof cache, "%s%s", root, NODE);
  snprintf(dram, sizeof dram, "%s/dram", root);
  int from = open(sync->direction ? dram : cache, O_RDONLY), to = open(sync->direction ? cache : dram, O_WRONLY);
  unsigned char *data = malloc(sync->size);
  if (from >= 0 && to >= 0) {
    ssize_t length = pread(from, data, sync->size, (off_t)sync->offset);
    if (length > 0) length = pwrite(to, data, (size_t)length, (off_t)sync->offset);
  }
  free(data);
  close(from);
  close(to);
  return 0;
}

static int refuse(int error) {
  errno = error;
  return -1;
}

static int zocl(const char *root, unsigned long request, void *argument) {
  char path[4200], line[128];
  struct stat node;
  snprintf(path, sizeof path, "%s%s", root, NODE);
  if (stat(path, &node)) return refuse(ENODEV);
  switch (request) {
    case _IOWR('d', 0, struct version): {
      struct version *version = argument;
      if (version->name_bytes >= 4) memcpy(version->name, "zocl", 4);
      version->name_bytes = 4;
      return 0;
    }
    case _IOWR('d', 0x40 + 0, struct create): {
      struct create *create = argument;
      if (create->size > (uint64_t)node.st_size) return refuse(ENOMEM); /* the node's file is what is there in one piece */
      allocated = (create->size + 4095) / 4096 * 4096;
      create->handle = 1;
      return 0;
    }
    case _IOWR('d', 0x40 + 3, struct map): {
      struct map *map = argument;
      if (map->handle != 1) return refuse(EINVAL);
      map->offset = 0;
      return 0;
    }
    case _IOWR('d', 0x40 + 4, struct sync): {
      struct sync *sync = argument;
      if (sync->handle != 1 || sync->direction > 1 || sync->offset > allocated || sync->size > allocated - sync->offset) return refuse(EINVAL);
      snprintf(line, sizeof line, "%u %llu %llu\n", sync->direction, (unsigned long long)sync->offset, (unsigned long long)sync->size);
      put(root, "/syncs", 0, line, strlen(line), O_APPEND);
      return bring_up_to_date(root, sync);
    }
    case _IOWR('d', 0x40 + 5, struct info): {
      struct info *info = argument;
      if (info->handle != 1) return refuse(EINVAL);
      info->size = allocated;
      info->address = CMA_ADDRESS;
      return 0;
    }
    default:
      return refuse(EINVAL);
  }
}

int ioctl(int fd, unsigned long request, ...) {
  char root[4097];
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (below(fd, NODE, root, sizeof root)) return zocl(root, request, argument);
  return syscall(SYS_ioctl, fd, request, argument);
}

/* A processor that waits for an answer takes no signal either, but the test must be able to end it. */
static void hang(int number) {
  (void)number;
  if (told("FAKE_BUS", "error")) {
    signal(SIGBUS, SIG_DFL);
    raise(SIGBUS);
  }
  for (;;) pause();
}

static void *window(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) {
  char root[4097];
  if (fd >= 0 && below(fd, PL, root, sizeof root) && (told("FAKE_BUS", "hang") || told("FAKE_BUS", "error"))) {
    protection = PROT_NONE;
    signal(SIGSEGV, hang);
  }
  return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) { return window(at, bytes, protection, flags, fd, offset); }
void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset) { return window(at, bytes, protection, flags, fd, offset); }
