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
constexpr u32 kHugeSizeMask = 0x3fu << 26;
// Linux puts "memfd:" in front, and both together are a file's name.
constexpr std::string_view kPrefix = "memfd:";
constexpr usize kMaxMemoryName = kMaxName - kPrefix.size();

}  // namespace

SysResult sys::memfd_create(Task& task, UserString name, HexInt flags) {
  u32 known = kCloseOnExec | kAllowSealing | kHugePages;
  if (flags.value & kHugePages) known |= kHugeSizeMask;
  if (flags.value & ~known) return Errno::kInval;

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
  return std::move(fd).commit(std::move(file), flags.value & kCloseOnExec);
}

}  // namespace narwhal
