// tmpfs: content against a model, holes, limits, options, extended attributes, seals.
#include "fs/tmpfs/tmpfs.h"

#include <random>

#include "fs/core/regular_file.h"
#include "fs/testing/file_tree.h"
#include "kernel/base/format.h"
#include "kernel/mm/frame.h"

namespace narwhal {
namespace {

using testing::kOk;

class TmpfsTest : public testing::FileTree {
 protected:
  FileRef make(std::string_view path) {
    return open(path, OpenFlags::kCreate | OpenFlags::kReadWrite).take();
  }
  static Result<usize> write_at(File& file, u64 offset, std::string_view content) {
    IoBuffer from(std::span<const std::byte>(reinterpret_cast<const std::byte*>(content.data()),
                                             content.size()));
    return file.write_at(from, offset);
  }
  static std::string read_at(File& file, u64 offset, usize size) {
    std::string content(size, '?');
    IoBuffer to(std::span<std::byte>(reinterpret_cast<std::byte*>(content.data()), size));
    auto moved = file.read_at(to, offset);
    if (!moved.ok()) return std::string(errno_name(moved.error()));
    content.resize(moved.value());
    return content;
  }
  Errno set_xattr(std::string_view path, std::string_view name, std::string_view value,
                  int flags = 0) {
    const Path place = find(path).take();
    return vfs::set_xattr(actor(), place, name,
                          std::as_bytes(std::span<const char>(value.data(), value.size())), flags)
        .error();
  }
  std::string get_xattr(std::string_view path, std::string_view name) {
    const Path place = find(path).take();
    std::string value(100, '?');
    auto size = vfs::get_xattr(actor(), place, name,
                               std::as_writable_bytes(std::span<char>(value.data(), value.size())));
    if (!size.ok()) return std::string(errno_name(size.error()));
    value.resize(size.value());
    return value;
  }
};

// Writes, truncations, holes and reservations in any order, against a string.
TEST_F(TmpfsTest, ContentLikeTheModel) {
  std::mt19937 random(54321);
  const auto pick = [&](u64 n) { return std::uniform_int_distribution<u64>(0, n - 1)(random); };
  constexpr u64 kLargest = 12 * kPageSize;
  FileRef file = make("/file");
  std::string model;
  for (int step = 0; step < 4000; ++step) {
    const u64 offset = pick(kLargest), size = 1 + pick(3 * kPageSize);
    switch (pick(6)) {
      case 0:
      case 1: {
        const std::string data(size, char('a' + step % 26));
        ASSERT_EQ(write_at(*file, offset, data).value(), size);
        if (model.size() < offset + size) model.resize(offset + size);
        model.replace(offset, size, data);
        break;
      }
      case 2:
        ASSERT_TRUE(file->truncate(offset).ok());
        model.resize(offset);
        break;
      case 3:  // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
        ASSERT_TRUE(file->allocate(3, offset, size).ok());
        for (u64 i = offset; i < offset + size && i < model.size(); ++i) model[i] = '\0';
        break;
      case 4:
        ASSERT_TRUE(file->allocate(int(pick(2)), offset, size).ok());
        {
          abi::Stat status;
          ASSERT_TRUE(file->stat(status).ok());
          if (u64(status.size) > model.size()) model.resize(usize(status.size));
        }
        break;
      default:
        ASSERT_EQ(read_at(*file, offset, size),
                  offset < model.size() ? model.substr(offset, size) : "");
    }
    abi::Stat status;
    ASSERT_TRUE(file->stat(status).ok());
    ASSERT_EQ(u64(status.size), model.size()) << step;
    ASSERT_LE(u64(status.blocks) * 512, (kLargest + 4 * kPageSize));
  }
  EXPECT_EQ(read_at(*file, 0, kLargest * 2), model);
}

TEST_F(TmpfsTest, HolesAndData) {
  FileRef file = make("/file");
  ASSERT_EQ(write_at(*file, 4 * kPageSize, "data").value(), 4u);
  ASSERT_EQ(write_at(*file, 8 * kPageSize + 100, "data").value(), 4u);
  ASSERT_TRUE(file->truncate(20 * kPageSize).ok());
  constexpr int kData = 3, kHole = 4;
  EXPECT_EQ(file->seek(0, kData).value(), i64(4 * kPageSize));
  EXPECT_EQ(file->seek(i64(4 * kPageSize) + 10, kData).value(), i64(4 * kPageSize) + 10);
  EXPECT_EQ(file->seek(i64(4 * kPageSize), kHole).value(), i64(5 * kPageSize));
  EXPECT_EQ(file->seek(i64(5 * kPageSize), kData).value(), i64(8 * kPageSize));
  EXPECT_EQ(file->seek(i64(9 * kPageSize), kData).error(), Errno::kNxIo);
  EXPECT_EQ(file->seek(i64(9 * kPageSize) + 7, kHole).value(), i64(9 * kPageSize) + 7);
  EXPECT_EQ(file->seek(i64(20 * kPageSize), kHole).error(), Errno::kNxIo);
  abi::Stat status;
  ASSERT_TRUE(file->stat(status).ok());
  EXPECT_EQ(status.blocks, i64(2 * kPageSize / 512));
  EXPECT_EQ(tmpfs_->account().pages(), 2u);
  EXPECT_EQ(read_at(*file, 4 * kPageSize - 2, 8), std::string("\0\0data\0\0", 8));
}

TEST_F(TmpfsTest, WhatWasCutOffDoesNotComeBack) {
  FileRef file = make("/file");
  ASSERT_TRUE(write_all(*file, std::string(3 * kPageSize, 'x')).ok());
  ASSERT_TRUE(file->truncate(kPageSize + 10).ok());
  ASSERT_TRUE(file->truncate(3 * kPageSize).ok());
  EXPECT_EQ(read_at(*file, kPageSize, kPageSize),
            std::string(10, 'x') + std::string(kPageSize - 10, '\0'));
  EXPECT_EQ(tmpfs_->account().pages(), 2u);
}

TEST_F(TmpfsTest, LimitOfPages) {
  tmpfs_->account().max_pages.store(4);
  FileRef file = make("/file");
  EXPECT_EQ(write_at(*file, 0, std::string(6 * kPageSize, 'x')).value(), 4 * kPageSize);
  EXPECT_EQ(write_at(*file, 4 * kPageSize, "x").error(), Errno::kNoSpc);
  // What is there may be written again, and holes cost nothing.
  EXPECT_EQ(write_at(*file, 0, "again").value(), 5u);
  EXPECT_TRUE(file->truncate(100 * kPageSize).ok());
  EXPECT_EQ(file->allocate(0, 0, 5 * kPageSize).error(), Errno::kNoSpc);
  EXPECT_EQ(tmpfs_->account().pages(), 4u);
  EXPECT_TRUE(file->allocate(3, 0, 2 * kPageSize).ok());
  EXPECT_EQ(tmpfs_->account().pages(), 2u);
  EXPECT_EQ(write_at(*file, 50 * kPageSize, "x").value(), 1u);
  file = nullptr;
  ASSERT_EQ(unlink("/file"), kOk);
  EXPECT_EQ(tmpfs_->account().pages(), 0u);
}

TEST_F(TmpfsTest, LimitOfInodes) {
  const u64 used = tmpfs_->account().inodes();
  tmpfs_->account().max_inodes.store(used + 2);
  ASSERT_EQ(touch("/a"), kOk);
  ASSERT_EQ(mkdir("/b"), kOk);
  EXPECT_EQ(touch("/c"), Errno::kNoSpc);
  EXPECT_EQ(mkdir("/c"), Errno::kNoSpc);
  EXPECT_EQ(symlink("x", "/c"), Errno::kNoSpc);
  EXPECT_EQ(find_error("/c"), Errno::kNoEnt);
  ASSERT_EQ(unlink("/a"), kOk);
  EXPECT_EQ(symlink("x", "/c"), kOk);
}

TEST_F(TmpfsTest, Options) {
  const auto parse = [](std::string_view text) { return TmpFs::parse_options(text, {}); };
  EXPECT_EQ(parse("size=1m").value().max_pages, 256u);
  EXPECT_EQ(parse("size=4097").value().max_pages, 2u);
  EXPECT_EQ(parse("size=50%").value().max_pages, memory_statistics().total_frames / 2);
  EXPECT_EQ(parse("size=0").value().max_pages, TmpfsAccount::kUnlimited);
  EXPECT_EQ(parse("size=0%").value().max_pages, TmpfsAccount::kUnlimited);
  EXPECT_EQ(parse("nr_inodes=2k,mode=0750,uid=5,gid=6").value().max_inodes, 2048u);
  EXPECT_EQ(parse("mode=1777").value().mode, 01777u);
  EXPECT_TRUE(parse("").ok());
  for (const char* bad : {"size", "size=", "size=x", "size=1t", "size=99999999999999999999",
                          "mode=8", "mode=17777", "uid=-1", "uid=4294967295", "nonsense", "huge=x"})
    EXPECT_EQ(parse(bad).error(), Errno::kInval) << bad;
  ASSERT_TRUE(tmpfs_->reconfigure("size=64k").ok());
  Text<100> text;
  tmpfs_->describe_options(text);
  EXPECT_EQ(text.view(), "size=64k,nr_inodes=100000,mode=755");
  ASSERT_TRUE(write_all(*make("/file"), std::string(3 * kPageSize, 'x')).ok());
  EXPECT_EQ(tmpfs_->reconfigure("size=8k").error(), Errno::kInval);
}

TEST_F(TmpfsTest, ExtendedAttributes) {
  ASSERT_EQ(touch("/file"), kOk);
  EXPECT_EQ(set_xattr("/file", "user.a", "1"), kOk);
  EXPECT_EQ(set_xattr("/file", "trusted.b", "2"), kOk);
  EXPECT_EQ(set_xattr("/file", "security.c", "3"), kOk);
  EXPECT_EQ(get_xattr("/file", "trusted.b"), "2");
  EXPECT_EQ(get_xattr("/file", "user.none"), "ENODATA");
  EXPECT_EQ(set_xattr("/file", "system.x", "1"), Errno::kOpNotSupp);
  ASSERT_EQ(chmod("/file", 0604), kOk);
  become(1000, 1000);
  EXPECT_EQ(get_xattr("/file", "user.a"), "1");
  EXPECT_EQ(get_xattr("/file", "trusted.b"), "ENODATA");
  EXPECT_EQ(get_xattr("/file", "security.c"), "3");
  EXPECT_EQ(set_xattr("/file", "user.a", "x"), Errno::kAcces);
  EXPECT_EQ(set_xattr("/file", "trusted.b", "x"), Errno::kPerm);
  EXPECT_EQ(set_xattr("/file", "security.c", "x"), Errno::kPerm);
  const Path place = find("/file").take();
  char names[100];
  EXPECT_EQ(vfs::list_xattr(actor(), place, names).value(), 7u + 11u);
}

TEST_F(TmpfsTest, Seals) {
  FileRef file = create_memory_file("sealed", OpenFlags::kReadWrite, true, *who_).take();
  ASSERT_TRUE(write_all(*file, "0123456789").ok());
  Inode& inode = *file->inode();
  EXPECT_EQ(inode.seals().value(), 0u);
  ASSERT_TRUE(inode.add_seals(kSealGrow).ok());
  EXPECT_EQ(write_at(*file, 5, "0123456789").error(), Errno::kPerm);
  EXPECT_EQ(file->truncate(11).error(), Errno::kPerm);
  EXPECT_EQ(write_at(*file, 5, "abc").value(), 3u);
  ASSERT_TRUE(inode.add_seals(kSealShrink).ok());
  EXPECT_EQ(file->truncate(9).error(), Errno::kPerm);
  ASSERT_TRUE(inode.add_seals(kSealWrite | kSealSeal).ok());
  EXPECT_EQ(write_at(*file, 0, "x").error(), Errno::kPerm);
  EXPECT_EQ(file->allocate(3, 0, 5).error(), Errno::kPerm);
  EXPECT_EQ(inode.add_seals(kSealFutureWrite).error(), Errno::kPerm);
  EXPECT_EQ(read_at(*file, 0, 100), "01234abc89");
}

TEST_F(TmpfsTest, AMemoryFileMayBeExecutedWhileItIsOpen) {
  FileRef file = create_memory_file("program", OpenFlags::kReadWrite, false, *who_).take();
  Inode& inode = *file->inode();
  ASSERT_TRUE(inode.deny_writing().ok());
  EXPECT_EQ(write_at(*file, 0, "x").value(), 1u);
  EXPECT_EQ(inode.open(*file->path(), OpenFlags::kReadWrite).error(), Errno::kTxtBsy);
  inode.allow_writing();
  FileRef second = inode.open(*file->path(), OpenFlags::kReadWrite).take();
  EXPECT_EQ(inode.deny_writing().error(), Errno::kTxtBsy);
}

}  // namespace
}  // namespace narwhal
