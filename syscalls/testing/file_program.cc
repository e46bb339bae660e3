#include "syscalls/testing/file_program.h"

#include <fcntl.h>

#include <ostream>

#include "fs/pipe/pipe.h"
#include "fs/tmpfs/tmpfs.h"

namespace narwhal::testing {
namespace {

CredentialsRef root_user() {
  return make_ref<Credentials>().take();
}

void remove_all(const std::string& path) {
  const i64 fd = call(SYS_open, path, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  const UserAddr buffer = allocate(4096);
  for (;;) {
    const i64 size = call(SYS_getdents64, fd, buffer, 4096);
    if (size <= 0) break;
    const std::string entries = get_bytes(buffer, usize(size));
    for (usize at = 0; at < entries.size();) {
      u16 length;
      std::memcpy(&length, &entries[at + 16], sizeof length);
      const std::string name = &entries[at + 19];
      at += length;
      if (name == "." || name == "..") continue;
      const std::string whole = path + "/" + name;
      if (call(SYS_unlink, whole) == -EISDIR) remove_all(whole);
    }
  }
  call(SYS_close, fd);
  call(SYS_rmdir, path);
}

}  // namespace

UserAddr allocate(usize size) {
  return test_program::memory(size);
}

UserAddr put_bytes(const void* bytes, usize size) {
  const UserAddr at = allocate(size);
  EXPECT_EQ(platform::copy_to_user(at, bytes, size), 0u);
  return at;
}

UserAddr put_text(std::string_view text) {
  return put_bytes(std::string(text).c_str(), text.size() + 1);
}

std::string get_bytes(UserAddr at, usize size) {
  std::string bytes(size, '\0');
  EXPECT_EQ(platform::copy_from_user(bytes.data(), at, size), 0u);
  return bytes;
}

void FileProgram::SetUpTestSuite() {
  if (vfs::root_path()) return;
  register_tmpfs();
  register_fifos();
  TmpFs::Options options;
  options.mode = 0755;
  ASSERT_TRUE(vfs::mount_root(TmpFs::create(options).take()).ok());
  current_task().fs().set_root(vfs::root_path());
  current_task().fs().set_working_directory(vfs::root_path());
}

void FileProgram::SetUp() {
  ASSERT_CALL_IS(0, SYS_mkdir, "/t", 0755);
  ASSERT_CALL_IS(0, SYS_chdir, "/t");
}

void FileProgram::TearDown() {
  current_task().set_credentials(root_user());
  current_task().fs().set_root(vfs::root_path());
  EXPECT_CALL_IS(0, SYS_close_range, 0, ~0u, 0);
  EXPECT_CALL_IS(0, SYS_chdir, "/");
  remove_all("/t");
}

i64 FileProgram::make_file(std::string_view path, std::string_view content, int more_flags) {
  const i64 fd = call(SYS_open, path, O_RDWR | O_CREAT | O_TRUNC | more_flags, 0644);
  EXPECT_GE(fd, 0) << path;
  EXPECT_EQ(call(SYS_write, fd, content, content.size()), i64(content.size()));
  EXPECT_CALL_IS(0, SYS_lseek, fd, 0, SEEK_SET);
  return fd;
}

std::string FileProgram::read(i64 fd, usize size) {
  const UserAddr buffer = allocate(size);
  const i64 got = call(SYS_read, fd, buffer, size);
  return got < 0 ? std::string(errno_name(Errno(-got))) : get_bytes(buffer, usize(got));
}

std::string FileProgram::read_file(std::string_view path) {
  const i64 fd = call(SYS_open, path, O_RDONLY);
  if (fd < 0) return std::string(errno_name(Errno(-fd)));
  const std::string content = read(fd, 100'000);
  EXPECT_CALL_IS(0, SYS_close, fd);
  return content;
}

i64 FileProgram::position(i64 fd) {
  return call(SYS_lseek, fd, 0, SEEK_CUR);
}

std::pair<i64, i64> FileProgram::make_pipe(int flags) {
  const UserAddr fds = allocate(8);
  EXPECT_CALL_IS(0, SYS_pipe2, fds, flags);
  return {get<i32>(fds), get<i32>(fds + 4)};
}

void FileProgram::become(u32 uid, u32 gid) {
  auto who = make_ref<Credentials>().take();
  who->uid = who->euid = who->suid = who->fsuid = uid;
  who->gid = who->egid = who->sgid = who->fsgid = gid;
  who->effective = who->permitted = 0;
  current_task().set_credentials(std::move(who));
}

void PrintTo(const Outcome& outcome, std::ostream* out) {
  if (outcome.value < 0 && outcome.value > -4096)
    *out << errno_name(Errno(-outcome.value));
  else
    *out << outcome.value;
}

}  // namespace narwhal::testing
