#include "fs/dev/dev.h"
#include "fs/loop/loop_device.h"
#include "fs/testing/file_tree.h"

namespace narwhal {
namespace {

using testing::kOk;

class LoopTest : public testing::FileTree {
 protected:
  void SetUp() override {
    FileTree::SetUp();
    static bool started = false;
    if (!started) {
      dev_init();
      loop_init();
    }
    started = true;
    ASSERT_EQ(mkdir("/dev"), kOk);
    ASSERT_TRUE(vfs::mount(actor(), "/dev", create_file_system("devtmpfs", "").take(), 0).ok());
    ASSERT_EQ(write_file("/image", std::string(4096, 'a') + std::string(1000, 'b')), kOk);
  }
  void TearDown() override {
    if (device_.bound()) EXPECT_TRUE(device_.unbind().ok());
    FileTree::TearDown();
  }
  Errno bind(OpenFlags flags = OpenFlags::kReadWrite, const abi::LoopInfo64& info = {}) {
    return device_.bind(open("/image", flags).take(), info, 0, true).error();
  }
  LoopDevice& device_ = *LoopDevice::find(0);
};

TEST_F(LoopTest, ShowsWholeSectorsOfTheFile) {
  EXPECT_EQ(read_file("/dev/loop0"), "");
  ASSERT_EQ(bind(), kOk);
  EXPECT_EQ(device_.size(), 4608u);
  const std::string content = read_file("/dev/loop0");
  EXPECT_EQ(content.size(), 4608u);
  EXPECT_EQ(content.substr(4090, 8), "aaaaaabb");
  EXPECT_EQ(open("/dev/loop0").value()->seek(0, 2).value(), 4608);
}

TEST_F(LoopTest, OffsetAndLimit) {
  abi::LoopInfo64 info{};
  info.offset = 3584;
  info.size_limit = 1024;
  ASSERT_EQ(bind(OpenFlags::kReadWrite, info), kOk);
  EXPECT_EQ(read_file("/dev/loop0"), std::string(512, 'a') + std::string(512, 'b'));
  auto file = open("/dev/loop0", OpenFlags::kReadWrite).take();
  EXPECT_TRUE(file->seek(1020, 0).ok());
  EXPECT_EQ(write_all(*file, "12345678").value(), 4u);
  EXPECT_EQ(write_all(*file, "5678").error(), Errno::kNoSpc);
  EXPECT_EQ(read_file("/image").substr(3584 + 1018, 6), "bb1234");
  EXPECT_EQ(read_file("/image").size(), 5096u);
  info.offset = ~u64{0};
  EXPECT_EQ(device_.set_status(info).error(), Errno::kOverflow);
  info.encrypt_type = 1;
  EXPECT_EQ(device_.set_status(info).error(), Errno::kInval);
}

TEST_F(LoopTest, ReadOnlyFile) {
  ASSERT_EQ(bind(OpenFlags::kReadOnly), kOk);
  EXPECT_EQ(write_all(*open("/dev/loop0", OpenFlags::kReadWrite).value(), "x").error(),
            Errno::kPerm);
  EXPECT_EQ(bind(), Errno::kBusy);
  ASSERT_EQ(write_file("/small", "x"), kOk);
  EXPECT_EQ(device_.change_file(open("/small").take()).error(), Errno::kInval);
  ASSERT_EQ(write_file("/other", std::string(5000, 'c')), kOk);
  EXPECT_TRUE(device_.change_file(open("/other").take()).ok());
  EXPECT_EQ(read_file("/dev/loop0"), std::string(4608, 'c'));
}

TEST_F(LoopTest, UnboundWithTheLastCloseWhileOthersHaveItOpen) {
  ASSERT_EQ(bind(), kOk);
  EXPECT_EQ(LoopDevice::find_free().value(), 1u);
  {
    auto first = open("/dev/loop0").take(), second = open("/dev/loop0").take();
    EXPECT_TRUE(device_.unbind().ok());
    EXPECT_TRUE(device_.status().value().flags & abi::kLoopAutoclear);
    EXPECT_TRUE(device_.bound());
  }
  EXPECT_FALSE(device_.bound());
  EXPECT_EQ(device_.unbind().error(), Errno::kNxIo);
  EXPECT_EQ(device_.status().error(), Errno::kNxIo);
}

TEST_F(LoopTest, OnlyRegularFiles) {
  EXPECT_EQ(device_.bind(open("/dev/null").take(), {}, 0, true).error(), Errno::kInval);
  EXPECT_EQ(device_.bind(open("/image").take(), {}, 1000, true).error(), Errno::kInval);
  EXPECT_EQ(device_.bind(open("/image").take(), {}, 8192, true).error(), Errno::kInval);
  EXPECT_TRUE(device_.bind(open("/image").take(), {}, 4096, true).ok());
  EXPECT_EQ(device_.set_block_size(768).error(), Errno::kInval);
  EXPECT_TRUE(device_.set_block_size(1024).ok());
}

TEST_F(LoopTest, SizeIsReadAgainWhenAsked) {
  ASSERT_EQ(bind(), kOk);
  ASSERT_TRUE(vfs::truncate(actor(), find("/image").take(), 8192).ok());
  EXPECT_EQ(device_.size(), 4608u);
  EXPECT_TRUE(device_.refresh_size().ok());
  EXPECT_EQ(device_.size(), 8192u);
}

}  // namespace
}  // namespace narwhal
