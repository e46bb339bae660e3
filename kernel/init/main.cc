// From a machine that works to a program that runs. This is the only place that knows every part of
// the kernel; docs/architecture.md draws it.
#include "fs/block/disk.h"
#include "fs/block/write_back.h"
#include "fs/dev/dev.h"
#include "fs/loop/loop_device.h"
#include "fs/mqueue/mqueue.h"
#include "fs/pipe/pipe.h"
#include "fs/proc/proc.h"
#include "fs/pty/pty.h"
#include "fs/sys/sys.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/tty/terminal_file.h"
#include "ipc/proc/ipc_files.h"
#include "kernel/init/control.h"
#include "kernel/init/devices.h"
#include "kernel/init/network.h"
#include "kernel/init/program.h"
#include "kernel/init/root.h"
#include "kernel/init/streams.h"
#include "kernel/platform/upcalls.h"
#include "kernel/random/random.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/cpus.h"
#include "kernel/uts/uts.h"
#include "net/unix/unix.h"
#include "process/family.h"
#include "process/proc/proc_process.h"
#include "process/terminals.h"
#include "syscalls/dispatch.h"

namespace narwhal {
namespace {

constexpr u8 kBadBoot = 125;  // as container tools say that they, not the program, failed

void mix_seed(std::string_view text) {
  const auto digit = [](char c) -> u8 {
    return u8(c >= '0' && c <= '9' ? c - '0' : ((c | 0x20) - 'a' + 10) & 15);
  };
  for (usize i = 0; i + 1 < text.size(); i += 2) {
    const std::byte byte{u8(digit(text[i]) << 4 | digit(text[i + 1]))};
    add_entropy({&byte, 1});
  }
}

void report_missing_call(std::string_view name, u32 number) {
  Text<80> line;
  line << "missing " << name << ' ' << number;
  tell_host(line.view());
}

void apply(const BootSettings& settings) {
  log_level = settings.log_level;
  if (settings.time_ns != 0) set_wall_clock(settings.time_ns);
  start_following_reference();
  mix_seed(settings.seed);
  if (!settings.host_name.empty() && !set_host_name(settings.host_name).ok())
    LOG_ERROR("boot setting 'hostname=" << settings.host_name << "': longer than 64 characters");
}

void add_disks() {
  for (Ref<BlockDevice>& device : take_block_devices())
    if (auto added = Disk::add(std::move(device)); !added.ok())
      LOG_ERROR("a disk could not be added: " << added.error());
  if (Disk::find(0)) start_write_back();
}

// What files, sockets and mount(2) find by name or number.
Result<> make_parts_known() {
  register_tmpfs();
  register_fifos();
  TRY(mqueue::init());
  dev_init();
  loop_init();
  TRY(disks_init());
  tty_init();
  process_terminals_init();
  TRY(proc_init());
  TRY(proc_process_init());
  TRY(proc_ipc_init());
  TRY(sys_init());
  TRY(pty_init());
  register_unix_sockets();
  return {};
}

// `status` is what the machine ends with if this fails.
Result<> bring_up(BootSettings& settings, TextSink& problem, u8& status) {
  status = kBadBoot;
  TRY(parse_command_line(platform::command_line(), settings, problem));
  log_level = settings.log_level;
  start_devices(settings);
  // It stays for as long as the settings point into it: for ever.
  [[clang::no_destroy]] static constinit String records;
  records = TRY(read_archive_settings(problem));
  TRY(parse_setting_records(records, settings, problem));
  apply(settings);
  open_control();
  add_disks();
  TRY(make_parts_known());
  TRY(make_root(problem));
  TRY(mount_volumes(settings, problem));
  start_network(settings);
  auto files = TRY(open_streams(settings));
  set_program_ended_handler(end_machine);
  set_missing_call_reporter(report_missing_call);
  confine_kernel();
  wait_for_cpus();
  if (auto started = start_program(settings, std::move(files), problem); !started.ok()) {
    status = start_failure_status(started.error());
    return started;
  }
  tell_host("started");
  return {};
}

void boot(void*) {
  BootSettings settings;
  Text<300> problem;
  u8 status;
  auto done = bring_up(settings, problem, status);
  if (done.ok()) return;
  if (problem.view().empty()) problem << "the machine could not be brought up: " << done.error();
  fail_machine(problem.view(), status);
}

}  // namespace

void upcall::on_panic(const char*) {
  Thread* thread = current_thread();
  if (thread && thread->user_context()) {
    const Task& task = static_cast<const Task&>(*thread);
    const UserRegs& regs = task.user_regs();
    Text<300> line;
    if (regs.orig_rax < syscall_table().size()) {
      line << "in system call " << syscall_table()[regs.orig_rax].name << '(' << hex(regs.rdi);
      for (const u64 argument : {regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9})
        line << ", " << hex(argument);
      line << ')';
    } else {
      line << "in a trap or interrupt";
    }
    line << " of " << task.name() << '[' << task.tid() << "], ip " << hex(regs.rip) << ", sp "
         << hex(regs.rsp);
    log_line(LogLevel::kError, line.view());
  }
  log_line(LogLevel::kError, "last system calls, newest first:");
  print_recent_calls([](std::string_view line) { log_line(LogLevel::kError, line); });
}

}  // namespace narwhal

extern "C" [[noreturn]] void narwhal_kernel_main() {
  using namespace narwhal;
  scheduler_init();
  platform::start_cpus();
  if (!start_kernel_thread("boot", boot, nullptr).ok()) panic("no memory for the first thread");
  run_scheduler();
}
