#include "tools/p9/server.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "tools/p9/descriptors.h"

namespace narwhal::tools::p9 {

namespace {

constexpr uint32_t kMostMessage = 1 << 20;
constexpr uint32_t kLeastMessage = 4096;
constexpr std::string_view kVersion = "9P2000.L";

// The protocol has Linux's flags as most processors have them, x86-64 among them. What is not here
// would have the server wait, or means nothing to it.
int open_flags(uint32_t flags) {
  constexpr uint32_t kKept = O_ACCMODE | O_TRUNC | O_APPEND | O_EXCL;
  return static_cast<int>(flags & kKept) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
}

bool wants_to_write(uint32_t flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_TRUNC | O_APPEND)) != 0;
}

}  // namespace

Server::Server(UniqueFd folder, bool read_only)
    : folder_(std::move(folder)), read_only_(read_only), max_message_(kMostMessage) {
  struct stat status;
  if (status_of(folder_.get(), status)) device_ = status.st_dev;
}

// --- the conversation

bool Server::serve(int socket) {
  std::string bytes;
  bytes.resize(2 * kMostMessage);
  size_t begin = 0;
  size_t end = 0;
  std::string reply;
  for (;;) {
    // Most of the time one question comes at once, and is all there is.
    uint32_t size = kHeadSize;
    while (end - begin >= sizeof size) {
      memcpy(&size, bytes.data() + begin, sizeof size);
      if (size < kHeadSize || size > max_message_) return false;
      if (end - begin < size) break;
      answer(std::string_view(bytes).substr(begin, size), reply);
      begin += size;
      for (size_t sent = 0; sent < reply.size();) {
        const ssize_t count = send(socket, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
        if (count < 0) return errno == EPIPE || errno == ECONNRESET;
        sent += static_cast<size_t>(count);
      }
    }
    memmove(bytes.data(), bytes.data() + begin, end - begin);
    end -= begin;
    begin = 0;
    const ssize_t got = recv(socket, bytes.data() + end, bytes.size() - end, 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
    if (got < 0 && errno != EINTR) return false;
    if (got > 0) end += static_cast<size_t>(got);
  }
}

void Server::answer(std::string_view question, std::string& answer) {
  Reader in(question);
  in.take<uint32_t>();
  const auto type = in.take<uint8_t>();
  const auto tag = in.take<uint16_t>();
  Writer out(answer, static_cast<uint8_t>(type + 1), tag);
  const int error = act(static_cast<MessageType>(type), in, out);
  if (error != 0) {
    Writer failure(answer, static_cast<uint8_t>(MessageType::kError) + 1, tag);
    failure.put(static_cast<uint32_t>(error));
    failure.finish();
    return;
  }
  out.finish();
}

int Server::act(MessageType type, Reader& in, Writer& out) {
  switch (type) {
    case MessageType::kVersion:
      return version(in, out);
    case MessageType::kAttach:
      return attach(in, out);
    case MessageType::kFlush:
      return 0;  // what it is about has been answered
    case MessageType::kWalk:
      return walk(in, out);
    case MessageType::kClunk:
      return clunk(in);
    case MessageType::kOpen:
      return open(in, out);
    case MessageType::kRead:
      return read(in, out);
    case MessageType::kReaddir:
      return read_directory(in, out);
    case MessageType::kGetattr:
      return get_attributes(in, out);
    case MessageType::kStatfs:
      return statistics(in, out);
    case MessageType::kReadlink:
      return read_link(in, out);
    case MessageType::kXattrWalk:
      return walk_xattr(in, out);
    case MessageType::kFsync:
      return sync(in);
    default:
      break;
  }
  if (read_only_) return EROFS;
  switch (type) {
    case MessageType::kCreate:
      return create(in, out);
    case MessageType::kWrite:
      return write(in, out);
    case MessageType::kSetattr:
      return set_attributes(in);
    case MessageType::kMkdir:
      return make_directory(in, out);
    case MessageType::kMknod:
      return make_node(in, out);
    case MessageType::kSymlink:
      return make_symlink(in, out);
    case MessageType::kLink:
      return make_link(in);
    case MessageType::kRenameAt:
      return rename(in);
    case MessageType::kUnlinkAt:
      return unlink(in);
    case MessageType::kXattrCreate:
      return create_xattr(in);
    default:
      return EOPNOTSUPP;
  }
}

int Server::version(Reader& in, Writer& out) {
  const auto size = in.take<uint32_t>();
  const std::string_view wanted = in.take_text();
  if (!in.complete() || size < kLeastMessage) return EINVAL;
  files_.clear();
  max_message_ = std::min(size, kMostMessage);
  out.put(max_message_).put_text(wanted == kVersion ? kVersion : "unknown");
  return 0;
}

// --- files and their numbers

Server::File* Server::find(Fid fid) {
  const auto at = files_.find(fid);
  return at != files_.end() ? &at->second : nullptr;
}

// Inode numbers are a device's own. Those of other devices below the folder get a mark.
uint64_t Server::path_of(dev_t device, ino_t inode) {
  if (device == device_) return inode;
  constexpr int kShift = 48;
  const uint64_t mark = other_devices_.try_emplace(device, other_devices_.size() + 1).first->second;
  return inode ^ mark << kShift;
}

Qid Server::qid_of(const struct stat& status) {
  Qid qid;
  if (S_ISDIR(status.st_mode)) qid.type = Qid::kDirectory;
  if (S_ISLNK(status.st_mode)) qid.type = Qid::kSymlink;
  qid.version = static_cast<uint32_t>(status.st_mtim.tv_nsec ^ status.st_mtim.tv_sec << 8);
  qid.path = path_of(status.st_dev, status.st_ino);
  return qid;
}

int Server::attach(Reader& in, Writer& out) {
  const Fid fid = in.take<uint32_t>();
  in.take<uint32_t>();  // no password is asked for, and nobody is asked who they are
  in.take_text();
  in.take_text();
  in.take<uint32_t>();
  if (!in.complete() || find(fid) != nullptr) return EINVAL;
  File file;
  file.fd.reset(fcntl(folder_.get(), F_DUPFD_CLOEXEC, 0));
  struct stat status;
  if (!file.fd || !status_of(file.fd.get(), status)) return errno;
  files_.emplace(fid, std::move(file));
  out.put(qid_of(status));
  return 0;
}

int Server::walk(Reader& in, Writer& out) {
  const File* const from = take_file(in);
  const Fid fid = in.take<uint32_t>();
  const auto count = in.take<uint16_t>();
  constexpr uint16_t kMostNames = 16;
  if (!in.complete() || count > kMostNames) return EINVAL;
  if (from == nullptr || from->is_xattr) return EBADF;
  if (files_.size() >= kMostFiles) return ENFILE;
  UniqueFd at(fcntl(from->fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!at) return errno;
  const size_t counter = out.size();
  out.put(uint16_t{0});
  uint16_t done = 0;
  for (; done < count; ++done) {
    const std::string name = entry_name(in.take_text());
    UniqueFd next(name.empty() ? (errno = ENOENT, -1)
                               : openat(at.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status;
    if (!next || !status_of(next.get(), status)) {
      if (done == 0) return errno;
      break;
    }
    out.put(qid_of(status));
    at = std::move(next);
  }
  if (!in.complete()) return EINVAL;
  out.patch(counter, done);
  if (done < count) return 0;
  const auto [place, is_new] = files_.try_emplace(fid);
  if (!is_new && &place->second != from) return EINVAL;
  place->second = File();
  place->second.fd = std::move(at);
  return 0;
}

int Server::clunk(Reader& in) {
  const auto at = files_.find(in.take<uint32_t>());
  if (!in.complete() || at == files_.end()) return EBADF;
  const File file = std::move(at->second);
  files_.erase(at);
  if (file.name.empty()) return 0;
  if (file.xattr.size() != file.xattr_size) return EINVAL;
  return result(setxattr(path_of_descriptor(file.fd.get()).c_str(), file.name.c_str(),
                         file.xattr.data(), file.xattr.size(), file.xattr_flags));
}

int Server::open(Reader& in, Writer& out) {
  File* const file = take_file(in);
  const auto flags = in.take<uint32_t>();
  if (!in.complete()) return EINVAL;
  if (file == nullptr || file->is_xattr || file->open) return EBADF;
  if (read_only_ && wants_to_write(flags)) return EROFS;
  struct stat status;
  if (!status_of(file->fd.get(), status)) return errno;
  if (S_ISLNK(status.st_mode)) return ELOOP;
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return ENXIO;
  file->open.reset(::open(path_of_descriptor(file->fd.get()).c_str(), open_flags(flags) & ~O_EXCL));
  if (!file->open) return errno;
  out.put(qid_of(status)).put(uint32_t{0});
  return 0;
}

int Server::create(Reader& in, Writer& out) {
  File* const file = take_file(in);
  const std::string name = entry_name(in.take_text());
  const auto flags = in.take<uint32_t>();
  const auto mode = in.take<uint32_t>();
  const auto gid = in.take<uint32_t>();
  if (!in.complete() || name.empty()) return EINVAL;
  if (file == nullptr || file->is_xattr || file->open) return EBADF;
  struct stat status;
  // What is there already may be something that would be waited for.
  if ((flags & O_EXCL) == 0 &&
      fstatat(file->fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      !S_ISREG(status.st_mode)) {
    return ENXIO;
  }
  UniqueFd made(
      openat(file->fd.get(), name.c_str(), open_flags(flags) | O_CREAT | O_NOFOLLOW, mode & 07777));
  if (!made) return errno;
  if (gid != getegid() && fchown(made.get(), static_cast<uid_t>(-1), gid) != 0) {
    // Not allowed, and no error: the file is its maker's.
  }
  UniqueFd same(fcntl(made.get(), F_DUPFD_CLOEXEC, 0));
  if (!same || fstat(made.get(), &status) != 0) return errno;
  file->fd = std::move(same);
  file->open = std::move(made);
  out.put(qid_of(status)).put(uint32_t{0});
  return 0;
}

// --- content

int Server::read(Reader& in, Writer& out) {
  File* const file = take_file(in);
  const auto offset = in.take<uint64_t>();
  uint64_t count = in.take<uint32_t>();
  if (!in.complete()) return EINVAL;
  if (file == nullptr || (!file->open && !file->is_xattr)) return EBADF;
  const size_t head = out.size() + sizeof(uint32_t);
  count = std::min<uint64_t>(count, max_message_ - head);
  out.put(uint32_t{0});
  size_t done = 0;
  if (file->is_xattr) {
    if (offset < file->xattr.size()) {
      done = std::min<uint64_t>(count, file->xattr.size() - offset);
      memcpy(out.make_room(done), file->xattr.data() + offset, done);
    }
  } else {
    char* const room = out.make_room(count);
    const ssize_t got = pread(file->open.get(), room, count, static_cast<off_t>(offset));
    if (got < 0) return errno;
    done = static_cast<size_t>(got);
  }
  out.cut(head + done);
  out.patch(head - sizeof(uint32_t), static_cast<uint32_t>(done));
  return 0;
}

int Server::write(Reader& in, Writer& out) {
  File* const file = take_file(in);
  const auto offset = in.take<uint64_t>();
  const std::string_view bytes = in.take_bytes(in.take<uint32_t>());
  if (!in.complete()) return EINVAL;
  if (file == nullptr || (!file->open && !file->is_xattr)) return EBADF;
  if (file->is_xattr) {
    if (file->name.empty()) return EBADF;
    if (offset != file->xattr.size() || bytes.size() > file->xattr_size - file->xattr.size())
      return EINVAL;
    file->xattr += bytes;
    out.put(static_cast<uint32_t>(bytes.size()));
    return 0;
  }
  const ssize_t written =
      pwrite(file->open.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (written < 0) return errno;
  out.put(static_cast<uint32_t>(written));
  return 0;
}

int Server::sync(Reader& in) {
  const File* const file = take_file(in);
  const auto data_only = in.take<uint32_t>();
  if (file == nullptr || !file->open) return EBADF;
  return result(data_only != 0 ? fdatasync(file->open.get()) : fsync(file->open.get()));
}

int Server::read_directory(Reader& in, Writer& out) {
  File* const file = take_file(in);
  const auto offset = in.take<uint64_t>();
  const uint64_t count = in.take<uint32_t>();
  if (!in.complete()) return EINVAL;
  if (file == nullptr || !file->open) return EBADF;
  struct stat status;
  if (fstat(file->open.get(), &status) != 0) return errno;
  if (lseek(file->open.get(), static_cast<off_t>(offset), SEEK_SET) < 0) return errno;
  const size_t head = out.size() + sizeof(uint32_t);
  const size_t end = head + std::min<uint64_t>(count, max_message_ - head);
  out.put(uint32_t{0});
  alignas(dirent64) char entries[32 << 10];
  for (;;) {
    const ssize_t got = getdents64(file->open.get(), entries, sizeof entries);
    if (got < 0) return errno;
    if (got == 0) break;
    bool is_full = false;
    for (ssize_t at = 0; at < got;) {
      const auto& entry = *reinterpret_cast<const dirent64*>(entries + at);
      at += entry.d_reclen;
      constexpr size_t kFixed = 13 + 8 + 1 + 2;
      const std::string_view name(entry.d_name);
      if (out.size() + kFixed + name.size() > end) {
        is_full = true;
        break;
      }
      Qid qid;
      qid.path = path_of(status.st_dev, entry.d_ino);
      if (entry.d_type == DT_DIR) qid.type = Qid::kDirectory;
      if (entry.d_type == DT_LNK) qid.type = Qid::kSymlink;
      out.put(qid).put(static_cast<uint64_t>(entry.d_off)).put(entry.d_type).put_text(name);
    }
    if (is_full) {
      // Not even one: the room is too small for any.
      if (out.size() == head) return EINVAL;
      break;
    }
  }
  out.patch(head - sizeof(uint32_t), static_cast<uint32_t>(out.size() - head));
  return 0;
}

}  // namespace narwhal::tools::p9
