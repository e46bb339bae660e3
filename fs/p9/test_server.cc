#include "fs/p9/test_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace narwhal::p9 {

long TestServer::check(long result) {
  if (result < 0) throw Failure{errno};
  return result;
}

TestServer::File& TestServer::file(u32 number) {
  const auto at = files_.find(number);
  if (at == files_.end()) throw Failure{EBADF};
  return at->second;
}

// dfid[4] name[s] -> a path
std::string TestServer::child(Reader& in) {
  const std::string& directory = file(in.take<u32>()).path;
  return directory + "/" + std::string(in.take_text());
}

void TestServer::put_qid(Writer& out, const std::string& path) {
  struct stat status;
  check(lstat(path.c_str(), &status));
  out.put(S_ISDIR(status.st_mode) ? Qid::kDirectory : u8{0});
  out.put(u32(status.st_mtime));
  out.put(u64(status.st_ino));
}

Result<usize> TestServer::exchange(std::span<const std::byte> message,
                                   std::span<std::byte> answer) {
  ++messages;
  Reader in(message);
  const u32 size = in.take<u32>();
  auto type = in.take<u8>();
  u16 tag = in.take<u16>();
  if (size != message.size()) return Errno::kIo;
  const Fault wrong = std::exchange(fault, Fault::kNone);
  if (wrong == Fault::kWrongTag) ++tag;
  Writer out(answer, MessageType(wrong == Fault::kWrongType ? type + 3 : type + 1), tag);
  try {
    answer_to(MessageType(type), in, out);
  } catch (const Failure& failure) {
    out = Writer(answer, MessageType(u8(MessageType::kError) + 1), tag);
    out.put(u32(failure.error));
  }
  if (wrong == Fault::kNoError) {
    out = Writer(answer, MessageType(u8(MessageType::kError) + 1), tag);
    out.put(u32{0});
  }
  if (wrong == Fault::kHugeCount) {
    out = Writer(answer, MessageType(type + 1), tag);
    out.put(~u32{0});
  }
  const usize length = TRY(out.finish()).size();
  return wrong == Fault::kCutShort ? length - 1 : length;
}

