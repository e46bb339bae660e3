#include "syscalls/prctl_memory.h"

#include <cstring>

#include "fs/core/inode.h"
#include "kernel/abi/resource.h"
#include "loader/program.h"
#include "process/memory_layout.h"

namespace narwhal {
namespace {

// struct prctl_mm_map.
struct MemoryMap {
  u64 code_start, code_end, data_start, data_end;
  u64 heap_start, heap_end;
  u64 stack_start;
  u64 args_start, args_end, env_start, env_end;
  u64 auxiliary;
  u32 auxiliary_size;
  i32 executable;
};
static_assert(sizeof(MemoryMap) == 104);

// PR_SET_MM_*.
enum Part : u64 {
  kCodeStart = 1,
  kCodeEnd = 2,
  kDataStart = 3,
  kDataEnd = 4,
  kStackStart = 5,
  kHeapStart = 6,
  kHeapEnd = 7,
  kArgsStart = 8,
  kArgsEnd = 9,
  kEnvStart = 10,
  kEnvEnd = 11,
  kAuxiliary = 12,
  kExecutable = 13,
  kMap = 14,
  kMapSize = 15,
};

// How many words Linux keeps of an auxiliary vector.
constexpr usize kAuxiliaryWords = 56;
constexpr usize kAuxiliarySize = kAuxiliaryWords * sizeof(u64);

MemoryMap current_map(AddressSpace& memory) {
  const auto& layout = memory.layout;
  const AddressSpace::Heap heap = memory.heap();
  MemoryMap map{};
  map.code_start = layout.code_start.value;
  map.code_end = layout.code_end.value;
  map.data_start = layout.data_start.value;
  map.data_end = layout.data_end.value;
  map.heap_start = heap.start.value;
  map.heap_end = heap.end.value;
  map.stack_start = layout.stack_start.value;
  map.args_start = layout.args_start.value;
  map.args_end = layout.args_end.value;
  map.env_start = layout.env_start.value;
  map.env_end = layout.env_end.value;
  return map;
}

u64* part_of(MemoryMap& map, u64 what) {
  switch (what) {
    case kCodeStart:
      return &map.code_start;
    case kCodeEnd:
      return &map.code_end;
    case kDataStart:
      return &map.data_start;
    case kDataEnd:
      return &map.data_end;
    case kStackStart:
      return &map.stack_start;
    case kHeapStart:
      return &map.heap_start;
    case kHeapEnd:
      return &map.heap_end;
    case kArgsStart:
      return &map.args_start;
    case kArgsEnd:
      return &map.args_end;
    case kEnvStart:
      return &map.env_start;
    case kEnvEnd:
      return &map.env_end;
    default:
      return nullptr;
  }
}

bool in_user_memory(u64 address) {
  return address >= kUserMin.value && address < kUserEnd.value;
}

Result<> check_map(const Task& task, const MemoryMap& map) {
  for (const u64 address :
       {map.code_start, map.code_end, map.data_start, map.data_end, map.heap_start, map.heap_end,
        map.stack_start, map.args_start, map.args_end, map.env_start, map.env_end})
    if (!in_user_memory(address)) return Errno::kInval;
  if (map.code_start >= map.code_end || map.data_start > map.data_end ||
      map.heap_start > map.heap_end || map.args_start > map.args_end || map.env_start > map.env_end)
    return Errno::kInval;
  const u64 data = (map.heap_end - map.heap_start) + (map.data_end - map.data_start);
  if (data > task.process().soft_limit(abi::kLimitData)) return Errno::kInval;
  return {};
}

void set_map(AddressSpace& memory, const MemoryMap& map) {
  auto& layout = memory.layout;
  layout.code_start = UserAddr(map.code_start);
  layout.code_end = UserAddr(map.code_end);
  layout.data_start = UserAddr(map.data_start);
  layout.data_end = UserAddr(map.data_end);
  layout.heap_start = UserAddr(map.heap_start);
  layout.stack_start = UserAddr(map.stack_start);
  layout.args_start = UserAddr(map.args_start);
  layout.args_end = UserAddr(map.args_end);
  layout.env_start = UserAddr(map.env_start);
  layout.env_end = UserAddr(map.env_end);
  memory.set_heap(UserAddr(map.heap_start), UserAddr(map.heap_end));
}

// What the program says replaces the whole; the last pair is always the end. EFAULT.
Result<> set_auxiliary(AddressSpace& memory, UserAddr from, u64 size) {
  u64 words[kAuxiliaryWords] = {};
  if (platform::copy_from_user(words, from, size) != 0) return Errno::kFault;
  words[kAuxiliaryWords - 2] = words[kAuxiliaryWords - 1] = 0;
  usize used = 0;
  while (words[used] != 0) used += 2;
  return memory.set_auxiliary_words({words, used + 2});
}

// Whether something of the file is mapped.
bool is_mapped(AddressSpace& memory, const Inode& inode) {
  struct Search {
    u64 device, number;
    bool found = false;
    char scratch[1] = {};
  } search{inode.file_system().device(), inode.number()};
  memory.for_each_mapping(
      [](const AddressSpace::MappingInfo& info, void* argument) {
        auto& s = *static_cast<Search*>(argument);
        if (!info.source) return;
        TextSink path(s.scratch, sizeof s.scratch);
        u64 device = 0, number = 0;
        info.source->describe(path, device, number);
        s.found |= device == s.device && number == s.number;
      },
      &search, false);
  return search.found;
}

Result<> set_executable(Task& task, i32 fd) {
  const FileRef file = TRY(task.files().get(fd));
  const Path* place = file->path();
  if (!place || !file->inode()->is_regular() || has(place->mount->flags(), MountFlags::kNoExecute))
    return Errno::kAcces;
  TRY(vfs::check_access(task.credentials(), *place, vfs::kMayExecute));
  // The old one must have been left behind.
  if (const Path old = task.process().executable();
      old && is_mapped(task.memory(), old.dentry->inode()))
    return Errno::kBusy;
  auto denial = deny_writing(place->dentry->inode_ref());
  if (denial.failed(Errno::kTxtBsy)) return Errno::kAcces;
  task.process().set_executable(*place, TRY(std::move(denial)));
  return {};
}

SysResult set_whole_map(Task& task, UserAddr address, u64 size) {
  if (size != sizeof(MemoryMap)) return Errno::kInval;
  const auto map = TRY(load_user<MemoryMap>(address));
  TRY(check_map(task, map));
  if (map.auxiliary_size != 0 && (map.auxiliary == 0 || map.auxiliary_size > kAuxiliarySize))
    return Errno::kInval;
  if (map.executable != -1) {
    const Credentials& who = task.credentials();
    if (!who.capable(Capability::kCheckpointRestore) && !who.capable(Capability::kSysAdmin))
      return Errno::kPerm;
    TRY(set_executable(task, map.executable));
  }
  if (map.auxiliary_size != 0)
    TRY(set_auxiliary(task.memory(), UserAddr(map.auxiliary), map.auxiliary_size));
  set_map(task.memory(), map);
  return i64{0};
}

SysResult set_part(Task& task, u64 what, u64 address) {
  if (!in_user_memory(address)) return Errno::kInval;
  MemoryMap map = current_map(task.memory());
  u64* part = part_of(map, what);
  if (!part) return Errno::kInval;
  *part = address;
  TRY(check_map(task, map));
  const bool on_stack = what == kStackStart || (what >= kArgsStart && what <= kEnvEnd);
  if (on_stack && !task.memory().maps_above(UserAddr(address))) return Errno::kFault;
  set_map(task.memory(), map);
  return i64{0};
}

}  // namespace

SysResult set_memory_map(Task& task, u64 what, u64 argument, u64 size, u64 last) {
  const bool sized = what == kAuxiliary || what == kMap || what == kMapSize;
  if (last != 0 || (size != 0 && !sized)) return Errno::kInval;
  if (what == kMapSize) {
    TRY(store_user(UserAddr(argument), u32{sizeof(MemoryMap)}));
    return i64{0};
  }
  if (what == kMap) return set_whole_map(task, UserAddr(argument), size);
  if (!task.credentials().capable(Capability::kSysResource)) return Errno::kPerm;
  if (what == kExecutable) {
    TRY(set_executable(task, i32(u32(argument))));
    return i64{0};
  }
  if (what == kAuxiliary) {
    if (size > kAuxiliarySize) return Errno::kInval;
    TRY(set_auxiliary(task.memory(), UserAddr(argument), size));
    return i64{0};
  }
  return set_part(task, what, argument);
}

SysResult get_auxiliary_vector(Task& task, UserAddr out, u64 size) {
  const Vector<u64> words = TRY(auxiliary_vector(task.memory()));
  u64 whole[kAuxiliaryWords] = {};
  const usize used = words.size() < kAuxiliaryWords ? words.size() : kAuxiliaryWords;
  std::memcpy(whole, words.data(), used * sizeof(u64));
  const usize wanted = size < kAuxiliarySize ? usize(size) : kAuxiliarySize;
  if (platform::copy_to_user(out, whole, wanted) != 0) return Errno::kFault;
  return i64{kAuxiliarySize};
}

SysResult set_memory_attribute(Task& task, u64 what, UserAddr start, u64 size, UserAddr value) {
  constexpr u64 kAnonymousName = 0;  // PR_SET_VMA_ANON_NAME
  constexpr usize kMostName = 79;
  if (what != kAnonymousName) return Errno::kInval;
  Ref<MappingName> name;
  if (value.value != 0) {
    char text[kMostName + 1];
    auto length = platform::copy_string_from_user(text, value, sizeof text);
    if (length.failed(Errno::kNameTooLong)) return Errno::kInval;
    const std::string_view given(text, TRY(length));
    for (const char c : given)
      if (c < ' ' || c > '~' || std::string_view("\\`$[]").find(c) != std::string_view::npos)
        return Errno::kInval;
    name = TRY(make_ref<MappingName>(TRY(String::copy(given))));
  }
  TRY(task.memory().set_name(start, size, std::move(name)));
  return i64{0};
}

SysResult set_write_exec_rule(Task& task, u64 rule) {
  using Memory = AddressSpace;
  if (rule & ~u64{Memory::kRefuseExecGain | Memory::kDoNotInherit}) return Errno::kInval;
  if (rule == Memory::kDoNotInherit) return Errno::kInval;
  TRY(task.memory().set_write_exec_rule(u8(rule)));
  return i64{0};
}

}  // namespace narwhal
