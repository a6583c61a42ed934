/* Preloaded into a process under test: the FAULT_AT-th call (from 1) that changes files fails, or kills the process
 * before it happens. FAULT_MODE: "kill", "error" (EIO) or "full" (ENOSPC, and so for every later write).
 * Only calls on paths or descriptors below FAULT_UNDER count, so that the process's own affairs are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int is_under(const char* path) {
  const char* under = getenv("FAULT_UNDER");
  return under && strncmp(path, under, strlen(under)) == 0;
}

static int is_descriptor_under(int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_under(path);
}

static int fails(int is_write) {
  static int count = 0, is_full = 0;
  const char* at = getenv("FAULT_AT");
  const char* mode = getenv("FAULT_MODE");
  if (!at || !mode) return 0;
  if (is_full && is_write) return errno = ENOSPC, 1;
  if (++count != atoi(at)) return 0;
  if (strcmp(mode, "kill") == 0) raise(SIGKILL);
  if (strcmp(mode, "full") == 0) is_full = 1;
  errno = is_full ? ENOSPC : EIO;
  return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int descriptor, const void* data, size_t size) {
  if (is_descriptor_under(descriptor) && fails(1)) return -1;
  return NEXT(write)(descriptor, data, size);
}
int fsync(int descriptor) {
  if (is_descriptor_under(descriptor) && fails(0)) return -1;
  return NEXT(fsync)(descriptor);
}
int rename(const char* from, const char* to) {
  if (is_under(to) && fails(0)) return -1;
  return NEXT(rename)(from, to);
}
int unlink(const char* path) {
  if (is_under(path) && fails(0)) return -1;
  return NEXT(unlink)(path);
}
int mkdir(const char* path, mode_t mode) {
  if (is_under(path) && fails(0)) return -1;
  return NEXT(mkdir)(path, mode);
}
int rmdir(const char* path) {
  if (is_under(path) && fails(0)) return -1;
  return NEXT(rmdir)(path);
}
