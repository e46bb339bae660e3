// Pairs of pseudo-terminals as files, without processes.
#include "fs/pty/pty.h"

#include <gtest/gtest.h>

#include <string>

#include "fs/core/special_file.h"
#include "fs/dev/dev.h"
#include "fs/testing/file_tree.h"
#include "fs/tty/job_control.h"
#include "kernel/abi/ioctl.h"
#include "kernel/platform/fake/fake_machine.h"

namespace narwhal {
namespace {

class PtyTest : public testing::FileTree {
 protected:
  static constexpr UserAddr kUser{0x100000};

  void SetUp() override {
    FileTree::SetUp();
    static bool started = false;
    if (!started) {
      dev_init();
      ASSERT_TRUE(pty_init().ok());
    }
    started = true;
    mount("/dev", "devtmpfs");
    mount("/dev/pts", "devpts");
    master_ = open("/dev/ptmx", OpenFlags::kReadWrite).take();
  }
  void TearDown() override {
    master_ = nullptr;
    slave_ = nullptr;
    FileTree::TearDown();
  }
  void mount(std::string_view at, std::string_view type) {
    vfs::mkdir(actor(), Path(), at, 0755).ignore();
    ASSERT_TRUE(vfs::mount(actor(), at, create_file_system(type, "").take(), 0).ok());
  }
  void open_slave() {
    i32 off = 0;
    ASSERT_TRUE(control(*master_, abi::kTiocSetLock, off).ok());
    slave_ = open("/dev/pts/0", OpenFlags::kReadWrite | OpenFlags::kNonBlock).take();
  }
  static std::string read(File& file, usize size = 1000) {
    std::string text(size, '\0');
    IoBuffer to{std::as_writable_bytes(std::span<char>(text))};
    auto moved = file.read(to);
    if (!moved.ok()) return std::string(errno_name(moved.error()));
    return text.substr(0, moved.value());
  }
  static std::string write(File& file, std::string_view text) {
    IoBuffer from{std::as_bytes(std::span<const char>(text))};
    auto moved = file.write(from);
    if (!moved.ok()) return std::string(errno_name(moved.error()));
    return std::to_string(moved.value());
  }
  template <typename T>
  Result<i64> control(File& file, u32 command, T& value) {
    std::memcpy(user_.data(), &value, sizeof value);
    auto result = file.ioctl(command, kUser);
    std::memcpy(&value, user_.data(), sizeof value);
    return result;
  }

