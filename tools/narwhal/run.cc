#include "tools/narwhal/run.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/narwhal/absent.h"
#include "tools/narwhal/backlog.h"
#include "tools/narwhal/checks.h"
#include "tools/narwhal/debugger.h"
#include "tools/narwhal/disk.h"
#include "tools/narwhal/host_devices.h"
#include "tools/narwhal/machine.h"
#include "tools/narwhal/plan.h"
#include "tools/narwhal/platform.h"
#include "tools/narwhal/progress.h"
#include "tools/narwhal/relay.h"
#include "tools/narwhal/run_settings.h"
#include "tools/narwhal/session.h"
#include "tools/pack/archive_writer.h"

namespace narwhal::tools {

namespace {

// Up to this size the archive lives in memory, beyond it in a file without a name.
constexpr uint64_t kMostInMemory = 256 << 20;
constexpr rlim_t kMostDescriptors = 65536;
constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL of linux/memfd.h

void say(const std::string& text) {
  write_all(STDERR_FILENO, "narwhal: " + text + "\n");
}

long long now_in_microseconds() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000ll + time.tv_nsec / 1000;
}

UniqueFd make_archive_file(uint64_t expected_size) {
  if (expected_size <= kMostInMemory) {
    // As memory of the process home it is sealed; Linux before 6.3 knows nothing of programs in it.
    for (const unsigned seals : {MFD_ALLOW_SEALING | kNoExecSeal, MFD_ALLOW_SEALING}) {
      UniqueFd fd(memfd_create("narwhal-root", MFD_CLOEXEC | seals));
      if (fd) return fd;
    }
  }
  const char* const folder = getenv("TMPDIR");
  const std::string place = folder != nullptr ? folder : "/var/tmp";
  UniqueFd fd(open(place.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) {
    fail("cannot make a temporary file of {} in {}: {}; set TMPDIR to a folder with room",
         format_size(expected_size), place, strerror(errno));
  }
  return fd;
}

// A first process that keeps the boot contract for Linux, and the drivers that it loads.
void add_linux_files(const std::string& folder, RootTree& root) {
  const auto add = [&](const std::string& path, const std::string& source) {
    struct stat status;
    if (stat(source.c_str(), &status) != 0) fail("--linux: {}: {}", source, strerror(errno));
    RootEntry entry = RootEntry::from_status(status, "Linux");
    entry.mode |= 0111;
    entry.source = source;
    root.replace(path, std::move(entry));
  };
  add("/init", folder + "/init");
  root.replace("/modules", RootEntry::directory(0755, "Linux"));
  for (const std::string& name : HostView(folder).list("/modules")) {
    add("/modules/" + name, folder + "/modules/" + name);
  }
}

void say_about_copies(const Options& options, const PackPlan& plan) {
  for (size_t i = 0; i < options.volumes.size(); ++i) {
    const Volume& volume = options.volumes[i];
    const auto is_shared = [i](const PackPlan::Share& share) { return share.volume == i; };
    if (volume.read_only || std::ranges::any_of(plan.shares, is_shared)) continue;
    say(
        fmt::format("-v {}:{}: the guest works on a copy of this file, and what it changes is lost "
                    "at its end (give its folder to keep changes, or write :ro to say that this is "
                    "meant)",
                    volume.mapping.host, volume.mapping.guest));
  }
}

// tools/bench reads this line.
void say_times(const Outcome& outcome) {
  // What the guest writes by itself is not seen here.
  const std::string output =
      outcome.time_to_output < 0 ? "" : fmt::format(" output {:.1f},", outcome.time_to_output);
  say(fmt::format("times in ms: program {:.1f},{} end {:.1f}", outcome.time_to_program, output,
                  outcome.time_to_end));
}

class Run {
 public:
  Run(const Options& options, const std::string& command_name)
      : options_(options), command_name_(command_name) {}

  int start() {
    progress_.show(fmt::format("packing {}", base_name(options_.program)));
    facts_ = look_at_host(command_name_);
    platform_ = choose_platform(options_, facts_);
    prepare();
    progress_.clear();
    if (!options_.dry_run) say_about_copies(options_, plan_);
    if (options_.verbose) {
      for (const std::string& note : plan_.notes) say(note);
      say(fmt::format("root: {} in {} members, packed in {} ms", format_size(archive_size_),
                      plan_.root.entries().size(), (now_in_microseconds() - begin_) / 1000));
      say(fmt::format("kernel: {}", machine_.kernel));
      say_platform();
    }
    if (options_.dry_run) return show();
    Outcome outcome = attempt();
    if (machine_.use_kvm && outcome.never_ran())
      say("KVM does not run the guest on this machine; --accel tcg uses software emulation");
    if (options_.verbose) say_times(outcome);
    const Report report =
        make_report(outcome, options_.program, options_.verbose, isatty(STDERR_FILENO) != 0);
    write_all(STDERR_FILENO, report.text);
    if (report.status != 0 && outcome.is_complete() && !is_linux()) {
      write_all(STDERR_FILENO,
                hint_about_absent(outcome.absent, host_, plan_.root, options_.arguments));
    }
    return report.status;
  }

 private:
  bool is_linux() const { return !options_.linux_folder.empty(); }

  void say_platform() const {
    say(platform_.is_process ? "platform: " + platform_.reason
                             : fmt::format("platform: vm ({}), {}",
                                           machine_.is_q35 ? "q35" : "microvm", platform_.reason));
    if (platform_.is_process && !clock_.tsc_is_clock)
      say(
          fmt::format("clock: the host is asked for the time each time, because the processor's "
                      "counter is none here (clock source: {})",
                      clock_.source.empty() ? "unknown" : clock_.source));
  }

  void prepare() {
    if (options_.wants_terminal && isatty(STDIN_FILENO) == 0)
      fail("-t: standard input is no terminal; without -t the program gets a pipe");
    check_ports(options_.ports);
    for (const DiskWish& wish : options_.disks) {
      disks_.push_back(open_disk(wish));
      machine_.disks.push_back(disks_.back().settings);
    }
    try {
      begin_home();
    } catch (const Error& error) {
      if (!platform_.is_trial || !platform_.is_process) throw;
      give_up(error.what());
      begin_home();
    }
    plan_ = plan_for(host_, options_);
    require_complete(plan_);
    if (is_linux()) add_linux_files(options_.linux_folder, plan_.root);
    add_run_settings(options_, plan_.settings);
    add_shares();
    open_folders();
    write_root();
    check_memory(options_.memory, archive_size_, kernel_size_);

    if (!options_.qemu.empty()) machine_.qemu = options_.qemu;
    // Linux hangs now and then on microvm, which has nothing to calibrate the processor's clock by.
    machine_.is_q35 |= options_.is_q35 || is_linux();
    machine_.counts_instructions = options_.counts_instructions;
    machine_.waits_for_debugger = options_.waits_for_debugger;
    machine_.memory = options_.memory;
    machine_.processors = options_.processors;
    machine_.ports = options_.ports;
  }

  // What depends on where the guest runs, before its root is packed.
  void begin_home() {
    machine_.is_process = platform_.is_process;
    machine_.use_kvm = platform_.use_kvm;
    machine_.network = options_.network;
    machine_.kernel = is_linux()
                          ? options_.linux_folder + "/vmlinuz"
                          : find_kernel(options_.kernel, command_name_, platform_.is_process);
    kernel_size_ = is_linux() ? 0 : kernel_size(machine_.kernel);
    devices_ = HostDevices();
    if (!platform_.is_process) return;
    image_.reset(open(machine_.kernel.c_str(), O_RDONLY | O_CLOEXEC));
    begin_network();
  }

  // A platform that was chosen and not asked for may turn out not to work: nested and paravirtual
  // KVM may not run a kernel like ours, and a container may forbid what the process needs.
  Outcome attempt() {
    while (true) {
      std::string problem;
      try {
        open_ports();
        Outcome outcome = execute(platform_.is_trial);
        if (!platform_.is_trial || !outcome.never_ran()) return outcome;
        problem = outcome.qemu_errors;
      } catch (const Error& error) {
        if (!platform_.is_trial || !platform_.is_process) throw;
        problem = error.what();
      }
      give_up(problem);
      begin_home();
      open_folders();
      write_root();
    }
  }

  // The chosen platform does not work; the next one takes over.
  void give_up(std::string problem) {
    const Platform failed = platform_;
    platform_ = next_platform(options_, facts_, failed);
    while (problem.ends_with('\n')) problem.pop_back();
    say(fmt::format(
        "{} does not run the guest on this machine{}{}; {} takes over ({} starts with it)",
        failed.is_process ? "a process" : "KVM", problem.empty() ? "" : ": ", problem,
        platform_.is_process ? "a process" : "software emulation",
        platform_.is_process ? "--platform process"
        : failed.is_process  ? "--platform vm"
                             : "--accel tcg"));
    if (options_.verbose) say_platform();
  }

  // Ticks of the time-stamp counter a millisecond, over the time that packing took.
  uint64_t measured_tsc_khz() const {
    constexpr long long kLongEnough = 2000;
    const long long microseconds = now_in_microseconds() - begin_;
    if (microseconds < kLongEnough) return 0;
    return (__builtin_ia32_rdtsc() - begin_tsc_) * 1000 / static_cast<uint64_t>(microseconds);
  }

  std::vector<std::string> command() const {
    if (!platform_.is_process) return qemu_command(machine_);
    return process_command(machine_, {archive_.get(), archive_size_, measured_tsc_khz(),
                                      image_.get(), !clock_.tsc_is_clock});
  }

  // QEMU holds a descriptor for each connection of the guest's, and so may a relay.
  static void raise_descriptor_limit() {
    rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kMostDescriptors);
    setrlimit(RLIMIT_NOFILE, &limit);
  }

  // A network of the kernel as a process. It gets ready while the root is packed.
  void begin_network() {
    if (options_.dry_run) return;
    switch (options_.network.kind) {
      case Network::Kind::kNone:
        return;
      case Network::Kind::kTap:
        return add_tap();
      case Network::Kind::kUser:
        without_network_unless_wanted([&] { devices_.begin_user_network(options_.ports); });
    }
  }
  // A queue for each CPU, where the device was made for several.
  void add_tap() {
    const std::string& name = options_.network.tap_name;
    const size_t wanted = options_.processors;
    const size_t queues = devices_.add_tap(name, wanted);
    if (options_.verbose && queues < wanted) {
      say(fmt::format(
          "network: {} has {} queue{} for {} CPUs (ip tuntap add {} mode tap multi_queue makes one "
          "with more)",
          name, queues, queues == 1 ? "" : "s", wanted, name));
    }
  }
  void finish_network() {
    if (machine_.network.kind == Network::Kind::kUser)
      without_network_unless_wanted([&] { devices_.finish_user_network(options_.ports); });
  }
  // Most programs need none.
  template <typename Step>
  void without_network_unless_wanted(Step step) {
    try {
      step();
    } catch (const Error& error) {
      // Where a process was not asked for, a machine has a network for sure.
      if (!options_.ports.empty() || platform_.is_trial) throw;
      say(fmt::format("no network: {}", error.what()));
      machine_.network.kind = Network::Kind::kNone;
    }
  }

  void open_ports() {
    const auto is_tcp = [](const PortForward& port) { return !port.is_udp; };
    if (platform_.is_process) return finish_network();
    if (relay_) return;
    if (std::none_of(options_.ports.begin(), options_.ports.end(), is_tcp)) return;
    raise_descriptor_limit();
    if (can_lengthen_backlogs()) return;
    relay_.emplace(options_.ports);
    machine_.ports = relay_->ports_for_qemu();
    if (options_.verbose) say("ports: relayed, because QEMU's queues can't be made longer here");
  }

  void add_shares() {
    // microvm has so many places for devices, and its console, network card and random numbers take
    // three.
    constexpr size_t kMicrovmDevices = 5;
    machine_.is_q35 |= plan_.shares.size() + disks_.size() > kMicrovmDevices;
    for (const PackPlan::Share& share : plan_.shares) {
      const bool read_only = options_.volumes[share.volume].read_only;
      machine_.shares.push_back(
          {share.mapping.host, fmt::format("volume{}", share.volume), read_only});
      plan_.settings.add("volume", fmt::format("{}:{}:{}", machine_.shares.back().tag,
                                               read_only ? "ro" : "rw", share.mapping.guest));
    }
  }
  void open_folders() {
    if (!platform_.is_process || options_.dry_run) return;
    for (const SharedFolder& share : machine_.shares) devices_.add_folder(share);
  }

  // The archive becomes the guest's memory.
  void open_disks() {
    if (!platform_.is_process || options_.dry_run) return;
    for (const Disk& disk : disks_)
      devices_.add_disk(disk.settings, disk.size, archive_.get(), options_.memory);
  }

  void write_root() {
    archive_ = make_archive_file(platform_.is_process ? 0 : plan_.root.total_size());
    const ArchiveSummary summary =
        write_archive(plan_.root, plan_.settings.records(), archive_.get(),
                      is_linux() ? ArchiveLayout::kPlain : ArchiveLayout::kNarwhal);
    archive_size_ = summary.bytes;
    if (!options_.root_copy.empty()) keep_root();
    for (const std::string& note : summary.notes) say(note);
    open_disks();
  }

  void keep_root() const {
    const UniqueFd copy(
        open(options_.root_copy.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    off_t at = 0;
    while (copy && at < static_cast<off_t>(archive_size_) &&
           sendfile(copy.get(), archive_.get(), &at, archive_size_ - static_cast<uint64_t>(at)) > 0)
      continue;
    if (!copy || at < static_cast<off_t>(archive_size_))
      fail("--keep-root {}: {}", options_.root_copy, strerror(errno));
  }

  void complete_machine() {
    // Ours, not one that QEMU inherits: it ends when QEMU has read it, and its memory is free.
    machine_.archive = fmt::format("/proc/{}/fd/{}", getpid(), archive_.get());
    machine_.command_line = machine_settings(options_, machine_, devices_);
  }

  int show() {
    complete_machine();
    fmt::print("{}\n", quoted_for_shell(command()));
    for (const auto& [key, value] : plan_.settings.all()) {
      if (key != "seed") fmt::print("  {}={}\n", key, value);
    }
    return 0;
  }

  // The kernel as a process has our streams themselves, where it can; else they are passed on.
  SocketPair stream_for_guest(int stream) const {
    if (!platform_.is_process) return make_socket_pair();
    if (UniqueFd own = stream_of_ours(stream)) return {UniqueFd(), std::move(own)};
    SocketPair pair = make_socket_pair();
    fcntl(pair.theirs.get(), F_SETFL, O_NONBLOCK);
    return pair;
  }

  Outcome execute(bool is_trial) {
    complete_machine();
    progress_.show(fmt::format("starting {}", base_name(options_.program)));
    SignalQueue signals;
    SocketPair in = stream_for_guest(STDIN_FILENO);
    SocketPair out = stream_for_guest(STDOUT_FILENO);
    SocketPair error = stream_for_guest(STDERR_FILENO);
    SocketPair control = make_socket_pair();
    SocketPair serial = make_socket_pair();
    machine_.channels = {in.theirs.get(), out.theirs.get(), error.theirs.get(),
                         control.theirs.get(), serial.theirs.get()};
    std::vector<int> inherited = {machine_.channels.stdin_fd, machine_.channels.stdout_fd,
                                  machine_.channels.stderr_fd, machine_.channels.control_fd,
                                  machine_.channels.serial_fd};
    std::optional<Isolation> isolation;
    if (platform_.is_process) {
      isolation = {.image_fd = image_.get()};
      inherited.push_back(archive_.get());
      inherited.push_back(image_.get());
    }
    for (const int fd : devices_.descriptors()) inherited.push_back(fd);
    if (!platform_.is_process)
      for (const Disk& disk : disks_) inherited.push_back(disk.fd.get());
    VmProcess vm(command(), inherited, isolation);
    if (options_.verbose && isolation) {
      progress_.clear();
      say("confinement: " + vm.isolation());
    }
    // Only QEMU holds its ends now, so that they end with it.
    for (SocketPair* const pair : {&in, &out, &error, &control, &serial}) pair->theirs.reset();
    devices_.close_descriptors();
    if (options_.waits_for_debugger && !platform_.is_process) {
      progress_.clear();
      say(fmt::format("waiting for gdb: gdb {} -ex 'target remote 127.0.0.1:1234'",
                      machine_.kernel));
    }

    SessionSettings settings;
    settings.show_kernel_log = !options_.kernel_log.empty();
    settings.waits_for_debugger = options_.waits_for_debugger;
    settings.has_terminal = kind_of_stream(STDIN_FILENO) == "tty" && !is_linux();
    settings.is_trial = is_trial && !options_.waits_for_debugger;
    if (options_.waits_for_debugger) {
      settings.on_wait_for_debugger = [this, &vm](uint64_t image) {
        progress_.clear();
        say("waiting for gdb: " +
            debugger_command({vm.pid(), machine_.kernel, image, options_.program}));
      };
    }
    settings.on_first_sign = [this, &vm] {
      if (relay_)
        relay_->start();
      else if (!platform_.is_process)
        lengthen_backlogs(vm.pid(), options_.ports);
      progress_.clear();
      archive_.reset();
    };
    Session session(std::move(settings),
                    {std::move(in.ours), std::move(out.ours), std::move(error.ours),
                     std::move(control.ours), std::move(serial.ours)},
                    vm, signals);
    Outcome outcome = session.run();
    outcome.is_process = platform_.is_process;
    return outcome;
  }

  const Options& options_;
  const std::string& command_name_;
  Progress progress_;
  HostView host_;
  PackPlan plan_;
  HostFacts facts_;
  Platform platform_;
  MachineSettings machine_;
  HostDevices devices_;
  std::vector<Disk> disks_;
  UniqueFd archive_;
  const ClockFacts clock_ = look_at_clock();
  UniqueFd image_;  // the process home's kernel
  uint64_t archive_size_ = 0;
  uint64_t kernel_size_ = 0;
  const long long begin_ = now_in_microseconds();
  const uint64_t begin_tsc_ = __builtin_ia32_rdtsc();
  std::optional<Relay> relay_;
};

}  // namespace

int run(const Options& options, const std::string& command_name) {
  return Run(options, command_name).start();
}

}  // namespace narwhal::tools
