// What programs ask of the system as a whole: its names, memory, random numbers, processors; and
// what only the owner of a real machine may do, which is refused.
#include <cstring>

#include "fs/tty/terminal.h"
#include "kernel/mm/frame.h"
#include "kernel/random/random.h"
#include "kernel/uts/uts.h"
#include "process/load.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

void put_name(char (&field)[65], std::string_view name) {
  std::memset(field, 0, sizeof field);
  const usize size = name.size() < sizeof field - 1 ? name.size() : sizeof field - 1;
  if (size) std::memcpy(field, name.data(), size);
}

// A name that sethostname(2) or setdomainname(2) brings.
Result<std::string_view> load_name(Task& task, UserAddr name, i32 length,
                                   char (&buffer)[kMaxHostName]) {
  if (!task.credentials().capable(Capability::kSysAdmin)) return Errno::kPerm;
  if (length < 0 || usize(length) > kMaxHostName) return Errno::kInval;
  if (platform::copy_from_user(buffer, name, usize(length)) != 0) return Errno::kFault;
  // Linux keeps what comes before a NUL: its readers stop there.
  usize size = 0;
  while (size < usize(length) && buffer[size] != '\0') ++size;
  return std::string_view(buffer, size);
}

}  // namespace

SysResult sys::uname(Task& task, UserOut<abi::UtsName> out) {
  constexpr u32 kPersonalityType = 0xff, kLinux32 = 8;  // personality(2)
  abi::UtsName names;
  put_name(names.system, kSystemName);
  put_name(names.node, host_name().view());
  put_name(names.release, kKernelRelease);
  put_name(names.version, kKernelVersion);
  const bool as_32_bit = (task.process().personality.load() & kPersonalityType) == kLinux32;
  put_name(names.machine, as_32_bit ? "i686" : kMachineName);
  put_name(names.domain, domain_name().view());
  TRY(out.store(names));
  return i64{0};
}

SysResult sys::sethostname(Task& task, UserAddr name, i32 length) {
  char buffer[kMaxHostName];
  TRY(set_host_name(TRY(load_name(task, name, length, buffer))));
  return i64{0};
}

SysResult sys::setdomainname(Task& task, UserAddr name, i32 length) {
  char buffer[kMaxHostName];
  TRY(set_domain_name(TRY(load_name(task, name, length, buffer))));
  return i64{0};
}

SysResult sys::sysinfo(Task&, UserOut<abi::SystemInfo> out) {
  const MemoryStatistics memory = memory_statistics();
  abi::SystemInfo info{};
  info.uptime = i64(div_round_up(platform::monotonic_ns(), kNanosPerSecond));
  constexpr u32 kLoadShiftHere = 16;  // SI_LOAD_SHIFT
  const LoadAverages loads = load_averages();
  info.loads[0] = loads.minutes_1 << (kLoadShiftHere - kLoadShift);
  info.loads[1] = loads.minutes_5 << (kLoadShiftHere - kLoadShift);
  info.loads[2] = loads.minutes_15 << (kLoadShiftHere - kLoadShift);
  info.total_memory = memory.total_frames * kPageSize;
  info.free_memory = memory.free_frames * kPageSize;
  info.shared_memory =
      memory.object_frames * kPageSize;  // files in memory, as /proc/meminfo's Shmem
  const u32 threads = count_tasks().all;
  info.processes = u16(threads < 0xffff ? threads : 0xffff);
  info.memory_unit = 1;
  TRY(out.store(info));
  return i64{0};
}

SysResult sys::getrandom(Task& task, UserAddr buffer, usize count, HexInt flags) {
  constexpr u32 kNonBlock = 1, kRandom = 2, kInsecure = 4;  // GRND_*
  constexpr usize kLargest = 0x7ffff000;                    // MAX_RW_COUNT
  constexpr usize kPiece = 256;
  if (flags.value & ~(kNonBlock | kRandom | kInsecure)) return Errno::kInval;
  if ((flags.value & kRandom) && (flags.value & kInsecure)) return Errno::kInval;
  if (count > kLargest) count = kLargest;
  if (!user_range_ok(buffer, count)) return Errno::kFault;
  std::byte piece[kPiece];
  usize done = 0;
  while (done < count) {
    const usize size = count - done < kPiece ? count - done : kPiece;
    fill_random(std::span(piece).first(size));
    const usize missing = platform::copy_to_user(buffer + done, piece, size);
    done += size - missing;
    if (missing != 0) break;
    // A long request lets others run, and ends early for a signal (random(7)).
    if (done % kPageSize == 0) {
      if (task.interrupted()) break;
      reschedule_if_needed();
    }
  }
  std::memset(piece, 0, sizeof piece);
  asm volatile("" : : "r"(piece) : "memory");  // what the program got shall not stay behind
  if (done == 0 && count != 0) return Errno::kFault;
  return i64(done);
}

SysResult sys::getcpu(Task& task, UserOut<u32> cpu, UserOut<u32> node, UserAddr) {
  TRY(cpu.store_if_wanted(task.cpu()));
  TRY(node.store_if_wanted(0));
  return i64{0};
}

SysResult sys::personality(Task& task, u32 persona) {
  constexpr u32 kOnlyAsk = 0xffffffff;
  Atomic<u32>& current = task.process().personality;
  if (persona == kOnlyAsk) return i64{current.load()};
  return i64{current.exchange(persona)};
}

// --- refused. The program has the machine for itself, but what stands behind it is the host's.

SysResult sys::reboot(Task&, HexInt, HexInt, HexInt, UserAddr) {
  return Errno::kPerm;
}

SysResult sys::vhangup(Task& task) {
  if (!task.credentials().capable(Capability::kSysTtyConfig)) return Errno::kPerm;
  if (auto terminal = Terminal::of_session(task.process().session_id())) terminal->hang_up();
  return i64{0};
}

SysResult sys::iopl(Task&, u32 level) {
  if (level > 3) return Errno::kInval;
  if (level != 0) return Errno::kPerm;
  return i64{0};  // what every program has
}

SysResult sys::ioperm(Task&, u64 from, u64 count, i32 turn_on) {
  constexpr u64 kPorts = 65536;
  if (from + count <= from || from + count > kPorts) return Errno::kInval;
  if (turn_on) return Errno::kPerm;
  return i64{0};
}

}  // namespace narwhal