void TestServer::answer_to(MessageType type, Reader& in, Writer& out) {
  switch (type) {
    case MessageType::kVersion:
      out.put(in.take<u32>());
      out.put_text(in.take_text());
      return;
    case MessageType::kAttach:
      files_[in.take<u32>()].path = folder_;
      return put_qid(out, folder_);
    case MessageType::kWalk:
      return walk(in, out);
    case MessageType::kClunk:
      return clunk(in.take<u32>());
    case MessageType::kGetattr:
      return attributes(in, out);
    case MessageType::kSetattr:
      return change_attributes(in);
    case MessageType::kOpen: {
      File& opened = file(in.take<u32>());
      opened.fd = int(check(::open(opened.path.c_str(), int(in.take<u32>()) | O_NOFOLLOW)));
      put_qid(out, opened.path);
      out.put(u32{0});
      return;
    }
    case MessageType::kCreate: {
      File& made = file(in.take<u32>());
      const std::string path = made.path + "/" + std::string(in.take_text());
      const u32 flags = in.take<u32>();
      made.fd = int(check(::open(path.c_str(), int(flags), in.take<u32>())));
      made.path = path;
      put_qid(out, path);
      out.put(u32{0});
      return;
    }
    case MessageType::kMkdir: {
      const std::string path = child(in);
      check(mkdir(path.c_str(), in.take<u32>()));
      return put_qid(out, path);
    }
    case MessageType::kMknod: {
      const std::string path = child(in);
      const u32 mode = in.take<u32>(), major = in.take<u32>();
      check(mknod(path.c_str(), mode, makedev(major, in.take<u32>())));
      return put_qid(out, path);
    }
    case MessageType::kSymlink: {
      const std::string path = child(in);
      check(symlink(std::string(in.take_text()).c_str(), path.c_str()));
      return put_qid(out, path);
    }
    case MessageType::kLink: {
      const u32 directory = in.take<u32>();
      const std::string from = file(in.take<u32>()).path;
      const std::string to = file(directory).path + "/" + std::string(in.take_text());
      check(link(from.c_str(), to.c_str()));
      return;
    }
    case MessageType::kUnlinkAt: {
      const std::string path = child(in);
      check(unlinkat(AT_FDCWD, path.c_str(), int(in.take<u32>())));
      return;
    }
    case MessageType::kRenameAt: {
      const std::string from = child(in), to = child(in);
      check(rename(from.c_str(), to.c_str()));
      // Numbers that stand for the old path stand for the new one.
      for (auto& [number, each] : files_)
        if (each.path == from || each.path.starts_with(from + "/"))
          each.path = to + each.path.substr(from.size());
      return;
    }
    case MessageType::kReadlink: {
      char target[4096];
      const long size = check(readlink(file(in.take<u32>()).path.c_str(), target, sizeof target));
      return out.put_text({target, usize(size)});
    }
    case MessageType::kRead:
      return read(in, out);
    case MessageType::kWrite:
      return write(in, out);
    case MessageType::kFsync:
      check(fsync(file(in.take<u32>()).fd));
      return;
    case MessageType::kReaddir:
      return read_directory(in, out);
    case MessageType::kStatfs: {
      struct statfs usage;
      check(statfs(file(in.take<u32>()).path.c_str(), &usage));
      out.put(u32(usage.f_type));
      out.put(u32(usage.f_bsize));
      for (u64 value : {u64(usage.f_blocks), u64(usage.f_bfree), u64(usage.f_bavail),
                        u64(usage.f_files), u64(usage.f_ffree), u64{0}})
        out.put(value);
      out.put(u32{255});
      return;
    }
    default:
      return attribute_calls(type, in, out);
  }
}

void TestServer::walk(Reader& in, Writer& out) {
  const std::string from = file(in.take<u32>()).path;
  const u32 number = in.take<u32>();
  const u16 names = in.take<u16>();
  const std::string path = names == 0 ? from : from + "/" + std::string(in.take_text());
  struct stat status;
  check(lstat(path.c_str(), &status));
  out.put(names);
  if (names != 0) put_qid(out, path);
  files_[number].path = path;
}

void TestServer::clunk(u32 number) {
  File ended = file(number);
  files_.erase(number);
  if (ended.fd >= 0) close(ended.fd);
  if (!ended.writes_attribute) return;
  if (ended.attribute.empty())
    check(lremovexattr(ended.path.c_str(), ended.attribute_name.c_str()));
  else
    check(lsetxattr(ended.path.c_str(), ended.attribute_name.c_str(), ended.attribute.data(),
                    ended.attribute.size(), 0));
}

void TestServer::attributes(Reader& in, Writer& out) {
  const File& of = file(in.take<u32>());
  struct stat status;
  check(of.fd >= 0 ? fstat(of.fd, &status) : lstat(of.path.c_str(), &status));
  out.put(u64{0x7ff});
  out.put(S_ISDIR(status.st_mode) ? Qid::kDirectory : u8{0});
  out.put(u32(status.st_mtime));
  out.put(u64(status.st_ino));
  for (u32 value : {status.st_mode, status.st_uid, status.st_gid}) out.put(value);
  for (u64 value : {u64(status.st_nlink), u64(status.st_rdev), u64(status.st_size),
                    u64(status.st_blksize), u64(status.st_blocks)})
    out.put(value);
  for (const timespec& time : {status.st_atim, status.st_mtim, status.st_ctim}) {
    out.put(u64(time.tv_sec));
    out.put(u64(time.tv_nsec));
  }
  for (int i = 0; i < 4; ++i) out.put(u64{0});
}

