#include "loader/program.h"

#include <cstring>

#include "kernel/platform/context.h"
#include "loader/image.h"
#include "loader/script.h"
#include "loader/stack.h"
#include "loader/vdso/vdso.h"

namespace narwhal {
namespace {

constexpr int kMaxScripts = 5;
constexpr u64 kClockTicks = 100;  // USER_HZ
// Linux's ELF_ET_DYN_BASE: two thirds of the address space.
constexpr u64 kProgramBase = 0x5555'5555'4000;
constexpr u64 kStackTop = kUserEnd.value;
constexpr u64 kStackRandomPages = u64{1} << 22;
constexpr u64 kMmapRandomPages = u64{1} << 28;
constexpr u64 kHeapRandomPages = 32 * kMiB / kPageSize;
constexpr u64 kStackGuardGap = kMiB;

// Numbers for address-space randomisation; all zero when it is off.
class Randomness {
 public:
  explicit Randomness(const LoadOptions& options) : options_(options) {}
  u64 pages(u64 below) {
    if (!options_.randomize || !options_.random) return 0;
    u64 value = 0;
    options_.random(std::as_writable_bytes(std::span(&value, 1)));
    return value % below * kPageSize;
  }

 private:
  const LoadOptions& options_;
};

// Execution and writing exclude each other (ETXTBSY) while this lives.
class WriteDenial final : public RefCounted {
 public:
  static Result<Ref<RefCounted>> take(Ref<Inode> inode) {
    auto denial = TRY(make_ref<WriteDenial>());
    TRY(inode->deny_writing());
    denial->inode_ = std::move(inode);
    return Ref<RefCounted>(std::move(denial));
  }
  ~WriteDenial() override {
    if (inode_) inode_->allow_writing();
  }

