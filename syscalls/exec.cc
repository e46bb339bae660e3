// execve(2), execveat(2).
#include "process/exec.h"

#include "kernel/abi/resource.h"
#include "kernel/random/random.h"
#include "process/absent.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

constexpr usize kPathMax = 4096;
constexpr u32 kNoFollow = 0x100, kEmptyPath = 0x1000;  // AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
constexpr u32 kNoRandomize = 0x0040000;                // ADDR_NO_RANDOMIZE of personality(2)

// Copies strings out of the program, within the limits of execve(2).
class ArgumentReader {
 public:
  explicit ArgumentReader(u64 limit) : left_(limit) {}

  // A null pointer means an empty array, as Linux has it.
  Result<> read(UserAddr pointers, Vector<String>& to) {
    if (pointers.value == 0) return {};
    for (;; pointers += sizeof(u64)) {
      const u64 string = TRY(load_user<u64>(pointers));
      if (string == 0) return {};
      TRY(to.push_back(TRY(read_string(UserAddr(string)))));
    }
  }

 private:
  Result<String> read_string(UserAddr from) {
    for (const usize capacity : {kPathMax, kMaxArgumentLength}) {
      if (buffer_.size() < capacity) TRY(buffer_.resize(capacity));
      auto length = platform::copy_string_from_user(buffer_.data(), from, buffer_.size());
      if (length.failed(Errno::kNameTooLong)) continue;
      return take({buffer_.data(), TRY(std::move(length))});
    }
    return Errno::kTooBig;
  }
  Result<String> take(std::string_view string) {
    const u64 cost = string.size() + 1 + sizeof(u64);
    if (cost > left_) return Errno::kTooBig;
    left_ -= cost;
    return String::copy(string);
  }

  u64 left_;
  Vector<char> buffer_;
};

// A quarter of the stack's limit, but three quarters of the usual stack at most, and what POSIX
// promised at least.
u64 arguments_limit(const Process& process) {
  constexpr u64 kMost = 6 * kMiB, kLeast = 32 * kPageSize;
  const u64 quarter = process.soft_limit(abi::kLimitStack) / 4;
  return quarter > kMost ? kMost : quarter < kLeast ? kLeast : quarter;
}

// A name in place of the path, and whether it is gone when the program runs: see LoadOptions.
struct ShownName {
  String text;
  bool is_lost = false;
};

Result<> execute(Task& task, const Path& start, std::string_view path, const ShownName& shown,
                 UserAddr argv, UserAddr envp) {
  ProgramArguments arguments;
  ArgumentReader reader(arguments_limit(task.process()));
  TRY(reader.read(argv, arguments.argv));
  TRY(reader.read(envp, arguments.envp));
  LoadOptions options;
  options.randomize = !(task.process().personality.load() & kNoRandomize);
  options.stack_limit = task.process().soft_limit(abi::kLimitStack);
  options.file_name = shown.text;
  options.file_name_is_lost = shown.is_lost;
  options.random = fill_random;
  auto program = load_program(task.actor(), start, path, arguments, options);
  if (program.failed(Errno::kNoEnt)) note_absent(Lookup::kExecute, path);
  return enter_program(task, TRY(std::move(program)));
}

// The place that a descriptor stands for. EBADF, ENOTDIR.
Result<Path> start_of(Task& task, DirFd directory, bool empty_path) {
  auto file = TRY(task.files().get_any(directory.value));
  const Path* path = file->path();
  if (!path) return empty_path ? Errno::kAcces : Errno::kNotDir;
  if (!empty_path && !path->dentry->inode().is_directory()) return Errno::kNotDir;
  return *path;
}

}  // namespace

SysResult sys::execve(Task& task, UserString path, UserAddr argv, UserAddr envp) {
  return sys::execveat(task, DirFd{kAtFdCwd}, path, argv, envp, HexInt{0});
}

SysResult sys::execveat(Task& task, DirFd directory, UserString path, UserAddr argv, UserAddr envp,
                        HexInt flags) {
  if (flags.value & ~(kNoFollow | kEmptyPath)) return Errno::kInval;
  Vector<char> buffer;
  TRY(buffer.resize(kPathMax));
  const std::string_view name = TRY(path.load({buffer.data(), buffer.size()}));
  if (name.empty() && !(flags.value & kEmptyPath)) return Errno::kNoEnt;
  Path start;
  ShownName shown;
  if (directory.value != kAtFdCwd && (name.empty() || name[0] != '/')) {
    start = TRY(start_of(task, directory, name.empty()));
    Text<24> prefix;
    prefix << "/dev/fd/" << directory.value << (name.empty() ? "" : "/");
    shown.text = TRY(String::concat(prefix.view(), name));
    shown.is_lost = TRY(task.files().close_on_exec(directory.value));
  }
  if (flags.value & kNoFollow) {
    const Path last = TRY(vfs::lookup(task.actor(), start, name, LookupFlags::kEmptyPath));
    if (last.dentry->inode().is_symlink()) return Errno::kLoop;
  }
  TRY(execute(task, start, name, shown, argv, envp));
  return i64{0};
}

}  // namespace narwhal