void TestServer::change_attributes(Reader& in) {
  const std::string path = file(in.take<u32>()).path;
  const u32 valid = in.take<u32>(), mode = in.take<u32>(), uid = in.take<u32>();
  const u32 gid = in.take<u32>();
  const u64 size = in.take<u64>();
  if (valid & 1) check(chmod(path.c_str(), mode));
  if (valid & 6) lchown(path.c_str(), valid & 2 ? uid : -1, valid & 4 ? gid : -1);
  if (valid & 8) check(::truncate(path.c_str(), off_t(size)));
  timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
  for (u32 i = 0; i < 2; ++i) {
    const timespec given{time_t(in.take<u64>()), long(in.take<u64>())};
    if (valid & 16u << i) times[i] = valid & 128u << i ? given : timespec{0, UTIME_NOW};
  }
  check(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW));
}

void TestServer::read(Reader& in, Writer& out) {
  const File& from = file(in.take<u32>());
  const u64 offset = in.take<u64>();
  std::vector<char> bytes(in.take<u32>());
  if (from.fd >= 0) {
    bytes.resize(usize(check(pread(from.fd, bytes.data(), bytes.size(), off_t(offset)))));
  } else {
    const auto& attribute = from.attribute;
    if (offset > attribute.size()) throw Failure{EINVAL};
    const usize left = attribute.size() - offset;
    bytes.assign(attribute.begin() + long(offset),
                 attribute.begin() + long(offset + std::min(left, bytes.size())));
  }
  out.put(u32(bytes.size()));
  out.put_bytes(std::as_bytes(std::span(bytes)));
}

void TestServer::write(Reader& in, Writer& out) {
  File& to = file(in.take<u32>());
  const u64 offset = in.take<u64>();
  const u32 count = in.take<u32>();
  const auto bytes = in.take_bytes(count);
  if (to.writes_attribute) {
    for (std::byte byte : bytes) to.attribute.push_back(char(byte));
    return out.put(count);
  }
  out.put(u32(check(pwrite(to.fd, bytes.data(), bytes.size(), off_t(offset)))));
}

// A few entries in each answer, so that tests of small directories take several.
void TestServer::read_directory(Reader& in, Writer& out) {
  const File& directory = file(in.take<u32>());
  const u64 offset = in.take<u64>();
  std::vector<std::byte> entries(1000);
  usize used = 0;
  DIR* open = opendir(directory.path.c_str());
  if (open == nullptr) throw Failure{errno};
  u64 place = 0;
  int given = 0;
  while (const dirent* entry = readdir(open)) {
    if (place++ < offset || given == 3) continue;
    ++given;
    Writer one(std::span(entries).subspan(used), MessageType::kError, 0);
    one.put(u8{0});
    one.put(u32{0});
    one.put(u64(entry->d_ino));
    one.put(place);
    one.put(u8(entry->d_type));
    one.put_text(entry->d_name);
    // The writer has put a message's head before them.
    const usize size = one.finish().value().size() - kHeadSize;
    std::memmove(entries.data() + used, entries.data() + used + kHeadSize, size);
    used += size;
  }
  closedir(open);
  out.put(u32(used));
  out.put_bytes(std::span(entries).first(used));
}

void TestServer::attribute_calls(MessageType type, Reader& in, Writer& out) {
  if (type == MessageType::kXattrWalk) {
    const std::string path = file(in.take<u32>()).path;
    const u32 number = in.take<u32>();
    const std::string name(in.take_text());
    std::vector<char> value(65536);
    const long size =
        check(name.empty() ? llistxattr(path.c_str(), value.data(), value.size())
                           : lgetxattr(path.c_str(), name.c_str(), value.data(), value.size()));
    value.resize(usize(size));
    files_[number].attribute = value;
    return out.put(u64(size));
  }
  if (type == MessageType::kXattrCreate) {
    File& to = file(in.take<u32>());
    to.attribute_name = in.take_text();
    to.writes_attribute = true;
    return;
  }
  throw Failure{EOPNOTSUPP};
}

}  // namespace narwhal::p9