 private:
  Ref<Inode> inode_;
};

// Opens for execution: rights are those to execute, which need not include reading.
struct Executable {
  Path path;
  FileRef file;
  Ref<RefCounted> write_denial;
};
Result<Executable> open_executable(const vfs::Actor& actor, const Path& start,
                                   std::string_view name) {
  Executable executable;
  executable.path =
      TRY(vfs::lookup(actor, start, name, LookupFlags::kFollow | LookupFlags::kEmptyPath));
  Inode& inode = executable.path.dentry->inode();
  if (!inode.is_regular()) return Errno::kAcces;
  TRY(vfs::check_access(actor.who, executable.path, vfs::kMayExecute));
  executable.write_denial = TRY(WriteDenial::take(executable.path.dentry->inode_ref()));
  executable.file = TRY(inode.open(executable.path, OpenFlags::kReadOnly));
  return executable;
}

Result<> check_arguments(const ProgramArguments& arguments, const LoadOptions& options) {
  constexpr u64 kMost = 6 * kMiB;         // three quarters of the default stack
  constexpr u64 kLeast = 32 * kPageSize;  // ARG_MAX as POSIX knew it
  u64 limit = options.stack_limit / 4;
  if (limit > kMost) limit = kMost;
  if (limit < kLeast) limit = kLeast;
  u64 total = 0;
  for (const auto* strings : {&arguments.argv, &arguments.envp})
    for (const String& s : *strings) {
      if (s.size() + 1 > kMaxArgumentLength) return Errno::kTooBig;
      total += s.size() + 1 + sizeof(u64);
    }
  return total > limit ? Result<>(Errno::kTooBig) : Result<>();
}

// argv of a script: interpreter, its one argument, the script's name, and what came after argv[0].
Result<> prepend_interpreter(ProgramArguments& arguments, const ScriptLine& line,
                             std::string_view script) {
  Vector<String> argv;
  TRY(argv.push_back(TRY(String::copy(line.interpreter))));
  if (line.argument) TRY(argv.push_back(TRY(String::copy(*line.argument))));
  TRY(argv.push_back(TRY(String::copy(script))));
  for (usize i = 1; i < arguments.argv.size(); ++i)
    TRY(argv.push_back(std::move(arguments.argv[i])));
  arguments.argv = std::move(argv);
  return {};
}

// Follows `#!` lines to the ELF file at their end. `name`, what the file at `path` is called,
// becomes the last interpreter's path.
Result<Executable> resolve_scripts(const vfs::Actor& actor, const Path& start,
                                   std::string_view path, String& name, bool name_is_lost,
                                   ProgramArguments& arguments) {
  for (int depth = 0; depth <= kMaxScripts; ++depth) {
    auto executable = TRY(depth == 0 ? open_executable(actor, start, path)
                                     : open_executable(actor, Path(), name));
    char head[kScriptHeaderSize];
    FileSource source(*executable.file);
    const usize size = TRY(source.read_at(0, std::as_writable_bytes(std::span(head))));
    if (size < 2 || head[0] != '#' || head[1] != '!') {
      if (size < sizeof(abi::ElfHeader)) return Errno::kNoExec;
      return executable;
    }
    const ScriptLine line = TRY(parse_script({head, size}));
    if (depth == 0 && name_is_lost) return Errno::kNoEnt;
    TRY(prepend_interpreter(arguments, line, name));
    name = TRY(String::copy(line.interpreter));
  }
  return Errno::kLoop;
}

struct Placement {
  u64 bias = 0;  // of the program
  u64 interpreter_bias = 0;
  UserAddr entry{};  // where execution starts
  UserAddr heap_start{};
};

Result<Placement> place(AddressSpace& memory, const vfs::Actor& actor, Executable& executable,
                        const ElfFile& elf, Randomness& random) {
  Placement placement;
  const bool has_interpreter = !elf.interpreter.empty();
  if (elf.position_independent)
    placement.bias =
        has_interpreter
            ? align_down(kProgramBase + random.pages(kMmapRandomPages), elf.alignment) - elf.lowest
            : TRY(find_bias(memory, elf));
  TRY(map_segments(memory, *executable.file, elf, placement.bias));
  placement.entry = UserAddr(elf.entry + placement.bias);
  // A position-independent program without an interpreter lies among the mappings, where a heap
  // can't grow: its heap goes where other programs are.
  const u64 heap =
      elf.position_independent && !has_interpreter ? kProgramBase : elf.highest + placement.bias;
  placement.heap_start = UserAddr(heap + random.pages(kHeapRandomPages));
  if (!has_interpreter) return placement;

  const std::string_view path(elf.interpreter.data());
  auto interpreter = TRY(open_executable(actor, Path(), path));
  FileSource source(*interpreter.file);
  auto loaded = read_elf(source);
  if (!loaded.ok()) return loaded.failed(Errno::kNoExec) ? Errno::kLibBad : loaded.error();
  const ElfFile& interpreter_elf = loaded.value();
  if (interpreter_elf.position_independent)
    placement.interpreter_bias = TRY(find_bias(memory, interpreter_elf));
  TRY(map_segments(memory, *interpreter.file, interpreter_elf, placement.interpreter_bias));
  placement.entry = UserAddr(interpreter_elf.entry + placement.interpreter_bias);
  return placement;
}

// The stack's mapping, large enough for what is put on it; it grows by itself from there.
Result<> map_stack(AddressSpace& memory, UserAddr top, usize needed, bool executable) {
  constexpr u64 kInitial = 128 * kKiB;
  MapRequest request;
  request.length = align_up(needed, kPageSize) + kInitial;
  request.hint = top - request.length;
  request.protection = Protection::kRead | Protection::kWrite;
  if (executable) request.protection |= Protection::kExecute;
  request.flags = MapFlags::kPrivate | MapFlags::kAnonymous | MapFlags::kFixed |
                  MapFlags::kGrowsDown | MapFlags::kStack;
  request.special_name = "[stack]";
  return memory.map(request).ok() ? Result<>() : Result<>(Errno::kNoMem);
}

UserAddr mmap_base(u64 stack_limit, Randomness& random) {
  constexpr u64 kLeastGap = 128 * kMiB, kMostGap = kStackTop / 6 * 5;
  u64 gap = stack_limit > kMostGap ? kMostGap : stack_limit < kLeastGap ? kLeastGap : stack_limit;
  gap += kStackGuardGap + kStackRandomPages * kPageSize;
  if (gap > kMostGap) gap = kMostGap;
  return UserAddr(align_down(kStackTop - gap - random.pages(kMmapRandomPages), kPageSize));
}

void set_layout(AddressSpace& memory, const ElfFile& elf, const Placement& placement,
                const StackImage& stack, UserAddr vdso) {
  auto& layout = memory.layout;
  for (const auto& segment : elf.segments) {
    const UserAddr start(segment.address + placement.bias), end = start + segment.file_size;
    if (segment.flags & abi::kElfFlagExecute) {
      layout.code_start = start;
      layout.code_end = end;
    }
    if (segment.flags & abi::kElfFlagWrite) {
      layout.data_start = start;
      layout.data_end = end;
    }
  }
  layout.heap_start = placement.heap_start;
  layout.stack_start = stack.pointer;
  layout.args_start = stack.args_start;
  layout.args_end = layout.env_start = stack.args_end;
  layout.env_end = stack.env_end;
  layout.vdso = vdso;
}

Result<> set_name(LoadedProgram& program, std::string_view path) {
  const usize slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return program.name.append({name.data(), name.size()});
}

// What set-user-ID and set-group-ID bits make of the actor.
void apply_set_id(LoadedProgram& program, const vfs::Actor& actor, const Path& path) {
  const Inode& inode = path.dentry->inode();
  program.effective_uid = actor.who.euid;
  program.effective_gid = actor.who.egid;
  if (has(path.mount->flags(), MountFlags::kNoSetUid)) return;
  if (inode.mode() & kSetUid) program.effective_uid = inode.uid();
  constexpr u32 kGroupExecute = 010;
  if ((inode.mode() & kSetGid) && (inode.mode() & kGroupExecute))
    program.effective_gid = inode.gid();
}

}  // namespace

Result<Ref<RefCounted>> deny_writing(Ref<Inode> inode) {
  return WriteDenial::take(std::move(inode));
}

Result<LoadedProgram> load_program(const vfs::Actor& actor, const Path& start,
                                   std::string_view path, ProgramArguments& arguments,
                                   const LoadOptions& options) {
  // execve(2): an empty argv gets an empty string, so that argv[0] is always there.
  if (arguments.argv.empty()) TRY(arguments.argv.push_back(TRY(String::copy(""))));
  TRY(check_arguments(arguments, options));
  const std::string_view shown = options.file_name.empty() ? path : options.file_name;
  String name = TRY(String::copy(shown));
  auto executable =
      TRY(resolve_scripts(actor, start, path, name, options.file_name_is_lost, arguments));
  TRY(check_arguments(arguments, options));

  FileSource source(*executable.file);
  const ElfFile elf = TRY(read_elf(source));
  LoadedProgram program;
  program.write_denial = std::move(executable.write_denial);
  program.memory = TRY(AddressSpace::create());
  AddressSpace& memory = *program.memory;
  Randomness random(options);
  const UserAddr stack_top(kStackTop - random.pages(kStackRandomPages));
  memory.set_mmap_base(mmap_base(options.stack_limit, random));

  apply_set_id(program, actor, executable.path);
  const Placement placement = TRY(place(memory, actor, executable, elf, random));
  memory.set_heap_start(placement.heap_start);
  const UserAddr vdso = TRY(vdso_map(memory));

  const platform::CpuIdentity& cpu = platform::cpu_identity();
  // The frame that a signal puts on the stack, without the vector state (struct rt_sigframe), with
  // room to align it.
  constexpr u64 kSignalFrame = 936;
  using A = abi::Auxiliary;
  const AuxiliaryEntry entries[] = {
      {A::kVdso, vdso.value},
      {A::kMinimumSignalStack, kSignalFrame + platform::fpu_area_size()},
      {A::kHardwareCapabilities, cpu.hwcap},
      {A::kPageSize, kPageSize},
      {A::kClockTick, kClockTicks},
      {A::kProgramHeaders, elf.program_headers_at ? elf.program_headers_at + placement.bias : 0},
      {A::kProgramHeaderSize, sizeof(abi::ElfProgramHeader)},
      {A::kProgramHeaderCount, elf.program_header_count},
      {A::kInterpreterBase, placement.interpreter_bias},
      {A::kFlags, 0},
      {A::kEntry, elf.entry + placement.bias},
      {A::kUid, actor.who.uid},
      {A::kEffectiveUid, program.effective_uid},
      {A::kGid, actor.who.gid},
      {A::kEffectiveGid, program.effective_gid},
      {A::kSecure,
       program.effective_uid != actor.who.uid || program.effective_gid != actor.who.gid},
      {A::kHardwareCapabilities2, cpu.hwcap2},
  };
  StackContent content{shown, entries, {}};
  if (options.random) options.random(std::as_writable_bytes(std::span(content.random)));
  const StackImage stack = TRY(build_stack(stack_top, arguments, content));
  TRY(map_stack(memory, stack_top, stack.bytes.size(), elf.executable_stack));
  TRY(write_memory(memory, stack.pointer, {stack.bytes.data(), stack.bytes.size()}));

  set_layout(memory, elf, placement, stack, vdso);
  if (path.empty())
    TRY(set_name(program, TRY(vfs::path_text(executable.path))));
  else
    TRY(set_name(program, path));
  program.entry = placement.entry;
  program.stack = stack.pointer;
  program.executable = executable.path;
  return program;
}

}  // namespace narwhal
