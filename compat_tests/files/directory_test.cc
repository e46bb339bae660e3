// getdents64(2), and readdir(3) above it.
#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <map>
#include <memory>
#include <set>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

namespace compat {
namespace {

struct DirClose {
  void operator()(DIR* directory) const { closedir(directory); }
};
using DirPointer = std::unique_ptr<DIR, DirClose>;

class Directory : public testing::Test {
 protected:
  std::multiset<std::string> names() {
    std::multiset<std::string> result;
    DirPointer directory(opendir(dir.path().c_str()));
    while (const dirent* entry = readdir(directory.get())) result.insert(entry->d_name);
    return result;
  }
  static ssize_t get_entries(int fd, void* buffer, size_t size) {
    return syscall(SYS_getdents64, fd, buffer, size);
  }

  TempDir dir;
};

TEST_F(Directory, EmptyOneHasItsDots) {
  EXPECT_EQ((std::multiset<std::string>{".", ".."}), names());
}

TEST_F(Directory, EveryNameOnce) {
  write_file(dir / "file", "");
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  ASSERT_OK(symlink("x", (dir / "link").c_str()));
  EXPECT_EQ((std::multiset<std::string>{".", "..", "file", "link", "sub"}), names());
}

TEST_F(Directory, TypesAndInodes) {
  write_file(dir / "file", "");
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  ASSERT_OK(symlink("x", (dir / "link").c_str()));
  ASSERT_OK(mkfifo((dir / "fifo").c_str(), 0600));
  std::map<std::string, unsigned char> types;
  DirPointer directory(opendir(dir.path().c_str()));
  while (const dirent* entry = readdir(directory.get())) {
    types[entry->d_name] = entry->d_type;
    struct stat info;
    ASSERT_OK(lstat((dir / entry->d_name).c_str(), &info));
    EXPECT_EQ(info.st_ino, entry->d_ino) << entry->d_name;
  }
  EXPECT_EQ((std::map<std::string, unsigned char>{{".", DT_DIR},
                                                  {"..", DT_DIR},
                                                  {"fifo", DT_FIFO},
                                                  {"file", DT_REG},
                                                  {"link", DT_LNK},
                                                  {"sub", DT_DIR}}),
            types);
}

TEST_F(Directory, ManyNamesThroughASmallBuffer) {
  std::set<std::string> expected = {".", ".."};
  for (int i = 0; i < 300; ++i) {
    const std::string name =
        "name-" + std::to_string(i) + std::string(static_cast<size_t>(i) % 40, '_');
    write_file(dir / name, "");
    expected.insert(name);
  }
  Fd fd(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  std::multiset<std::string> found;
  alignas(8) char buffer[200];
  ssize_t size;
  while ((size = get_entries(fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      ASSERT_EQ(0, entry->d_reclen % 8);
      ASSERT_LE(at + entry->d_reclen, size);
      found.insert(entry->d_name);
      at += entry->d_reclen;
    }
  }
  EXPECT_EQ(0, size);
  EXPECT_EQ(std::multiset<std::string>(expected.begin(), expected.end()), found);
}

TEST_F(Directory, Errors) {
  write_file(dir / "a-name-that-is-somewhat-longer", "");
  Fd fd(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  Fd file(open((dir / "a-name-that-is-somewhat-longer").c_str(), O_RDONLY));
  alignas(8) char buffer[512];
  EXPECT_ERRNO(ENOTDIR, get_entries(file, buffer, sizeof buffer));
  EXPECT_ERRNO(EBADF, get_entries(-1, buffer, sizeof buffer));
  EXPECT_ERRNO(EINVAL, get_entries(fd, buffer, 8));
  EXPECT_ERRNO(EFAULT, get_entries(fd, bad_pointer<char>(), 512));
  EXPECT_GT(get_entries(fd, buffer, sizeof buffer), 0);
}

TEST_F(Directory, RewindSeesWhatIsNew) {
  DirPointer directory(opendir(dir.path().c_str()));
  while (readdir(directory.get()) != nullptr) {
  }
  write_file(dir / "new", "");
  rewinddir(directory.get());
  bool found = false;
  while (const dirent* entry = readdir(directory.get()))
    found |= entry->d_name == std::string("new");
  EXPECT_TRUE(found);
}

TEST_F(Directory, SeekComesBackToAnEntry) {
  for (int i = 0; i < 50; ++i) write_file(dir / ("file" + std::to_string(i)), "");
  DirPointer directory(opendir(dir.path().c_str()));
  for (int i = 0; i < 20; ++i) ASSERT_NE(nullptr, readdir(directory.get()));
  const long place = telldir(directory.get());
  const std::string next = readdir(directory.get())->d_name;
  while (readdir(directory.get()) != nullptr) {
  }
  seekdir(directory.get(), place);
  EXPECT_EQ(next, readdir(directory.get())->d_name);
}

TEST_F(Directory, RemovingWhileReading) {
  for (int i = 0; i < 200; ++i) write_file(dir / ("file" + std::to_string(i)), "");
  Fd fd(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY));
  int removed = 0;
  alignas(8) char buffer[512];
  ssize_t size;
  while ((size = get_entries(fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
      if (entry->d_name[0] != '.') {
        EXPECT_OK(unlinkat(fd, entry->d_name, 0));
        ++removed;
      }
      at += entry->d_reclen;
    }
  }
  EXPECT_EQ(200, removed);
  EXPECT_EQ((std::multiset<std::string>{".", ".."}), names());
}

TEST_F(Directory, RemovedDirectoryHasNoEntries) {
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  Fd fd(open((dir / "sub").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_OK(rmdir((dir / "sub").c_str()));
  alignas(8) char buffer[512];
  EXPECT_ERRNO(ENOENT, get_entries(fd, buffer, sizeof buffer));
  EXPECT_ERRNO(ENOENT, openat(fd, "file", O_RDWR | O_CREAT, 0600));
}

TEST_F(Directory, DeepTree) {
  std::string path = dir.path();
  for (int i = 0; i < 100; ++i) {
    path += "/level";
    ASSERT_OK(mkdir(path.c_str(), 0755));
  }
  write_file(path + "/file", "deep");
  EXPECT_EQ("deep", read_file(path + "/file"));
}

}  // namespace
}  // namespace compat
