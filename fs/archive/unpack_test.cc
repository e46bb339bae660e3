#include "fs/archive/unpack.h"

#include "fs/archive/testing_archive.h"
#include "fs/testing/file_tree.h"
#include "kernel/mm/frame.h"
#include "kernel/platform/fake/fake_machine.h"

namespace narwhal {
namespace {

using testing::ArchiveWriter;
using testing::kOk;

// An archive in physical memory, between what the machine counts as usable.
class UnpackTest : public testing::FileTree {
 protected:
  static constexpr PhysAddr kStart{4 * kMiB};
  static constexpr u64 kRoom = 2 * kMiB;

  static void SetUpTestSuite() {
    fake::set_physical_memory({{PhysAddr(1 * kMiB), 3 * kMiB}, {PhysAddr(8 * kMiB), 8 * kMiB}},
                              {kStart, kRoom});
  }
  // Each test uses frames of its own: what was adopted or given back stays so.
  void place(std::string archive) {
    archive_ = std::move(archive);
    size_ = archive_.size();
    start_ = PhysAddr(next_);
    next_ = align_up(next_ + size_, kPageSize);
    ASSERT_LE(next_, kStart.value + kRoom);
    std::memcpy(platform::direct_map(start_), archive_.data(), size_);
  }
  Errno unpack(std::string archive) {
    place(std::move(archive));
    problem_.clear();
    free_before_ = memory_statistics().free_frames;
    return unpack_archive({platform::direct_map(start_), size_}, start_, *tmpfs_, problem_).error();
  }
  u64 frames_given_back() const { return memory_statistics().free_frames - free_before_; }
  u64 archive_frames() const { return div_round_up(size_, kPageSize); }

