// A tree of files of its own for each host test: a tmpfs, a root user, and short ways to the calls.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fs/core/vfs.h"
#include "fs/tmpfs/tmpfs.h"

namespace narwhal::testing {

// What a call returned, for EXPECT_EQ: Errno{} is success.
inline constexpr Errno kOk{};

class FileTree : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  vfs::Actor actor() { return {*fs_, *who_}; }
  // From now on, a user without capabilities.
  void become(u32 uid, u32 gid, std::vector<u32> groups = {});
  void become_root();

  Errno mkdir(std::string_view path, u32 mode = 0755) {
    return vfs::mkdir(actor(), Path(), path, mode).error();
  }
  Errno rmdir(std::string_view path) { return vfs::rmdir(actor(), Path(), path).error(); }
  Errno unlink(std::string_view path) { return vfs::unlink(actor(), Path(), path).error(); }
  Errno symlink(std::string_view target, std::string_view path) {
    return vfs::symlink(actor(), target, Path(), path).error();
  }
  Errno link(std::string_view from, std::string_view to);
  Errno rename(std::string_view from, std::string_view to, u32 flags = 0) {
    return vfs::rename(actor(), Path(), from, Path(), to, flags).error();
  }
  Errno chmod(std::string_view path, u32 mode);
  Errno chown(std::string_view path, u32 uid, u32 gid);
  Errno touch(std::string_view path, u32 mode = 0644) {
    return vfs::open(actor(), Path(), path, OpenFlags::kCreate | OpenFlags::kWriteOnly, mode)
        .error();
  }
  Errno chdir(std::string_view path);
  Result<FileRef> open(std::string_view path, OpenFlags flags = OpenFlags::kReadOnly,
                       u32 mode = 0644) {
    return vfs::open(actor(), Path(), path, flags, mode);
  }
  Errno open_error(std::string_view path, OpenFlags flags = OpenFlags::kReadOnly, u32 mode = 0644) {
    return open(path, flags, mode).error();
  }
  Result<Path> find(std::string_view path, LookupFlags flags = LookupFlags::kFollow) {
    return vfs::lookup(actor(), Path(), path, flags);
  }
  Errno find_error(std::string_view path, LookupFlags flags = LookupFlags::kFollow) {
    return find(path, flags).error();
  }
  abi::Stat stat(std::string_view path, LookupFlags flags = LookupFlags::kFollow);
  std::string path_of(std::string_view path);
  Errno write_file(std::string_view path, std::string_view content);
  std::string read_file(std::string_view path);
  // Names in the order in which they are read, without "." and "..".
  std::vector<std::string> list(std::string_view path);

  static std::string read_all(File& file);
  static Result<usize> write_all(File& file, std::string_view content);

  Ref<TmpFs> tmpfs_;
  Ref<Mount> mount_;
  Ref<FsContext> fs_;
  CredentialsRef who_;
};

}  // namespace narwhal::testing
