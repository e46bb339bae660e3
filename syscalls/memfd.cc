// memfd_create(2).
#include "fs/tmpfs/tmpfs.h"
#include "kernel/abi/resource.h"
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr u32 kCloseOnExec = 1;
constexpr u32 kAllowSealing = 2;
constexpr u32 kHugePages = 4;
constexpr u32 kNoExecSeal = 8;
constexpr u32 kExec = 16;
constexpr u32 kHugeSizeMask = 0x3fu << 26;
// Linux puts "memfd:" in front, and both together are a file's name.
constexpr std::string_view kPrefix = "memfd:";
constexpr usize kMaxMemoryName = kMaxName - kPrefix.size();

// Whether it is made so that nobody executes it, by the flags, or where they do not say by
// /proc/sys/vm/memfd_noexec. EACCES where that wants it so of all.
Result<bool> no_execution(u32 flags) {
  constexpr u32 kUnlessSaid = 1, kEnforced = 2;
  const u32 setting = memory_file_execution.load();
  if (flags & kNoExecSeal) return true;
  if (!(flags & kExec) && setting >= kUnlessSaid) return true;
  if (setting >= kEnforced) return Errno::kAcces;
  return false;
}

}  // namespace

SysResult sys::memfd_create(Task& task, UserString name, HexInt flags) {
  u32 known = kCloseOnExec | kAllowSealing | kHugePages | kNoExecSeal | kExec;
  if (flags.value & kHugePages) known |= kHugeSizeMask;
  if (flags.value & ~known) return Errno::kInval;
  if ((flags.value & kNoExecSeal) && (flags.value & kExec)) return Errno::kInval;
  const bool sealed = TRY(no_execution(flags.value));

  char text[kPrefix.size() + kMaxMemoryName + 1];
  std::memcpy(text, kPrefix.data(), kPrefix.size());
  auto given = name.load(std::span(text).subspan(kPrefix.size()));
  if (given.failed(Errno::kNameTooLong)) return Errno::kInval;
  if (!given.ok()) return given.error();
  // As a Linux that was built without them.
  if (flags.value & kHugePages) return Errno::kNoSys;

  auto fd = TRY(task.files().reserve(task.process().soft_limit(abi::kLimitOpenFiles)));
  auto file =
      TRY(create_memory_file({text, kPrefix.size() + given.value().size()}, OpenFlags::kReadWrite,
                             flags.value & kAllowSealing, task.credentials()));
  if (sealed) seal_against_execution(*file);
  return std::move(fd).commit(std::move(file), flags.value & kCloseOnExec);
}

}  // namespace narwhal
