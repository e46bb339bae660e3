// Control messages of sendmsg(2) and recvmsg(2): cmsg(3), and SOL_SOCKET's in unix(7).
#include <cstring>

#include "kernel/abi/resource.h"
#include "process/pid_table.h"
#include "syscalls/socket_calls.h"

namespace narwhal {
namespace {

constexpr usize kHeader = sizeof(abi::ControlHeader);

constexpr usize aligned(usize length) {
  return align_up(length, sizeof(u64));
}

Result<> add_files(Task& task, std::span<const std::byte> data, Vector<FileRef>& files) {
  const usize count = data.size() / sizeof(i32);
  if (files.size() + count > abi::kScmMostFiles) return Errno::kInval;
  TRY(files.reserve(files.size() + count));
  for (usize i = 0; i < count; ++i) {
    i32 fd;
    std::memcpy(&fd, data.data() + i * sizeof fd, sizeof fd);
    TRY(files.push_back(TRY(task.files().get_any(fd))));
  }
  return {};
}

// unix(7): what a process may say about itself without privilege.
Result<> check_credentials(Task& task, const ControlData::Ids& ids) {
  const Credentials& who = task.credentials();
  const bool own_pid = ids.pid == i32(task.process().pid());
  const bool own_uid = ids.uid == who.uid || ids.uid == who.euid || ids.uid == who.suid;
  const bool own_gid = ids.gid == who.gid || ids.gid == who.egid || ids.gid == who.sgid;
  if (!own_pid && !who.capable(Capability::kSysAdmin)) return Errno::kPerm;
  if (!own_uid && !who.capable(Capability::kSetuid)) return Errno::kPerm;
  if (!own_gid && !who.capable(Capability::kSetgid)) return Errno::kPerm;
  if (!own_pid && (ids.pid <= 0 || !find_process(u32(ids.pid)))) return Errno::kSrch;
  if (ids.uid == ~0u || ids.gid == ~0u) return Errno::kInval;
  return {};
}

Result<> parse_one(Task& task, const Socket& socket, const abi::ControlHeader& header,
                   std::span<const std::byte> data, ControlData& out) {
  // Families that carry descriptors and credentials; the others pass over them.
  const bool local = socket.family() == abi::kAfUnix || socket.family() == abi::kAfNetlink;
  if (header.level == abi::kSolSocket && header.type == abi::kScmRights) {
    if (!local) return {};
    if (socket.family() != abi::kAfUnix) return Errno::kInval;
    return add_files(task, data, out.files);
  }
  if (header.level == abi::kSolSocket && header.type == abi::kScmCredentials) {
    if (!local) return {};
    if (data.size() != sizeof(abi::PeerCredentials)) return Errno::kInval;
    std::memcpy(&out.credentials, data.data(), sizeof out.credentials);
    TRY(check_credentials(task, out.credentials));
    out.has_credentials = true;
    return {};
  }
  if (local) return header.level == abi::kSolSocket ? Result<>(Errno::kInval) : Result<>();
  ControlData::Raw raw{header.level, header.type, u8(data.size()), {}};
  if (data.size() > sizeof raw.data) return Errno::kInval;
  std::memcpy(raw.data, data.data(), data.size());
  return out.raw.push_back(raw);
}

// Stores one message, cut to the room there is.
void store_raw(i32 level, i32 type, std::span<const std::byte> data, ControlSpace& space,
               u32& result_flags) {
  if (space.left < kHeader) {
    result_flags |= abi::kMsgControlTruncated;
    return;
  }
  usize length = kHeader + data.size();
  if (length > space.left) {
    result_flags |= abi::kMsgControlTruncated;
    length = space.left;
  }
  const abi::ControlHeader header{length, level, type};
  // As on Linux a bad address only loses the message.
  if (!store_user(space.at, header).ok() ||
      platform::copy_to_user(space.at + kHeader, data.data(), length - kHeader) != 0)
    return;
  usize taken = aligned(kHeader + data.size());
  if (taken > space.left) taken = space.left;
  space.at += taken;
  space.left -= taken;
}

void store_files(Task& task, ControlData& control, bool close_on_exec, ControlSpace& space,
                 u32& result_flags) {
  const usize room = space.left <= kHeader ? 0 : (space.left - kHeader) / sizeof(i32);
  const u64 limit = task.process().soft_limit(abi::kLimitOpenFiles);
  usize done = 0;
  while (done < room && done < control.files.size()) {
    auto fd = task.files().reserve(limit);
    if (!fd.ok()) break;
    auto reserved = fd.take();
    if (!store_user(space.at + kHeader + done * sizeof(i32), i32(reserved.number())).ok()) break;
    std::move(reserved).commit(std::move(control.files[done]), close_on_exec);
    ++done;
  }
  if (done < control.files.size()) result_flags |= abi::kMsgControlTruncated;
  if (done == 0) return;
  const usize length = kHeader + done * sizeof(i32);
  const abi::ControlHeader header{length, abi::kSolSocket, abi::kScmRights};
  if (!store_user(space.at, header).ok()) return;
  const usize taken = aligned(length) < space.left ? aligned(length) : space.left;
  space.at += taken;
  space.left -= taken;
}

}  // namespace

Result<> parse_control(Task& task, const Socket& socket, std::span<const std::byte> bytes,
                       ControlData& out) {
  usize at = 0;
  while (at <= bytes.size() && bytes.size() - at >= kHeader) {
    abi::ControlHeader header;
    std::memcpy(&header, bytes.data() + at, kHeader);
    if (header.length < kHeader || header.length > bytes.size() - at) return Errno::kInval;
    TRY(parse_one(task, socket, header, bytes.subspan(at + kHeader, usize(header.length) - kHeader),
                  out));
    at += aligned(usize(header.length));
  }
  return {};
}

void store_control(Task& task, ControlData& control, bool close_on_exec, ControlSpace& space,
                   u32& result_flags) {
  for (const ControlData::Raw& raw : control.raw)
    store_raw(raw.level, raw.type, std::as_bytes(std::span(raw.data, raw.length)), space,
              result_flags);
  if (control.has_credentials)
    store_raw(abi::kSolSocket, abi::kScmCredentials,
              std::as_bytes(std::span(&control.credentials, 1)), space, result_flags);
  if (!control.files.empty()) store_files(task, control, close_on_exec, space, result_flags);
}

}  // namespace narwhal
