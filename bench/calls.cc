#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench/measure.h"

namespace narwhal::bench {

namespace {

long long null_syscall(long long times) {
  const long long start = now();
  for (long long i = 0; i < times; ++i) syscall(SYS_getppid);
  return now() - start;
}

// Through the vDSO, as every program does it.
long long read_clock(long long times) {
  timespec time;
  const long long start = now();
  for (long long i = 0; i < times; ++i) clock_gettime(CLOCK_MONOTONIC, &time);
  return now() - start;
}

long long read_zero(long long times) {
  const int fd = open("/dev/zero", O_RDONLY);
  require(fd >= 0, "/dev/zero");
  char byte;
  const long long start = now();
  for (long long i = 0; i < times; ++i) require(read(fd, &byte, 1) == 1, "read");
  const long long taken = now() - start;
  close(fd);
  return taken;
}

long long write_null(long long times) {
  const int fd = open("/dev/null", O_WRONLY);
  require(fd >= 0, "/dev/null");
  const long long start = now();
  for (long long i = 0; i < times; ++i) require(write(fd, "x", 1) == 1, "write");
  const long long taken = now() - start;
  close(fd);
  return taken;
}

}  // namespace

std::vector<Row> call_rows() {
  return {{"null_syscall", null_syscall},
          {"clock_gettime", read_clock},
          {"read_zero", read_zero},
          {"write_null", write_null}};
}

}  // namespace narwhal::bench
