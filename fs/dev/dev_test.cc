#include "fs/dev/dev.h"

#include <algorithm>

#include "fs/testing/file_tree.h"

namespace narwhal {
namespace {

using testing::kOk;

class DevTest : public testing::FileTree {
 protected:
  void SetUp() override {
    FileTree::SetUp();
    static bool started = false;
    if (!started) dev_init();
    started = true;
    ASSERT_EQ(mkdir("/dev"), kOk);
    ASSERT_TRUE(vfs::mount(actor(), "/dev", create_file_system("devtmpfs", "").take(), 0).ok());
  }
  Result<usize> read_some(std::string_view path, std::span<std::byte> bytes) {
    auto file = TRY(open(path, OpenFlags::kReadWrite));
    IoBuffer to(bytes);
    return file->read(to);
  }
};

TEST_F(DevTest, HasTheNamesThatProgramsExpect) {
  EXPECT_EQ(stat("/dev/null").mode, 020666u);
  EXPECT_EQ(stat("/dev/null").special_device, make_device(1, 3));
  EXPECT_EQ(stat("/dev/urandom").special_device, make_device(1, 9));
  EXPECT_EQ(stat("/dev/tty").special_device, make_device(5, 0));
  EXPECT_EQ(stat("/dev/tty").gid, 5u);
  EXPECT_EQ(stat("/dev/shm").mode, 041777u);
  EXPECT_EQ(vfs::read_link(actor(), find("/dev/fd", LookupFlags::kNone).value()).value().view(),
            "/proc/self/fd");
  EXPECT_EQ(open_error("/dev/tty", OpenFlags::kReadWrite), Errno::kNxIo);
  EXPECT_EQ(stat("/dev/ptmx").special_device, make_device(5, 2));
}

TEST_F(DevTest, Null) {
  EXPECT_EQ(read_file("/dev/null"), "");
  EXPECT_EQ(write_file("/dev/null", "gone"), kOk);
  EXPECT_EQ(open("/dev/null").value()->seek(100, 2).value(), 0);
  EXPECT_EQ(open("/dev/null").value()->poll_queue(), nullptr);
}

TEST_F(DevTest, ZeroAndFull) {
  for (const char* name : {"/dev/zero", "/dev/full"}) {
    std::byte bytes[3000];
    std::fill(std::begin(bytes), std::end(bytes), std::byte(1));
    EXPECT_EQ(read_some(name, bytes).value(), sizeof bytes);
    EXPECT_EQ(std::count(std::begin(bytes), std::end(bytes), std::byte(0)), 3000);
  }
  EXPECT_EQ(write_file("/dev/zero", "gone"), kOk);
  EXPECT_EQ(write_file("/dev/full", "no room"), Errno::kNoSpc);
  MapRequest request;
  request.length = 5000;
  request.flags = MapFlags::kPrivate;
  auto zero = open("/dev/zero", OpenFlags::kReadWrite).take();
  EXPECT_TRUE(zero->mmap(request).ok());
  EXPECT_TRUE(has(request.flags, MapFlags::kAnonymous));
  request.flags = MapFlags::kShared;
  EXPECT_TRUE(zero->mmap(request).ok());
  ASSERT_TRUE(request.object);
  EXPECT_EQ(request.object->size(), 8192u);
  EXPECT_EQ(open("/dev/null").value()->mmap(request).error(), Errno::kNoDev);
}

TEST_F(DevTest, Random) {
  for (const char* name : {"/dev/random", "/dev/urandom"}) {
    std::byte a[1000] = {}, b[1000] = {};
    EXPECT_EQ(read_some(name, a).value(), sizeof a);
    EXPECT_EQ(read_some(name, b).value(), sizeof b);
    EXPECT_FALSE(std::equal(std::begin(a), std::end(a), std::begin(b)));
    EXPECT_EQ(write_file(name, "entropy"), kOk);
  }
  EXPECT_NE(open("/dev/random").value()->poll_queue(), nullptr);
  EXPECT_EQ(open("/dev/urandom").value()->poll_queue(), nullptr);
}

TEST_F(DevTest, SharedMemoryLivesInShm) {
  EXPECT_EQ(write_file("/dev/shm/segment", "shared"), kOk);
  EXPECT_EQ(read_file("/dev/shm/segment"), "shared");
  EXPECT_EQ(unlink("/dev/shm/segment"), kOk);
}

}  // namespace
}  // namespace narwhal
