#include "tools/narwhal/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "tools/base/error.h"
#include "tools/base/files.h"

namespace narwhal::tools {

namespace {

constexpr uint64_t kSectorSize = 512;
constexpr size_t kMostSerial = 20;  // VIRTIO_BLK_ID_BYTES

[[noreturn]] void fail_to_open(const DiskWish& wish, int error) {
  switch (error) {
    case ENOENT:
      fail("--disk {}: no such file; truncate -s 1G {} makes an empty one", wish.path, wish.path);
    case EACCES:
    case EPERM:
    case EROFS:
      if (!wish.read_only && access(wish.path.c_str(), R_OK) == 0)
        fail("--disk {}: may not be written here; {}:ro gives it for reading only", wish.path,
             wish.path);
      fail("--disk {}: not allowed to read it", wish.path);
    default:
      fail("--disk {}: {}", wish.path, strerror(error));
  }
}

// QEMU's rules (block/file-posix.c there): for each right that is used, a byte from 100 on is
// locked for reading, and for each that nobody else may use, one from 200 on; a lock of the other
// kind on the same right is a conflict.
constexpr off_t kUsedAt = 100, kNotSharedAt = 200;
constexpr off_t kRead = 0, kWrite = 1, kResize = 3;

struct flock byte_at(off_t at, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = 1;
  return lock;
}
bool lock_byte(int fd, off_t at) {
  const struct flock lock = byte_at(at, F_RDLCK);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}
bool is_locked_by_others(int fd, off_t at) {
  struct flock lock = byte_at(at, F_WRLCK);
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool lock_disk(int fd, bool read_only) {
  const auto uses = [&](off_t right) { return right == kRead || (right == kWrite && !read_only); };
  const auto shares = [](off_t right) { return right != kWrite && right != kResize; };
  for (const off_t right : {kRead, kWrite, kResize}) {
    if (uses(right) && !lock_byte(fd, kUsedAt + right)) return false;
    if (!shares(right) && !lock_byte(fd, kNotSharedAt + right)) return false;
  }
  for (const off_t right : {kRead, kWrite, kResize}) {
    if (uses(right) && is_locked_by_others(fd, kNotSharedAt + right)) return false;
    if (!shares(right) && is_locked_by_others(fd, kUsedAt + right)) return false;
  }
  return true;
}

uint64_t size_of(int fd, const struct stat& status) {
  if (!S_ISBLK(status.st_mode)) return static_cast<uint64_t>(status.st_size);
  uint64_t size = 0;
  return ioctl(fd, BLKGETSIZE64, &size) == 0 ? size : 0;
}

// O_DIRECT, where the file system knows it and takes transfers of any sector: the guest counts in
// these. QEMU wants whole pages of the file then.
bool make_direct(int fd, uint64_t size) {
  constexpr size_t kAlignment = 4096;
  const int flags = fcntl(fd, F_GETFL);
  if (size % kAlignment != 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) return false;
  const std::unique_ptr<void, void (*)(void*)> memory(aligned_alloc(kAlignment, kAlignment), free);
  char* const unaligned = static_cast<char*>(memory.get()) + kSectorSize;
  if (memory && pread(fd, unaligned, kSectorSize, 0) == static_cast<ssize_t>(kSectorSize))
    return true;
  fcntl(fd, F_SETFL, flags & ~O_DIRECT);
  return false;
}

// The file's name, for /dev/disk/by-id.
std::string serial_for(const std::string& path) {
  std::string serial(base_name(path));
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  std::replace_if(serial.begin(), serial.end(), [&](char c) { return !is_plain(c); }, '_');
  return serial.substr(0, kMostSerial);
}

}  // namespace

Disk open_disk(const DiskWish& wish) {
  // Not to wait for a FIFO's other end.
  const int access = (wish.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
  struct stat status;
  if (stat(wish.path.c_str(), &status) != 0) fail_to_open(wish, errno);
  if (S_ISDIR(status.st_mode))
    fail("--disk {}: a folder; -v {}:/data shows it in the guest", wish.path, wish.path);
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
    fail("--disk {}: neither a file nor a block device", wish.path);
  Disk disk;
  disk.fd.reset(open(wish.path.c_str(), access));
  if (!disk.fd || fstat(disk.fd.get(), &status) != 0) fail_to_open(wish, errno);
  disk.size = size_of(disk.fd.get(), status);
  if (disk.size == 0)
    fail("--disk {}: empty; truncate -s 1G {} gives it a size", wish.path, wish.path);
  if (disk.size % kSectorSize != 0)
    fail(
        "--disk {}: its size of {} bytes is no multiple of {}; truncate -s %{} {} adds what is "
        "missing",
        wish.path, disk.size, kSectorSize, kSectorSize, wish.path);
  if (!lock_disk(disk.fd.get(), wish.read_only))
    fail("--disk {}: in use by another machine or program{}", wish.path,
         wish.read_only ? "" : "; several may have it with :ro");
  disk.settings = {.fd = disk.fd.get(),
                   .read_only = wish.read_only,
                   .is_direct = make_direct(disk.fd.get(), disk.size),
                   .is_block_device = S_ISBLK(status.st_mode),
                   .serial = serial_for(wish.path)};
  return disk;
}

}  // namespace narwhal::tools