  fake::UserMemory user_{kUser, 4096};
  FileRef master_, slave_;
};

TEST_F(PtyTest, NumbersAreReused) {
  u32 number = 99;
  EXPECT_TRUE(control(*master_, abi::kTiocGetNumber, number).ok());
  EXPECT_EQ(number, 0u);
  FileRef second = open("/dev/ptmx", OpenFlags::kReadWrite).take();
  EXPECT_TRUE(control(*second, abi::kTiocGetNumber, number).ok());
  EXPECT_EQ(number, 1u);
  EXPECT_TRUE(Pty::find(1));
  master_ = nullptr;
  EXPECT_FALSE(Pty::find(0));
  master_ = open("/dev/ptmx", OpenFlags::kReadWrite).take();
  EXPECT_TRUE(control(*master_, abi::kTiocGetNumber, number).ok());
  EXPECT_EQ(number, 0u);
}

TEST_F(PtyTest, NamesComeAndGo) {
  EXPECT_EQ(open("/dev/pts/0", OpenFlags::kReadWrite).error(), Errno::kIo) << "locked";
  open_slave();
  EXPECT_EQ(open("/dev/pts/1", OpenFlags::kReadWrite).error(), Errno::kNoEnt);
  EXPECT_EQ(open("/dev/pts/00", OpenFlags::kReadWrite).error(), Errno::kNoEnt);
  EXPECT_EQ(open("/dev/pts/99999999999", OpenFlags::kReadWrite).error(), Errno::kNoEnt);
  const Path place = *slave_->path();
  master_ = nullptr;
  EXPECT_EQ(open("/dev/pts/0", OpenFlags::kReadWrite).error(), Errno::kNoEnt);
  // The place of before, under a number that is another's by now.
  master_ = open("/dev/ptmx", OpenFlags::kReadWrite).take();
  i32 off = 0;
  ASSERT_TRUE(control(*master_, abi::kTiocSetLock, off).ok());
  EXPECT_EQ(open_device(place, OpenFlags::kReadWrite).error(), Errno::kIo);
}

TEST_F(PtyTest, BytesGoBothWays) {
  open_slave();
  EXPECT_EQ(write(*master_, "typed\n"), "6");
  EXPECT_EQ(read(*slave_), "typed\n");
  EXPECT_EQ(read(*master_), "typed\r\n");
  EXPECT_EQ(write(*slave_, "shown\n"), "6");
  EXPECT_EQ(read(*master_, 3), "sho");
  EXPECT_EQ(read(*master_), "wn\r\n");
  EXPECT_EQ(read(*master_), "EAGAIN");
  EXPECT_EQ(read(*slave_), "EAGAIN");
}

TEST_F(PtyTest, ReadersMakeRoom) {
  open_slave();
  abi::Termios settings;
  EXPECT_TRUE(control(*slave_, abi::kTcGets, settings).ok());
  settings.local = settings.output = 0;
  settings.characters[abi::kVMin] = 1;
  EXPECT_TRUE(control(*slave_, abi::kTcSets, settings).ok());
  for (File* const from : {master_.get(), slave_.get()}) {
    File* const to = from == master_.get() ? slave_.get() : master_.get();
    std::string sent, got;
    for (int i = 0; i < 20000; ++i) {
      const std::string word = std::to_string(i) + " ";
      std::string moved;
      while ((moved = write(*from, word)) == "EAGAIN") {
        EXPECT_FALSE(has(from->poll(), PollEvents::kOut));
        EXPECT_TRUE(has(to->poll(), PollEvents::kIn));
        got += read(*to, 3000);
      }
      sent += word.substr(0, std::stoul(moved));
    }
    for (std::string more; (more = read(*to)) != "EAGAIN";) got += more;
    EXPECT_EQ(got, sent);
  }
}

TEST_F(PtyTest, SlaveLeavesAndComesBack) {
  open_slave();
  write(*slave_, "last");
  slave_ = nullptr;
  EXPECT_EQ(master_->poll(), kPollReadable | kPollWritable | PollEvents::kHup);
  EXPECT_EQ(read(*master_), "last");
  EXPECT_EQ(read(*master_), "EIO");
  open_slave();
  EXPECT_EQ(master_->poll(), kPollWritable);
  EXPECT_EQ(read(*master_), "EAGAIN");
}

TEST_F(PtyTest, MasterLeaves) {
  open_slave();
  write(*master_, "unread\n");
  master_ = nullptr;
  EXPECT_EQ(read(*slave_), "");
  EXPECT_EQ(write(*slave_, "x"), "EIO");
  EXPECT_EQ(slave_->poll(), kPollReadable | kPollWritable | PollEvents::kErr | PollEvents::kHup);
  EXPECT_EQ(slave_->ioctl(abi::kTcGets, kUser).error(), Errno::kIo);
  EXPECT_EQ(slave_->ioctl(abi::kTiocSpgrp, kUser).error(), Errno::kNotTty);
}

TEST_F(PtyTest, WhoWaitedIsToldOfAnError) {
  open_slave();
  ASSERT_TRUE(slave_->set_flags(OpenFlags::kReadWrite).ok());
  EXPECT_EQ(read(*slave_), "EAGAIN") << "the caller waits now";
  master_ = nullptr;
  EXPECT_EQ(read(*slave_), "EIO");
  EXPECT_EQ(read(*slave_), "");
}

TEST_F(PtyTest, PacketsTellTheLaterWord) {
  open_slave();
  i32 on = 1;
  EXPECT_TRUE(control(*master_, abi::kTiocPacket, on).ok());
  write(*master_, "\x13\x11");
  EXPECT_EQ(master_->poll(), kPollReadable | kPollWritable | PollEvents::kPri);
  EXPECT_EQ(read(*master_), "\x08");
  EXPECT_EQ(read(*master_), "EAGAIN");
  write(*slave_, "abc");
  EXPECT_EQ(read(*master_, 1), std::string(1, '\0'));
  EXPECT_EQ(read(*master_, 3), std::string("\0ab", 3));
}

TEST_F(PtyTest, PeersAreTheSlave) {
  EXPECT_EQ(master_->open_peer(OpenFlags::kReadWrite).error(), Errno::kIo) << "locked";
  open_slave();
  FileRef peer = master_->open_peer(OpenFlags::kReadWrite).take();
  EXPECT_EQ(peer->inode(), slave_->inode());
  EXPECT_EQ(peer->open_peer(OpenFlags::kReadWrite).error(), Errno::kIo);
  slave_ = nullptr;
  EXPECT_FALSE(has(master_->poll(), PollEvents::kHup)) << "the peer is one, too";
}

TEST_F(PtyTest, MastersFlush) {
  open_slave();
  write(*slave_, "shown");
  EXPECT_EQ(master_->ioctl(abi::kTcFlush, UserAddr(0)).value(), 0);
  EXPECT_EQ(read(*master_), "EAGAIN");
  EXPECT_EQ(master_->ioctl(abi::kTcFlush, UserAddr(7)).error(), Errno::kInval);
}

}  // namespace
}  // namespace narwhal