  std::string archive_;
  usize size_ = 0;
  PhysAddr start_;
  u64 free_before_ = 0;
  Text<512> problem_;
  static u64 next_;
};
u64 UnpackTest::next_ = UnpackTest::kStart.value;

std::string pattern(usize size, char seed = 'a') {
  std::string text;
  for (usize i = 0; i < size; ++i) text += char(seed + i * 7 % 26);
  return text;
}

TEST_F(UnpackTest, MakesEveryKindOfFile) {
  ArchiveWriter writer;
  writer.add({".", "", 040750, 0, 2, 3, 4, 77})
      .add({"./etc", "", 040755, 0, 2, 0, 0, 1000})
      .add({"./etc/passwd", "root", 0100640, 0, 1, 5, 6, 0x90000000})
      .add({"/bin", "usr/bin", 0120777, 0, 1, 7, 8, 9})
      .add({"dev/null", "", 020666, 0, 1, 0, 0, 0, 1, 3})
      .add({"dev/disk", "", 060660, 0, 1, 0, 0, 0, 8, 257})
      .add({"run/pipe", "", 010622})
      .add({"run/socket", "", 0140755})
      .add({"empty", "", 0104755});
  ASSERT_EQ(unpack(writer.finish()), kOk) << problem_.view();

  abi::Stat root = stat("/");
  EXPECT_EQ(root.mode, 040750u);
  EXPECT_EQ(root.uid, 3u);
  EXPECT_EQ(root.gid, 4u);
  EXPECT_EQ(root.modified.seconds, 77);
  EXPECT_EQ(root.links, 5u);
  EXPECT_EQ(stat("/etc").modified.seconds, 1000) << "a directory keeps its time when it is filled";
  abi::Stat passwd = stat("/etc/passwd");
  EXPECT_EQ(passwd.mode, 0100640u);
  EXPECT_EQ(passwd.uid, 5u);
  EXPECT_EQ(passwd.gid, 6u);
  EXPECT_EQ(passwd.size, 4);
  EXPECT_EQ(passwd.modified.seconds, 0x90000000);
  EXPECT_EQ(passwd.links, 1u);
  EXPECT_EQ(read_file("/etc/passwd"), "root");
  abi::Stat link = stat("/bin", LookupFlags::kNone);
  EXPECT_EQ(link.mode, 0120777u);
  EXPECT_EQ(link.size, 7);
  EXPECT_EQ(link.uid, 7u);
  EXPECT_EQ(vfs::read_link(actor(), find("/bin", LookupFlags::kNone).value()).value().view(),
            "usr/bin");
  EXPECT_EQ(stat("/dev/null").mode, 020666u);
  EXPECT_EQ(stat("/dev/null").special_device, make_device(1, 3));
  EXPECT_EQ(stat("/dev/disk").special_device, make_device(8, 257));
  EXPECT_EQ(stat("/dev").mode, 040755u) << "a directory that the archive forgot";
  EXPECT_EQ(stat("/run/pipe").mode, 010622u);
  EXPECT_EQ(stat("/run/socket").mode, 0140755u);
  EXPECT_EQ(stat("/empty").mode, 0104755u);
  EXPECT_EQ(stat("/empty").size, 0);
  EXPECT_EQ(read_file("/empty"), "");
}

TEST_F(UnpackTest, HardLinksShareAnInode) {
  ArchiveWriter writer;
  writer.add({"last1", "", 0100644, 5, 2}).add({"last2", "data", 0100644, 5, 2});
  writer.add({"first1", "DATA", 0100644, 6, 3}).add({"first2", "", 0100644, 6, 3});
  writer.add({"first3", "DATA", 0100644, 6, 3});
  writer.add({"other", "x", 0100644, 5, 1});
  writer.add({"node1", "", 020600, 9, 2, 0, 0, 0, 1, 5})
      .add({"node2", "", 020600, 9, 2, 0, 0, 0, 1, 5});
  ASSERT_EQ(unpack(writer.finish()), kOk) << problem_.view();
  EXPECT_EQ(read_file("/last1"), "data");
  EXPECT_EQ(read_file("/last2"), "data");
  EXPECT_EQ(stat("/last1").inode, stat("/last2").inode);
  EXPECT_EQ(stat("/last1").links, 2u);
  EXPECT_EQ(read_file("/first1"), "DATA");
  EXPECT_EQ(read_file("/first2"), "DATA");
  EXPECT_EQ(stat("/first3").links, 3u);
  EXPECT_NE(stat("/other").inode, stat("/last1").inode);
  EXPECT_EQ(stat("/node1").inode, stat("/node2").inode);
}

TEST_F(UnpackTest, PagesAreUsedWhereTheyLie) {
  const std::string data = pattern(3 * kPageSize + 100);
  ArchiveWriter writer;
  writer.add({"big", data}).add({"small", "sits behind it"});
  ASSERT_EQ(unpack(writer.finish()), kOk) << problem_.view();
  const u64 offset = archive_.find(data.substr(0, 64));
  ASSERT_EQ(offset % kPageSize, 0u);
  // The header's frame is the only one without data.
  EXPECT_EQ(archive_frames(), 5u);
  EXPECT_EQ(frames_given_back(), 1u);
  auto object = find("/big").value().dentry->inode().memory_object().take();
  EXPECT_EQ(object->page_count(), 3u) << "the end stays packed";
  for (u64 i = 0; i < 3; ++i)
    EXPECT_EQ(object->page(i, MemoryObject::Access::kRead).value().address(),
              start_ + offset + i * kPageSize);
  EXPECT_EQ(read_file("/big"), data);
  EXPECT_EQ(read_file("/small"), "sits behind it");
}

TEST_F(UnpackTest, FilesCanBeChangedAndRemoved) {
  const std::string data = pattern(2 * kPageSize + 50);
  ArchiveWriter writer;
  writer.add({"a", "first"}).add({"b", "second"}).add({"big", data}).add({"c", "third"});
  ASSERT_EQ(unpack(writer.finish()), kOk) << problem_.view();
  auto file = open("/a", OpenFlags::kReadWrite | OpenFlags::kAppend).take();
  EXPECT_EQ(write_all(*file, " more").value(), 5u);
  file = nullptr;
  EXPECT_EQ(read_file("/a"), "first more");
  EXPECT_EQ(read_file("/b"), "second");
  file = open("/big", OpenFlags::kReadWrite | OpenFlags::kAppend).take();
  EXPECT_EQ(write_all(*file, "end").value(), 3u);
  file = nullptr;
  EXPECT_EQ(read_file("/big"), data + "end");
  const u64 before = memory_statistics().free_frames;
  for (const char* name : {"/a", "/b", "/big", "/c"}) EXPECT_EQ(unlink(name), kOk);
  EXPECT_GT(memory_statistics().free_frames, before);
  // TearDown() sees that all pages and inodes are accounted for.
}

// All frames of an archive come back when its files are gone.
TEST_F(UnpackTest, NothingIsLost) {
  ArchiveWriter writer;
  for (int i = 0; i < 40; ++i) writer.add({"f" + std::to_string(i), pattern(usize(i) * 333 + 1)});
  const u64 before = memory_statistics().free_frames;
  ASSERT_EQ(unpack(writer.finish()), kOk) << problem_.view();
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(read_file("/f" + std::to_string(i)), pattern(usize(i) * 333 + 1));
    EXPECT_EQ(unlink("/f" + std::to_string(i)), kOk);
  }
  EXPECT_EQ(memory_statistics().free_frames, before + archive_frames());
}

// What other archivers make: data wherever they fall.
TEST_F(UnpackTest, UnalignedDataAreCopied) {
  ArchiveWriter writer(false);
  for (usize size : {1u, 4095u, 4096u, 4097u, 12288u, 20000u})
    writer.add({std::to_string(size), pattern(size, 'c')});
  const u64 before = memory_statistics().free_frames;
  ASSERT_EQ(unpack(writer.finish()), kOk) << problem_.view();
  for (usize size : {1u, 4095u, 4096u, 4097u, 12288u, 20000u}) {
    EXPECT_EQ(read_file("/" + std::to_string(size)), pattern(size, 'c')) << size;
    EXPECT_EQ(unlink("/" + std::to_string(size)), kOk);
  }
  EXPECT_EQ(memory_statistics().free_frames, before + archive_frames());
}

TEST_F(UnpackTest, TheSettingsAreNoFile) {
  ArchiveWriter writer;
  writer.add({".narwhal", "", 040755})
      .add({".narwhal/boot", pattern(5000)})
      .add({".narwhal2", "x"});
  ASSERT_EQ(unpack(writer.finish()), kOk) << problem_.view();
  EXPECT_EQ(find_error("/.narwhal"), Errno::kNoEnt);
  EXPECT_EQ(read_file("/.narwhal2"), "x");
}

TEST_F(UnpackTest, SaysWhatIsWrong) {
  const auto problem_with = [this](const testing::Member& first,
                                   const testing::Member& second = {"fine", ""}) {
    ArchiveWriter writer;
    writer.add(first).add(second);
    EXPECT_EQ(unpack(writer.finish()), Errno::kInval);
    return std::string(problem_.view());
  };
  EXPECT_EQ(problem_with({"a/../b", ""}),
            "at offset 0, \"a/../b\": the path has an empty component, \".\" or \"..\"");
  EXPECT_EQ(problem_with({"", ""}), "at offset 0, \"\": the root is no directory");
  EXPECT_EQ(problem_with({"s", "", 0120777}), "at offset 0, \"s\": the symbolic link is empty");
  EXPECT_EQ(problem_with({"s", std::string(4096, 'x'), 0120777}),
            "at offset 0, \"s\": the symbolic link is longer than 4095 bytes");
  EXPECT_EQ(problem_with({"t", "", 0644}), "at offset 0, \"t\": the mode has no known file type");
  EXPECT_EQ(problem_with({std::string(256, 'n'), ""}),
            "at offset 0, \"" + std::string(256, 'n') +
                "\": a component of the path is longer than 255 bytes");
  EXPECT_NE(
      problem_with({"twice", ""}, {"./twice", ""}).find("\"./twice\": the name appears twice"),
      std::string::npos);
  EXPECT_NE(
      problem_with({"file", ""}, {"file/below", ""}).find("something before it is no directory"),
      std::string::npos);
  EXPECT_NE(problem_with({"l1", "aaa", 0100644, 3, 2}, {"l2", "bb", 0100644, 3, 2})
                .find("other data than its file"),
            std::string::npos);
  EXPECT_NE(problem_with({"m1", "", 0100644, 3, 2}, {"m2", "", 010644, 3, 2})
                .find("another type than its file"),
            std::string::npos);
  EXPECT_EQ(unpack("garbage"), Errno::kInval);
  EXPECT_EQ(problem_.view(), "at offset 0: the archive ends before its trailer");
}

TEST_F(UnpackTest, TheFileSystemsLimitHolds) {
  ArchiveWriter writer;
  writer.add({"big", std::string(64 * kPageSize, 'x')});
  tmpfs_->account().max_pages.store(10);
  EXPECT_EQ(unpack(writer.finish()), Errno::kNoSpc);
  EXPECT_EQ(problem_.view(), "at offset 0, \"big\": ENOSPC");
}

}  // namespace
}  // namespace narwhal
