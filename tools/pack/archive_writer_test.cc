#include "tools/pack/archive_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>

#include "tools/base/error.h"
#include "tools/base/test_root.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {
namespace {

struct Member {
  std::string contents;
  std::string link;  // of a symbolic link
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  int64_t inode = 0;
  unsigned names = 0;
  int64_t modified = 0;
};

class Archive {
 public:
  Archive(const RootTree& tree, std::string_view boot,
          ArchiveLayout layout = ArchiveLayout::kNarwhal) {
    const UniqueFd fd(memfd_create("archive", MFD_CLOEXEC));
    summary = write_archive(tree, boot, fd.get(), layout);
    bytes.resize(static_cast<size_t>(lseek(fd.get(), 0, SEEK_END)));
    EXPECT_EQ(pread(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    read_back();
  }

  ArchiveSummary summary;
  std::string bytes;
  std::map<std::string, Member> members;
  std::vector<std::string> order;

 private:
  // By a reader that is not ours.
  void read_back() {
    archive* const reader = archive_read_new();
    archive_read_support_format_cpio(reader);
    ASSERT_EQ(archive_read_open_memory(reader, bytes.data(), bytes.size()), ARCHIVE_OK);
    archive_entry* entry = nullptr;
    int result;
    while ((result = archive_read_next_header(reader, &entry)) == ARCHIVE_OK) {
      Member member;
      member.mode = archive_entry_mode(entry);
      member.uid = static_cast<uid_t>(archive_entry_uid(entry));
      member.gid = static_cast<gid_t>(archive_entry_gid(entry));
      member.inode = archive_entry_ino(entry);
      member.names = archive_entry_nlink(entry);
      member.modified = archive_entry_mtime(entry);
      if (archive_entry_symlink(entry) != nullptr) member.link = archive_entry_symlink(entry);
      if (archive_entry_size(entry) > 0 && member.link.empty()) {
        member.contents.resize(static_cast<size_t>(archive_entry_size(entry)));
        EXPECT_EQ(archive_read_data(reader, member.contents.data(), member.contents.size()),
                  static_cast<la_ssize_t>(member.contents.size()));
      }
      order.push_back(archive_entry_pathname(entry));
      members[order.back()] = member;
    }
    EXPECT_EQ(result, ARCHIVE_EOF) << archive_error_string(reader);
    archive_read_free(reader);
  }
};

RootEntry file_of(const TestRoot& root, const std::string& path) {
  struct stat status;
  EXPECT_EQ(stat(root.path(path).c_str(), &status), 0);
  RootEntry entry = RootEntry::from_status(status, "test");
  entry.source = root.path(path);
  return entry;
}

std::string pattern(size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += static_cast<char>('a' + i * 7 % 26);
  return text;
}

TEST(ArchiveWriter, KeepsTypesOwnersModesAndContents) {
  const TestRoot root;
  root.file("/program", "#!x", 04755);
  RootTree tree;
  RootEntry folder = RootEntry::directory(01777, "");
  folder.uid = 7;
  folder.gid = 70000;
  tree.add("/tmp", folder);
  tree.add("/etc/text", RootEntry::text("made here\n", "", 0640));
  tree.add("/etc/empty", RootEntry::text("", ""));
  tree.add("/lib", RootEntry::link("usr/lib", ""));
  tree.add("/program", file_of(root, "/program"));
  const Archive archive(tree, "");
  ASSERT_EQ(archive.members.size(), 5u);
  EXPECT_EQ(archive.summary.members, 5u);
  EXPECT_EQ(archive.summary.bytes, archive.bytes.size());
  EXPECT_EQ(archive.members.at("tmp").mode, static_cast<mode_t>(S_IFDIR | 01777));
  EXPECT_EQ(archive.members.at("tmp").uid, 7u);
  EXPECT_EQ(archive.members.at("tmp").gid, 70000u);
  EXPECT_EQ(archive.members.at("etc/text").contents, "made here\n");
  EXPECT_EQ(archive.members.at("etc/text").mode, static_cast<mode_t>(S_IFREG | 0640));
  EXPECT_EQ(archive.members.at("etc/text").modified, 0);
  EXPECT_EQ(archive.members.at("etc/empty").contents, "");
  EXPECT_EQ(archive.members.at("lib").link, "usr/lib");
  EXPECT_EQ(archive.members.at("program").contents, "#!x");
  EXPECT_EQ(archive.members.at("program").mode, static_cast<mode_t>(S_IFREG | 04755));
  EXPECT_GT(archive.members.at("program").modified, 0);
}

TEST(ArchiveWriter, StartsBigFilesOnPages) {
  const TestRoot root;
  RootTree tree;
  // Sizes around the page, the writer's buffer (256 KiB), and what sendfile takes over.
  const size_t sizes[] = {1, 4095, 4096, 4097, 8191, 262143, 262144, 262145, 1000003};
  for (const size_t size : sizes) {
    const std::string name = "/file" + std::to_string(size);
    root.file(name, pattern(size));
    tree.add(name, file_of(root, name));
  }
  tree.add("/made", RootEntry::text(pattern(5000), ""));
  const Archive archive(tree, "");
  for (const size_t size : sizes) {
    EXPECT_EQ(archive.members.at("file" + std::to_string(size)).contents, pattern(size)) << size;
  }
  // Find each file's data as the kernel does: header, name of `namesize` bytes, data.
  size_t at = 0;
  size_t aligned = 0;
  while (true) {
    const auto field = [&](size_t index) {
      return std::stoul(archive.bytes.substr(at + 6 + index * 8, 8), nullptr, 16);
    };
    ASSERT_EQ(archive.bytes.compare(at, 6, "070701"), 0) << at;
    const std::string name = archive.bytes.c_str() + at + 110;
    if (name == "TRAILER!!!") break;
    const size_t data = (at + 110 + field(11) + 3) / 4 * 4;
    const size_t size = field(6);
    if (size >= 4096) {
      EXPECT_EQ(data % 4096, 0u) << name;
      ++aligned;
    }
    EXPECT_EQ(archive.bytes[data - 1], '\0') << name;
    at = (data + size + 3) / 4 * 4;
  }
  EXPECT_EQ(aligned, 8u);
}

TEST(ArchiveWriter, PlainLayoutIsForLinux) {
  RootTree tree;
  tree.add("/big", RootEntry::text(pattern(5000), ""));
  const Archive archive(tree, "program=/big", ArchiveLayout::kPlain);
  EXPECT_EQ(archive.order, (std::vector<std::string>{".narwhal", ".narwhal/boot", "big"}));
  EXPECT_EQ(archive.members.at("big").contents, pattern(5000));
  EXPECT_LT(archive.bytes.size(), 6000u);
}

TEST(ArchiveWriter, NamesOfOneFileStayOneFile) {
  const TestRoot root;
  root.file("/one", "shared");
  ASSERT_EQ(link(root.path("/one").c_str(), root.path("/two").c_str()), 0);
  ASSERT_EQ(link(root.path("/one").c_str(), root.path("/not-packed").c_str()), 0);
  root.file("/other", "alone");
  RootTree tree;
  for (const char* const name : {"/one", "/two", "/other"}) tree.add(name, file_of(root, name));
  const Archive archive(tree, "");
  EXPECT_EQ(archive.members.at("one").inode, archive.members.at("two").inode);
  EXPECT_NE(archive.members.at("one").inode, archive.members.at("other").inode);
  // Of three names on the machine, the guest has two.
  EXPECT_EQ(archive.members.at("one").names, 2u);
  EXPECT_EQ(archive.members.at("one").contents, "");
  EXPECT_EQ(archive.members.at("two").contents, "shared");
}

TEST(ArchiveWriter, PutsSettingsFirstAndRepeatsItself) {
  RootTree tree;
  tree.add("/b", RootEntry::text("2", ""));
  tree.add("/a", RootEntry::text("1", ""));
  const std::string records("program=/a\0arg=x y\0", 19);
  const Archive archive(tree, records);
  EXPECT_EQ(archive.order, (std::vector<std::string>{".narwhal/boot", "a", "b"}));
  EXPECT_EQ(archive.members.at(".narwhal/boot").contents, records);
  EXPECT_EQ(archive.bytes, Archive(tree, records).bytes);
}

TEST(ArchiveWriter, ParentsComeBeforeChildren) {
  RootTree tree;
  tree.add("/a/b", RootEntry::text("", ""));
  tree.add("/a", RootEntry::directory(0755, ""));
  tree.add("/a-b", RootEntry::text("", ""));
  const Archive archive(tree, "");
  EXPECT_LT(std::find(archive.order.begin(), archive.order.end(), "a"),
            std::find(archive.order.begin(), archive.order.end(), "a/b"));
}

TEST(ArchiveWriter, FillsUpAFileThatShrank) {
  const TestRoot root;
  root.file("/log", "short");
  RootTree tree;
  RootEntry entry = file_of(root, "/log");
  entry.size = 10000;
  tree.add("/log", entry);
  const Archive archive(tree, "");
  EXPECT_EQ(archive.members.at("log").contents, "short" + std::string(9995, '\0'));
  ASSERT_EQ(archive.summary.notes.size(), 1u);
  EXPECT_NE(archive.summary.notes[0].find("shrank"), std::string::npos);
}

TEST(ArchiveWriter, RefusesWhatTheFormatCannotHold) {
  RootTree tree;
  RootEntry entry = RootEntry::text("", "");
  entry.source = "/dev/null";
  entry.size = uint64_t{5} << 30;
  tree.add("/huge", entry);
  const UniqueFd fd(memfd_create("archive", MFD_CLOEXEC));
  EXPECT_THROW(write_archive(tree, "", fd.get()), Error);
}

TEST(ArchiveWriter, SaysWhatCannotBeReadOrWritten) {
  RootTree tree;
  RootEntry entry = RootEntry::text("", "");
  entry.source = "/nonexistent";
  entry.size = 1;
  tree.add("/gone", entry);
  const UniqueFd fd(memfd_create("archive", MFD_CLOEXEC));
  try {
    write_archive(tree, "", fd.get());
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot open /nonexistent: No such file or directory");
  }
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  try {
    write_archive(RootTree(), "", full.get());
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot write the root archive: No space left on device");
  }
}

}  // namespace
}  // namespace narwhal::tools
