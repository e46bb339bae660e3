#include "tools/disk/serve_disk.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {
namespace {

using namespace disk_message;

constexpr uint64_t kDiskSize = 1 << 20;
constexpr uint64_t kMemorySize = 1 << 16;

class ServeDisk : public ::testing::Test {
 protected:
  ServeDisk() : memory_(kMemorySize) {
    std::string name =
        std::string(getenv("TEST_TMPDIR") ? getenv("TEST_TMPDIR") : "/tmp") + "/disk.XXXXXX";
    file_.reset(mkstemp(name.data()));
    unlink(name.c_str());
    EXPECT_EQ(ftruncate(file_.get(), kDiskSize), 0);
    server_ = {.disk = file_.get(), .disk_size = kDiskSize, .memory = memory_};
  }
  int ask(Operation operation, uint64_t offset, const std::vector<Place>& places,
          uint64_t size = 0) {
    const Question question = {.id = 1,
                               .operation = operation,
                               .place_count = static_cast<uint32_t>(places.size()),
                               .offset = offset,
                               .size = size,
                               .may_unmap = 0,
                               .padding = 0};
    return server_.answer(question, places);
  }
  std::string content(uint64_t offset, size_t size) {
    std::string text(size, '?');
    EXPECT_EQ(pread(file_.get(), text.data(), size, static_cast<off_t>(offset)),
              static_cast<ssize_t>(size));
    return text;
  }
  UniqueFd file_;
  std::vector<std::byte> memory_;
  disk::Server server_;
};

TEST_F(ServeDisk, MovesBetweenFileAndMemory) {
  memcpy(memory_.data() + 100, "first", 5);
  memcpy(memory_.data() + 5000, "second", 6);
  EXPECT_EQ(ask(Operation::kWrite, 4096, {{5000, 6}, {100, 5}}), 0);
  EXPECT_EQ(content(4096, 11), "secondfirst");
  EXPECT_EQ(ask(Operation::kRead, 4099, {{0, 4}, {kMemorySize - 4, 4}}), 0);
  EXPECT_EQ(memcmp(memory_.data(), "ondf", 4), 0);
  EXPECT_EQ(memcmp(memory_.data() + kMemorySize - 4, "irst", 4), 0);
  EXPECT_EQ(ask(Operation::kFlush, 0, {}), 0);
}

TEST_F(ServeDisk, RefusesWhatReachesBeyond) {
  const auto last = ~uint64_t{0};
  for (const Place& place : std::vector<Place>{
           {kMemorySize, 1}, {kMemorySize - 1, 2}, {last, 1}, {1, last}, {last, last}, {0, 0}}) {
    EXPECT_EQ(ask(Operation::kRead, 0, {{0, 16}, place}), EINVAL);
    EXPECT_EQ(ask(Operation::kWrite, 0, {place}), EINVAL);
  }
  for (const uint64_t offset : {kDiskSize, kDiskSize - 511, last, last - 511}) {
    for (const auto operation : {Operation::kRead, Operation::kWrite}) {
      EXPECT_EQ(ask(operation, offset, {{0, 512}}), EINVAL);
    }
    for (const auto operation : {Operation::kDiscard, Operation::kWriteZeroes}) {
      EXPECT_EQ(ask(operation, offset, {}, 512), EINVAL);
    }
  }
  EXPECT_EQ(ask(Operation::kDiscard, 512, {}, last), EINVAL);
  EXPECT_EQ(ask(Operation::kRead, 0, {}), EINVAL);
  EXPECT_EQ(ask(static_cast<Operation>(77), 0, {}, 512), EINVAL);
  struct stat status;
  fstat(file_.get(), &status);
  EXPECT_EQ(static_cast<uint64_t>(status.st_size), kDiskSize);
}

TEST_F(ServeDisk, WritesNothingThatMayOnlyBeRead) {
  server_.read_only = true;
  EXPECT_EQ(ask(Operation::kWrite, 0, {{0, 512}}), EROFS);
  EXPECT_EQ(ask(Operation::kDiscard, 0, {}, 512), EROFS);
  EXPECT_EQ(ask(Operation::kWriteZeroes, 0, {}, 512), EROFS);
  EXPECT_EQ(ask(Operation::kRead, 0, {{0, 512}}), 0);
}

TEST_F(ServeDisk, AFileThatBecameShorterIsAnError) {
  ASSERT_EQ(ftruncate(file_.get(), 4096), 0);
  EXPECT_EQ(ask(Operation::kRead, 0, {{0, 4096}}), 0);
  EXPECT_EQ(ask(Operation::kRead, 2048, {{0, 4096}}), EIO);
}

TEST_F(ServeDisk, ClearsRanges) {
  memset(memory_.data(), 'x', kMemorySize);
  ASSERT_EQ(ask(Operation::kWrite, 0, {{0, kMemorySize}}), 0);
  const int zeroed = ask(Operation::kWriteZeroes, 512, {}, 1024);
  const int discarded = ask(Operation::kDiscard, 8192, {}, 4096);
  // File systems need not know how.
  if (zeroed != EOPNOTSUPP) {
    EXPECT_EQ(zeroed, 0);
    EXPECT_EQ(content(511, 1026), "x" + std::string(1024, '\0') + "x");
  }
  if (discarded != EOPNOTSUPP) EXPECT_EQ(content(8191, 4098), "x" + std::string(4096, '\0') + "x");
}

}  // namespace
}  // namespace narwhal::tools
