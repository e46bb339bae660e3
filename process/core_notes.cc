// The notes of a core file: what each thread and the process as a whole were doing.
#include <cstring>

#include "kernel/abi/core.h"
#include "kernel/platform/fpu_layout.h"
#include "process/core_file.h"
#include "process/family.h"
#include "process/memory_layout.h"

namespace narwhal {
namespace {

constexpr std::string_view kCore = "CORE", kLinux = "LINUX";
constexpr usize kLegacyFloatSize = 512;  // FXSAVE
constexpr usize kFeaturesAt = 464;       // of XCR0 in the extended state: sw_reserved

class Notes {
 public:
  Result<> add(abi::Note type, std::string_view owner, std::span<const std::byte> content) {
    const abi::NoteHeader header{u32(owner.size() + 1), u32(content.size()), u32(type)};
    TRY(bytes_.append(std::as_bytes(std::span(&header, 1))));
    TRY(bytes_.append(std::as_bytes(std::span(owner.data(), owner.size()))));
    TRY(bytes_.push_back(std::byte{0}));
    TRY(pad());
    TRY(bytes_.append(content));
    return pad();
  }
  template <typename T>
  Result<> add_object(abi::Note type, const T& object) {
    return add(type, kCore, std::as_bytes(std::span(&object, 1)));
  }
  Vector<std::byte> take() { return std::move(bytes_); }

 private:
  Result<> pad() { return bytes_.resize(align_up(bytes_.size(), 4)); }
  Vector<std::byte> bytes_;
};

template <usize kSize>
void copy_text(char (&to)[kSize], std::string_view text) {
  std::memcpy(to, text.data(), text.size() < kSize ? text.size() : kSize - 1);
}

abi::TimeVal time_of(u64 ns) {
  return {i64(ns / kNanosPerSecond), i64(ns % kNanosPerSecond / kNanosPerMicro)};
}

abi::CoreRegisters registers_of(Task& task) {
  const UserRegs& regs = task.user_regs();
  abi::CoreRegisters out{};
  static_assert(offsetof(abi::CoreRegisters, fs_base) == sizeof regs);
  std::memcpy(&out, &regs, sizeof regs);
  out.fs_base = task.user_context()->fs_base;
  out.gs_base = task.user_context()->gs_base;
  return out;  // DS, ES, FS and GS are zero in programs of 64 bits
}

abi::CoreStatus status_of(Task& task, const abi::SignalInfo& info) {
  Process& process = task.process();
  abi::CoreStatus out{};
  out.signal = out.current_signal = i16(info.number);
  {
    SpinGuard guard(process.signal_lock);
    out.pending = task.signals.pending.set.bits;
    out.held = task.signals.blocked.bits;
  }
  out.pid = i32(task.tid());
  out.parent = i32(process.parent_pid());
  out.group = i32(process.group_id());
  out.session = i32(process.session_id());
  ResourceUsage usage;
  // The first thread stands for all of them.
  if (task.is_leader())
    usage = process.usage();
  else
    usage.add(task);
  out.user_time = time_of(usage.user_ns);
  out.system_time = time_of(usage.system_ns);
  const ResourceUsage children = process.children_usage();
  out.children_user_time = time_of(children.user_ns);
  out.children_system_time = time_of(children.system_ns);
  out.registers = registers_of(task);
  out.float_valid = 1;
  return out;
}

abi::CoreProcess process_of(Task& task) {
  Process& process = task.process();
  const Credentials& who = task.credentials();
  abi::CoreProcess out{};
  out.state_name = 'R';
  out.nice = task.nice;
  out.uid = who.uid;
  out.gid = who.gid;
  out.pid = i32(process.pid());
  out.parent = i32(process.parent_pid());
  out.group = i32(process.group_id());
  out.session = i32(process.session_id());
  copy_text(out.name, task.name());
  const auto& layout = task.memory().layout;
  usize size = layout.args_end - layout.args_start;
  if (size >= sizeof out.arguments) size = sizeof out.arguments - 1;
  size = task.memory().read_memory(layout.args_start,
                                   std::as_writable_bytes(std::span(out.arguments, size)));
  for (usize i = 0; i < size; ++i)
    if (out.arguments[i] == '\0') out.arguments[i] = ' ';
  return out;
}

Result<> add_files(Notes& notes, const CoreMemory& memory) {
  if (memory.files.empty()) return {};
  Vector<std::byte> content;
  const u64 header[] = {memory.files.size(), kPageSize};
  TRY(content.append(std::as_bytes(std::span(header))));
  TRY(content.append(std::as_bytes(std::span(memory.files.data(), memory.files.size()))));
  TRY(content.append(std::as_bytes(std::span(memory.file_names.data(), memory.file_names.size()))));
  return notes.add(abi::Note::kFiles, kCore, content);
}

Result<> add_auxiliary(Notes& notes, AddressSpace& memory) {
  // A program that lost its way may have written over it.
  const auto words = auxiliary_vector(memory);
  if (words.failed(Errno::kIo)) return {};
  if (!words.ok()) return words.error();
  return notes.add(abi::Note::kAuxiliary, kCore,
                   std::as_bytes(std::span(words.value().data(), words.value().size())));
}

Result<> add_float_state(Notes& notes, Task& task) {
  const usize size = platform::fpu_area_size();
  const std::byte* area = task.user_context()->fpu_area;
  TRY(notes.add(abi::Note::kFloatRegisters, kCore, {area, kLegacyFloatSize}));
  if (size <= kLegacyFloatSize) return {};
  Vector<std::byte> copy;
  TRY(copy.append({area, size}));
  const u64 features = platform::fpu_feature_mask();
  std::memcpy(&copy[kFeaturesAt], &features, sizeof features);
  return notes.add(abi::Note::kExtendedState, kLinux, copy);
}

// Without it, a debugger guesses the layout by the size.
Result<> add_float_layout(Notes& notes) {
  platform::FpuComponent parts[platform::kMostFpuComponents];
  const usize count = platform::fpu_layout(parts);
  if (count == 0 || count > platform::kMostFpuComponents) return {};
  return notes.add(abi::Note::kExtendedLayout, kLinux,
                   std::as_bytes(std::span(parts).first(count)));
}

}  // namespace

Result<Vector<std::byte>> make_core_notes(std::span<Task* const> tasks, const abi::SignalInfo& info,
                                          const CoreMemory& memory) {
  Notes notes;
  Task& first = *tasks.front();
  for (Task* task : tasks) {
    TRY(notes.add_object(abi::Note::kStatus, status_of(*task, info)));
    if (task == &first) {
      TRY(notes.add_object(abi::Note::kProcess, process_of(first)));
      TRY(notes.add_object(abi::Note::kSignalInfo, info));
      TRY(add_auxiliary(notes, first.memory()));
      TRY(add_files(notes, memory));
    }
    TRY(add_float_state(notes, *task));
  }
  TRY(add_float_layout(notes));
  return notes.take();
}

}  // namespace narwhal
