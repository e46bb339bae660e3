#include "fs/proc/proc.h"

#include <algorithm>

#include "fs/proc/tree.h"
#include "fs/testing/file_tree.h"
#include "kernel/uts/uts.h"

namespace narwhal {
namespace {

using testing::kOk;

// Stands for process/proc: one process, number 7, and "self".
Result<Ref<Inode>> lookup_process(std::string_view name) {
  if (name == "self") return make_link(proc_file_system(), "7");
  if (name != "7") return Errno::kNoEnt;
  return Ref<Inode>(TRY(make_directory(proc_file_system())));
}
Result<> read_processes(i64 offset, i64 base, DirectoryVisitor& visitor) {
  if (offset == 0 && !visitor.entry("self", 99, FileType::kSymlink, base + 1)) return {};
  if (offset <= 1) visitor.entry("7", 100, FileType::kDirectory, base + 2);
  return {};
}

usize long_lines = 1;
Result<> show_long(TextSink& out) {
  for (usize i = 0; i < long_lines; ++i) out << "line " << i << '\n';
  return {};
}

class ProcTest : public testing::FileTree {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(proc_init().ok());
    proc_set_process_source({lookup_process, read_processes});
    ASSERT_TRUE(proc_add_text("test", "long", show_long).ok());
  }
  void SetUp() override {
    FileTree::SetUp();
    ASSERT_EQ(mkdir("/proc"), kOk);
    ASSERT_TRUE(vfs::mount(actor(), "/proc", create_file_system("proc", "").take(), 0).ok());
  }
};

TEST_F(ProcTest, ShowsFixedAndChangingNames) {
  const auto names = list("/proc");
  EXPECT_NE(std::find(names.begin(), names.end(), "meminfo"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "self"), names.end());
  EXPECT_EQ(names.back(), "7");
  EXPECT_EQ(path_of("/proc/self"), "/proc/7");
  EXPECT_EQ(find_error("/proc/8"), Errno::kNoEnt);
  EXPECT_EQ(stat("/proc/sys/kernel").mode, 040555u);
  EXPECT_EQ(stat("/proc/meminfo").mode, 0100444u);
  EXPECT_EQ(stat("/proc/meminfo").size, 0);
}

TEST_F(ProcTest, SpeaksOfTheMachine) {
  EXPECT_EQ(read_file("/proc/meminfo").rfind("MemTotal:  ", 0), 0u);
  EXPECT_NE(read_file("/proc/cpuinfo").find("processor\t: 0\n"), std::string::npos);
  EXPECT_NE(read_file("/proc/filesystems").find("nodev\tproc\n"), std::string::npos);
  EXPECT_EQ(read_file("/proc/version").rfind("Linux version " + std::string(kKernelRelease), 0),
            0u);
  EXPECT_EQ(read_file("/proc/sys/kernel/ostype"), "Linux\n");
  EXPECT_EQ(read_file("/proc/sys/kernel/random/boot_id"),
            read_file("/proc/sys/kernel/random/boot_id"));
  const std::string uuid = read_file("/proc/sys/kernel/random/uuid");
  EXPECT_NE(uuid, read_file("/proc/sys/kernel/random/uuid"));
  ASSERT_EQ(uuid.size(), 37u);
  EXPECT_EQ(uuid[14], '4') << "version 4";
  EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << "variant of RFC 4122";
}

TEST_F(ProcTest, SettingsCanBeWritten) {
  EXPECT_EQ(write_file("/proc/sys/kernel/hostname", "whale\n"), kOk);
  EXPECT_EQ(read_file("/proc/sys/kernel/hostname"), "whale\n");
  EXPECT_EQ(host_name().view(), "whale");
  become(1000, 1000);
  EXPECT_EQ(open_error("/proc/sys/kernel/hostname", OpenFlags::kWriteOnly), Errno::kAcces);
  EXPECT_EQ(open_error("/proc/meminfo", OpenFlags::kWriteOnly), Errno::kAcces);
}

TEST_F(ProcTest, NamesCannotBeMade) {
  EXPECT_EQ(open_error("/proc/new", OpenFlags::kCreate | OpenFlags::kWriteOnly), Errno::kNoEnt);
  EXPECT_EQ(mkdir("/proc/new"), Errno::kNoEnt);
  EXPECT_EQ(symlink("x", "/proc/new"), Errno::kNoEnt);
  EXPECT_EQ(unlink("/proc/meminfo"), Errno::kPerm);
}

TEST_F(ProcTest, TextIsOfOneMomentAndAsLongAsItMustBe) {
  long_lines = 2000;
  std::string expected;
  for (usize i = 0; i < long_lines; ++i) expected += "line " + std::to_string(i) + "\n";
  EXPECT_EQ(read_file("/proc/test/long"), expected);

  auto file = open("/proc/test/long").take();
  std::byte bytes[7];
  {
    IoBuffer to{std::span<std::byte>(bytes)};
    EXPECT_EQ(file->read(to).value(), 7u);
  }
  long_lines = 1;  // the rest is still what it was
  EXPECT_EQ(read_all(*file), expected.substr(7));
  // At the beginning it is made anew.
  EXPECT_EQ(file->seek(0, 0).value(), 0);
  EXPECT_EQ(read_all(*file), "line 0\n");
  EXPECT_EQ(file->seek(0, 2).error(), Errno::kInval);
  EXPECT_EQ(file->seek(-1, 0).error(), Errno::kInval);
  {
    IoBuffer to{std::span<std::byte>(bytes)};
    EXPECT_EQ(file->read_at(to, 5).value(), 2u);
  }
}

}  // namespace
}  // namespace narwhal
