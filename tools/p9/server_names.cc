// The server's answers about names and attributes.
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/p9/descriptors.h"
#include "tools/p9/server.h"

namespace narwhal::tools::p9 {

namespace {
constexpr size_t kMostXattr = 64 << 10;  // XATTR_SIZE_MAX
}

// --- attributes

int Server::get_attributes(Reader& in, Writer& out) {
  const File* const file = take_file(in);
  in.take<uint64_t>();  // which are wanted: all are told
  if (!in.complete()) return EINVAL;
  if (file == nullptr) return EBADF;
  struct stat status;
  if (!status_of(file->fd.get(), status)) return errno;
  constexpr uint64_t kBasic = 0x7ff;
  out.put(kBasic).put(qid_of(status));
  out.put(status.st_mode).put(status.st_uid).put(status.st_gid);
  for (const uint64_t value :
       {static_cast<uint64_t>(status.st_nlink), static_cast<uint64_t>(status.st_rdev),
        static_cast<uint64_t>(status.st_size), static_cast<uint64_t>(status.st_blksize),
        static_cast<uint64_t>(status.st_blocks)}) {
    out.put(value);
  }
  for (const timespec& time : {status.st_atim, status.st_mtim, status.st_ctim}) {
    out.put(static_cast<uint64_t>(time.tv_sec)).put(static_cast<uint64_t>(time.tv_nsec));
  }
  for (int i = 0; i < 4; ++i) out.put(uint64_t{0});  // birth, generation, version: not known
  return 0;
}

int Server::set_attributes(Reader& in) {
  constexpr uint32_t kMode = 1, kUid = 2, kGid = 4, kSize = 8, kAccessed = 16, kModified = 32,
                     kAccessedGiven = 128, kModifiedGiven = 256;
  File* const file = take_file(in);
  const auto valid = in.take<uint32_t>();
  const auto mode = in.take<uint32_t>();
  const auto uid = in.take<uint32_t>();
  const auto gid = in.take<uint32_t>();
  const auto size = in.take<uint64_t>();
  timespec times[2];
  for (timespec& time : times) {
    time.tv_sec = static_cast<time_t>(in.take<uint64_t>());
    time.tv_nsec = static_cast<long>(in.take<uint64_t>());
  }
  if (!in.complete()) return EINVAL;
  if (file == nullptr || file->is_xattr) return EBADF;
  const std::string path = path_of_descriptor(file->fd.get());
  if ((valid & kMode) != 0 && chmod(path.c_str(), mode & 07777) != 0) return errno;
  if ((valid & (kUid | kGid)) != 0) {
    constexpr auto kSame = static_cast<uint32_t>(-1);
    if (fchownat(file->fd.get(), "", (valid & kUid) != 0 ? uid : kSame,
                 (valid & kGid) != 0 ? gid : kSame, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
      return errno;
    }
  }
  if ((valid & kSize) != 0) {
    struct stat status;
    if (!status_of(file->fd.get(), status)) return errno;
    if (!S_ISREG(status.st_mode)) return EINVAL;
    if (truncate(path.c_str(), static_cast<off_t>(size)) != 0) return errno;
  }
  if ((valid & (kAccessed | kModified)) != 0) {
    const auto choose = [&](timespec& time, uint32_t changes, uint32_t given) {
      if ((valid & changes) == 0) time.tv_nsec = UTIME_OMIT;
      if ((valid & changes) != 0 && (valid & given) == 0) time.tv_nsec = UTIME_NOW;
    };
    choose(times[0], kAccessed, kAccessedGiven);
    choose(times[1], kModified, kModifiedGiven);
    if (utimensat(AT_FDCWD, path.c_str(), times, 0) != 0) return errno;
  }
  return 0;
}

int Server::statistics(Reader& in, Writer& out) {
  const File* const file = take_file(in);
  if (file == nullptr) return EBADF;
  struct statfs status;
  if (fstatfs(file->fd.get(), &status) != 0) return errno;
  out.put(static_cast<uint32_t>(status.f_type)).put(static_cast<uint32_t>(status.f_bsize));
  for (const uint64_t value :
       {status.f_blocks, status.f_bfree, status.f_bavail, status.f_files, status.f_ffree}) {
    out.put(value);
  }
  out.put(uint64_t{0}).put(static_cast<uint32_t>(status.f_namelen));
  return 0;
}

int Server::read_link(Reader& in, Writer& out) {
  const File* const file = take_file(in);
  if (file == nullptr) return EBADF;
  char target[4096];
  const ssize_t size = readlinkat(file->fd.get(), "", target, sizeof target);
  if (size < 0) return errno == ENOENT ? EINVAL : errno;
  out.put_text({target, static_cast<size_t>(size)});
  return 0;
}

// --- names

int Server::put_new(const File& directory, const char* name, uint32_t gid, Writer& out) {
  if (gid != getegid() &&
      fchownat(directory.fd.get(), name, static_cast<uid_t>(-1), gid, AT_SYMLINK_NOFOLLOW) != 0) {
    // Not allowed, and no error: the file is its maker's.
  }
  struct stat status;
  if (fstatat(directory.fd.get(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  out.put(qid_of(status));
  return 0;
}

int Server::make_directory(Reader& in, Writer& out) {
  const File* const file = take_file(in);
  const std::string name = entry_name(in.take_text());
  const auto mode = in.take<uint32_t>();
  const auto gid = in.take<uint32_t>();
  if (!in.complete() || name.empty()) return EINVAL;
  if (file == nullptr || file->is_xattr) return EBADF;
  if (mkdirat(file->fd.get(), name.c_str(), mode & 07777) != 0) return errno;
  return put_new(*file, name.c_str(), gid, out);
}

int Server::make_node(Reader& in, Writer& out) {
  const File* const file = take_file(in);
  const std::string name = entry_name(in.take_text());
  const auto mode = in.take<uint32_t>();
  in.take<uint64_t>();  // the device's number
  const auto gid = in.take<uint32_t>();
  if (!in.complete() || name.empty()) return EINVAL;
  if (file == nullptr || file->is_xattr) return EBADF;
  if (S_ISCHR(mode) || S_ISBLK(mode)) return EPERM;
  if (mknodat(file->fd.get(), name.c_str(), mode & (S_IFMT | 07777), 0) != 0) return errno;
  return put_new(*file, name.c_str(), gid, out);
}

int Server::make_symlink(Reader& in, Writer& out) {
  const File* const file = take_file(in);
  const std::string name = entry_name(in.take_text());
  const std::string target(in.take_text());
  const auto gid = in.take<uint32_t>();
  if (!in.complete() || name.empty() || target.find('\0') != target.npos) return EINVAL;
  if (file == nullptr || file->is_xattr) return EBADF;
  if (symlinkat(target.c_str(), file->fd.get(), name.c_str()) != 0) return errno;
  return put_new(*file, name.c_str(), gid, out);
}

int Server::make_link(Reader& in) {
  const File* const directory = take_file(in);
  const File* const file = take_file(in);
  const std::string name = entry_name(in.take_text());
  if (!in.complete() || name.empty()) return EINVAL;
  if (directory == nullptr || file == nullptr || file->is_xattr || directory->is_xattr)
    return EBADF;
  return result(linkat(AT_FDCWD, path_of_descriptor(file->fd.get()).c_str(), directory->fd.get(),
                       name.c_str(), AT_SYMLINK_FOLLOW));
}

int Server::rename(Reader& in) {
  const File* const from = take_file(in);
  const std::string name = entry_name(in.take_text());
  const File* const to = take_file(in);
  const std::string new_name = entry_name(in.take_text());
  if (!in.complete() || name.empty() || new_name.empty()) return EINVAL;
  if (from == nullptr || to == nullptr || from->is_xattr || to->is_xattr) return EBADF;
  return result(renameat(from->fd.get(), name.c_str(), to->fd.get(), new_name.c_str()));
}

int Server::unlink(Reader& in) {
  const File* const directory = take_file(in);
  const std::string name = entry_name(in.take_text());
  const auto flags = in.take<uint32_t>();
  if (!in.complete() || name.empty()) return EINVAL;
  if (directory == nullptr || directory->is_xattr) return EBADF;
  return result(
      unlinkat(directory->fd.get(), name.c_str(), static_cast<int>(flags) & AT_REMOVEDIR));
}

// --- extended attributes: a number that stands for a value

int Server::walk_xattr(Reader& in, Writer& out) {
  const File* const file = take_file(in);
  const Fid fid = in.take<uint32_t>();
  const std::string name(in.take_text());
  if (!in.complete() || name.find('\0') != name.npos) return EINVAL;
  if (file == nullptr || file->is_xattr) return EBADF;
  if (find(fid) != nullptr) return EINVAL;
  if (files_.size() >= kMostFiles) return ENFILE;
  const std::string path = path_of_descriptor(file->fd.get());
  File value;
  value.is_xattr = true;
  value.xattr.resize(kMostXattr);
  const ssize_t size =
      name.empty() ? listxattr(path.c_str(), value.xattr.data(), value.xattr.size())
                   : getxattr(path.c_str(), name.c_str(), value.xattr.data(), value.xattr.size());
  if (size < 0) return errno;
  value.xattr.resize(static_cast<size_t>(size));
  value.xattr.shrink_to_fit();
  out.put(static_cast<uint64_t>(size));
  files_.emplace(fid, std::move(value));
  return 0;
}

int Server::create_xattr(Reader& in) {
  File* const file = take_file(in);
  const std::string name(in.take_text());
  const auto size = in.take<uint64_t>();
  const auto flags = in.take<uint32_t>();
  if (!in.complete() || name.empty() || name.find('\0') != name.npos) return EINVAL;
  if (size > kMostXattr) return E2BIG;
  if (file == nullptr || file->is_xattr || file->open) return EBADF;
  file->is_xattr = true;
  file->name = name;
  file->xattr_size = size;
  file->xattr_flags = static_cast<int>(flags);
  return 0;
}

}  // namespace narwhal::tools::p9
