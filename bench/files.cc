#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/measure.h"

namespace narwhal::bench {

namespace {

constexpr size_t kBlock = 4096;
constexpr long long kBlocks = 256;  // a file of 1 MiB, over and over
constexpr char kPath[] = "/tmp/narwhal-bench";

int make_file() {
  const int fd = open(kPath, O_RDWR | O_CREAT | O_TRUNC, 0600);
  require(fd >= 0, kPath);
  static const char block[kBlock] = {};
  for (long long i = 0; i < kBlocks; ++i) {
    require(write(fd, block, kBlock) == static_cast<ssize_t>(kBlock), "write");
  }
  return fd;
}

void remove_file(int fd) {
  close(fd);
  unlink(kPath);
}

long long open_read_close(long long times) {
  const int file = make_file();
  char byte;
  const long long start = now();
  for (long long i = 0; i < times; ++i) {
    const int fd = open(kPath, O_RDONLY);
    require(fd >= 0 && read(fd, &byte, 1) == 1, "open and read");
    close(fd);
  }
  const long long taken = now() - start;
  remove_file(file);
  return taken;
}

long long stat_file(long long times) {
  const int file = make_file();
  struct stat status;
  const long long start = now();
  for (long long i = 0; i < times; ++i) require(stat(kPath, &status) == 0, "stat");
  const long long taken = now() - start;
  remove_file(file);
  return taken;
}

long long write_4k(long long times) {
  const int fd = make_file();
  static const char block[kBlock] = {};
  const long long start = now();
  for (long long i = 0; i < times; ++i) {
    const off_t at = static_cast<off_t>(i % kBlocks * static_cast<long long>(kBlock));
    require(pwrite(fd, block, kBlock, at) == static_cast<ssize_t>(kBlock), "pwrite");
  }
  const long long taken = now() - start;
  remove_file(fd);
  return taken;
}

long long read_4k(long long times) {
  const int fd = make_file();
  static char block[kBlock];
  const long long start = now();
  for (long long i = 0; i < times; ++i) {
    const off_t at = static_cast<off_t>(i % kBlocks * static_cast<long long>(kBlock));
    require(pread(fd, block, kBlock, at) == static_cast<ssize_t>(kBlock), "pread");
  }
  const long long taken = now() - start;
  remove_file(fd);
  return taken;
}

}  // namespace

std::vector<Row> file_rows() {
  return {{"open_read_close", open_read_close},
          {"stat", stat_file},
          {"write_4k", write_4k},
          {"read_4k", read_4k}};
}

}  // namespace narwhal::bench
