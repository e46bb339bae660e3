#include "fs/p9/calls.h"

namespace narwhal::p9 {
namespace {

abi::TimeSpec take_time(Reader& from) {
  const u64 seconds = from.take<u64>();
  return {i64(seconds), i64(from.take<u64>())};
}

void put_time(Call& call, const abi::TimeSpec& time) {
  call.put(u64(time.seconds)).put(u64(time.nanoseconds));
}

Result<> just(Call& call) {
  TRY(call.run());
  return {};
}

}  // namespace

Result<Attributes> get_attributes(const File9& file) {
  constexpr u64 kBasic = 0x7ff;
  Call call(file.session, MessageType::kGetattr);
  call.put(file.fid).put(kBasic);
  Reader answer = TRY(call.run());
  answer.take<u64>();  // which fields are valid: the basic ones always are
  Attributes out;
  out.qid = answer.take_qid();
  out.mode = answer.take<u32>();
  out.uid = answer.take<u32>();
  out.gid = answer.take<u32>();
  out.links = answer.take<u64>();
  out.device = answer.take<u64>();
  out.size = answer.take<u64>();
  out.block_size = answer.take<u64>();
  out.blocks = answer.take<u64>();
  out.accessed = take_time(answer);
  out.modified = take_time(answer);
  out.changed = take_time(answer);
  if (!answer.complete() || i64(out.size) < 0) return Errno::kIo;
  return out;
}

Result<> set_attributes(const File9& file, const AttributeChange& change) {
  constexpr u32 kMode = 1, kUid = 2, kGid = 4, kSize = 8, kAccessed = 16, kModified = 32,
                kAccessedGiven = 128, kModifiedGiven = 256;
  using Change = AttributeChange;
  u32 valid = 0;
  const auto want = [&](u32 field, u32 bits) {
    if (change.fields & field) valid |= bits;
  };
  want(Change::kMode, kMode);
  want(Change::kUid, kUid);
  want(Change::kGid, kGid);
  want(Change::kSize, kSize);
  want(Change::kAccessTime, kAccessed | kAccessedGiven);
  want(Change::kAccessTimeNow, kAccessed);
  want(Change::kModifyTime, kModified | kModifiedGiven);
  want(Change::kModifyTimeNow, kModified);
  Call call(file.session, MessageType::kSetattr);
  call.put(file.fid).put(valid).put(change.mode).put(change.uid).put(change.gid).put(change.size);
  put_time(call, change.accessed);
  put_time(call, change.modified);
  return just(call);
}

Result<> open(const File9& file, Open9 flags) {
  Call call(file.session, MessageType::kOpen);
  call.put(file.fid).put(u32(flags));
  return just(call);
}

Result<> create(const File9& directory, std::string_view name, u32 mode, u32 gid) {
  Call call(directory.session, MessageType::kCreate);
  call.put(directory.fid).put(name);
  call.put(u32(Open9::kReadWrite | Open9::kCreate | Open9::kExclusive)).put(mode).put(gid);
  return just(call);
}

Result<> make_node(const File9& directory, std::string_view name, FileType type, u32 mode,
                   u64 device, u32 gid) {
  if (type == FileType::kDirectory) {
    Call call(directory.session, MessageType::kMkdir);
    call.put(directory.fid).put(name).put(mode).put(gid);
    return just(call);
  }
  Call call(directory.session, MessageType::kMknod);
  call.put(directory.fid).put(name).put(u32(type) | mode);
  call.put(device_major(device)).put(device_minor(device)).put(gid);
  return just(call);
}

Result<> make_symlink(const File9& directory, std::string_view name, std::string_view target,
                      u32 gid) {
  Call call(directory.session, MessageType::kSymlink);
  call.put(directory.fid).put(name).put(target).put(gid);
  return just(call);
}

Result<> link(const File9& directory, std::string_view name, const File9& target) {
  Call call(directory.session, MessageType::kLink);
  call.put(directory.fid).put(target.fid).put(name);
  return just(call);
}

Result<> unlink(const File9& directory, std::string_view name, bool is_directory) {
  constexpr u32 kRemoveDirectory = 0x200;
  Call call(directory.session, MessageType::kUnlinkAt);
  call.put(directory.fid).put(name).put(is_directory ? kRemoveDirectory : 0);
  return just(call);
}

Result<> rename(const File9& from, std::string_view name, const File9& to,
                std::string_view new_name) {
  Call call(from.session, MessageType::kRenameAt);
  call.put(from.fid).put(name).put(to.fid).put(new_name);
  return just(call);
}

Result<String> read_link(const File9& file) {
  Call call(file.session, MessageType::kReadlink);
  call.put(file.fid);
  Reader answer = TRY(call.run());
  const std::string_view target = answer.take_text();
  if (!answer.complete() || target.empty()) return Errno::kIo;
  return String::copy(target);
}

Result<usize> read(const File9& file, u64 offset, usize size, ByteTaker& taker) {
  if (size > file.session.max_data()) size = file.session.max_data();
  Call call(file.session, MessageType::kRead, CallSize::kLong);
  call.put(file.fid).put(offset).put(u32(size));
  Reader answer = TRY(call.run());
  const u32 count = answer.take<u32>();
  const auto bytes = answer.take_bytes(count);
  if (!answer.complete() || count > size) return Errno::kIo;
  if (bytes.empty()) return usize{0};
  return taker.take(offset, {const_cast<std::byte*>(bytes.data()), bytes.size()});
}

Result<usize> read(const File9& file, u64 offset, IoBuffer& to) {
  class Copier final : public ByteTaker {
   public:
    explicit Copier(IoBuffer& to) : to_(to) {}
    Result<usize> take(u64, std::span<std::byte> bytes) override {
      return to_.write(bytes.data(), bytes.size());
    }

   private:
    IoBuffer& to_;
  };
  Copier copier(to);
  return read(file, offset, to.remaining(), copier);
}

Result<usize> write(const File9& file, u64 offset, IoBuffer& from, WriteWatcher* watcher) {
  Call call(file.session, MessageType::kWrite, CallSize::kLong);
  call.put(file.fid).put(offset);
  // The count stands before the bytes, but the program's memory may have fewer than it said.
  auto room = call.writer().rest();
  if (room.size() <= sizeof(u32)) return Errno::kNoMem;
  room = room.subspan(sizeof(u32));
  const usize most = file.session.max_data() < room.size() ? file.session.max_data() : room.size();
  const usize count =
      TRY(from.read(room.data(), from.remaining() < most ? from.remaining() : most));
  call.put(u32(count));
  call.writer().advance(count);
  Reader answer = TRY(call.run());
  const u32 written = answer.take<u32>();
  if (!answer.complete() || written > count) return Errno::kIo;
  if (watcher) watcher->written(offset, room.first(written));
  return usize{written};
}

Result<> sync(const File9& file, bool data_only) {
  Call call(file.session, MessageType::kFsync);
  call.put(file.fid).put(u32(data_only));
  return just(call);
}

Result<bool> read_entries(const File9& directory, u64& cookie, EntrySink& sink) {
  Call call(directory.session, MessageType::kReaddir, CallSize::kLong);
  call.put(directory.fid).put(cookie).put(u32(directory.session.max_data()));
  Reader answer = TRY(call.run());
  const u32 size = answer.take<u32>();
  Reader entries(answer.take_bytes(size));
  if (!answer.complete()) return Errno::kIo;
  if (entries.empty()) return false;
  constexpr u32 kTypeShift = 12;  // DT_DIR and the like are the upper bits of a mode
  while (!entries.empty()) {
    const Qid qid = entries.take_qid();
    cookie = entries.take<u64>();
    const u8 type = entries.take<u8>();
    const std::string_view name = entries.take_text();
    if (!entries.complete()) return Errno::kIo;
    if (name == "." || name == "..") continue;
    TRY(sink.entry(name, qid.path, FileType(type << kTypeShift)));
  }
  return true;
}

Result<FileSystem::Usage> usage(const File9& file) {
  Call call(file.session, MessageType::kStatfs);
  call.put(file.fid);
  Reader answer = TRY(call.run());
  constexpr i64 kMagic = 0x01021997;  // V9FS_MAGIC, as Linux shows such a file system
  answer.take<u32>();
  FileSystem::Usage out;
  out.magic = kMagic;
  out.block_size = answer.take<u32>();
  out.blocks = answer.take<u64>();
  answer.take<u64>();  // free for root; what others may use is what counts
  out.blocks_free = answer.take<u64>();
  out.files = answer.take<u64>();
  out.files_free = answer.take<u64>();
  if (!answer.complete()) return Errno::kIo;
  return out;
}

Result<usize> get_xattr(const File9& file, std::string_view name, std::span<std::byte> out) {
  Session& session = file.session;
  Fid number = TRY(session.new_fid());
  u64 size;
  {
    Call call(session, MessageType::kXattrWalk);
    call.put(file.fid).put(number).put(name);
    auto answer = call.run();
    if (!answer.ok()) {
      Session::forget(number);
      return answer.error();
    }
    size = answer.value().take<u64>();
  }
  const File9 value(session, std::move(number));
  if (out.empty()) return usize(size);
  if (size > out.size()) return Errno::kRange;
  usize done = 0;
  while (done < size) {
    IoBuffer buffer(out.subspan(done, size - done));
    const usize moved = TRY(read(value, done, buffer));
    if (moved == 0) break;
    done += moved;
  }
  return done;
}

// The value is set, or found wanting, when the number that it was written to is given up.
Result<> set_xattr(const File9& file, std::string_view name, std::span<const std::byte> value,
                   int flags) {
  Session& session = file.session;
  Qid qid;
  Fid number = TRY(session.walk(file.fid, "", qid));
  {
    Call call(session, MessageType::kXattrCreate);
    call.put(number).put(name).put(u64(value.size())).put(u32(flags));
    TRY(just(call));
  }
  File9 target(session, std::move(number));
  for (usize done = 0; done < value.size();) {
    IoBuffer buffer(value.subspan(done));
    const usize moved = TRY(write(target, done, buffer, nullptr));
    if (moved == 0) return Errno::kIo;
    done += moved;
  }
  return session.close(std::move(target.fid));
}

}  // namespace narwhal::p9
