#include "tools/narwhal/machine.h"

#include <fmt/format.h>

namespace narwhal::tools {

namespace {

class Command {
 public:
  explicit Command(const MachineSettings& settings) : settings_(settings) {}

  std::vector<std::string> build() {
    words_ = {settings_.qemu};
    // Nothing that we did not ask for: no default devices, no configuration files, no window.
    add({"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"});
    add_board();
    add_accelerator();
    add({"-m", memory()});
    if (settings_.processors > 1) add({"-smp", fmt::format("{}", settings_.processors)});
    // A guest that breaks out of its devices' emulation finds a process that can start nothing.
    add({"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"});
    add({"-kernel", settings_.kernel, "-initrd", settings_.archive});
    if (!settings_.command_line.empty()) add({"-append", settings_.command_line});
    add_streams();
    add_network();
    add_shares();
    add_disks();
    add_device("virtio-rng");
    add({"-device", "isa-debug-exit,iobase=0x501,iosize=2"});
    if (settings_.waits_for_debugger) add({"-gdb", "tcp:127.0.0.1:1234", "-S"});
    return std::move(words_);
  }

 private:
  void add(std::initializer_list<std::string> words) {
    words_.insert(words_.end(), words.begin(), words.end());
  }

  // Both boards start through qboot, a firmware that does nothing but load the kernel; with PC
  // firmware (SeaBIOS), q35 takes longer and writes to the serial port.
  void add_board() {
    if (settings_.is_q35) {
      add({"-machine", "q35,sata=off,smbus=off,usb=off,vmport=off", "-bios", "qboot.rom"});
    } else {
      add({"-machine",
           "microvm,acpi=off,rtc=on,isa-serial=off,x-option-roms=off,auto-kernel-cmdline=on"});
    }
    // virtio 1.x devices only; QEMU's MMIO transport is a legacy one unless told.
    if (!settings_.is_q35) add({"-global", "virtio-mmio.force-legacy=false"});
  }

  void add_accelerator() {
    if (settings_.use_kvm) {
      add({"-accel", "kvm", "-cpu", "host"});
      return;
    }
    // Counting instructions works on one thread only.
    const char* const threads = settings_.counts_instructions ? "single" : "multi";
    add({"-accel", fmt::format("tcg,thread={}", threads), "-cpu", "max"});
    if (settings_.counts_instructions) add({"-icount", "shift=0,sleep=off"});
  }

  std::string memory() const {
    // QEMU counts in MiB, and rounds up by itself for smaller units.
    return fmt::format("{}k", settings_.memory >> 10);
  }

  void add_channel(const char* id, int fd) {
    add({"-chardev", fmt::format("socket,id={},fd={}", id, fd)});
  }

  // "virtio-rng" -> a device on the board's own bus.
  void add_device(const std::string& name, const std::string& options = "") {
    add({"-device", name + (settings_.is_q35 ? "-pci,disable-legacy=on" : "-device") + options});
  }

  void add_streams() {
    const auto& channels = settings_.channels;
    add_channel("serial", channels.serial_fd);
    add({"-device", "isa-serial,chardev=serial"});
    // Port 0 is the console's by the standard; no more ports than needed, since each has two queues
    // to set up.
    add_device("virtio-serial", ",max_ports=5");
    int number = 1;
    for (const auto& [name, fd] :
         {std::pair("stdin", channels.stdin_fd), std::pair("stdout", channels.stdout_fd),
          std::pair("stderr", channels.stderr_fd), std::pair("control", channels.control_fd)}) {
      add_channel(name, fd);
      add({"-device",
           fmt::format("virtserialport,nr={},name=narwhal.{},chardev={}", number, name, name)});
      ++number;
    }
  }

  void add_network() {
    switch (settings_.network.kind) {
      case Network::Kind::kNone:
        return;
      case Network::Kind::kTap:
        add({"-netdev", fmt::format("tap,id=net,ifname={},script=no,downscript=no,vhost=off",
                                    settings_.network.tap_name)});
        break;
      case Network::Kind::kUser: {
        std::string options = "user,id=net";
        for (const PortForward& port : settings_.ports) {
          options += fmt::format(",hostfwd={}:{}:{}-:{}", port.is_udp ? "udp" : "tcp", port.address,
                                 port.host_port, port.guest_port);
        }
        add({"-netdev", options});
        break;
      }
    }
    add_device("virtio-net", ",netdev=net");
  }

  // QEMU acts on the host as who runs it: it cannot always give a file to the guest's user, and
  // that is no error ("none"). Folders that span file systems get inode numbers of their own
  // ("remap").
  void add_shares() {
    for (const SharedFolder& share : settings_.shares) {
      std::string path;
      for (const char c : share.path) path += c == ',' ? ",," : std::string(1, c);
      add({"-fsdev", fmt::format("local,id={},path={},security_model=none,multidevs=remap{}",
                                 share.tag, path, share.read_only ? ",readonly=on" : "")});
      add_device("virtio-9p", fmt::format(",fsdev={},mount_tag={}", share.tag, share.tag));
    }
  }

  // QEMU finds the descriptors as files of its own; locks and the way of reading belong to them.
  // What goes wrong is for the program to hear: left to itself, QEMU stops the machine where this
  // one's disk is full.
  void add_disks() {
    for (size_t i = 0; i < settings_.disks.size(); ++i) {
      const DiskSettings& disk = settings_.disks[i];
      add({"-add-fd", fmt::format("fd={},set={}", disk.fd, i + 1), "-blockdev",
           fmt::format("driver={},node-name=disk{},filename=/dev/fdset/{},read-only={},"
                       "auto-read-only=off,locking=off,cache.direct={},discard=unmap",
                       disk.is_block_device ? "host_device" : "file", i, i + 1,
                       disk.read_only ? "on" : "off", disk.is_direct ? "on" : "off")});
      add_device("virtio-blk", fmt::format(",drive=disk{},serial={},werror=report,rerror=report", i,
                                           disk.serial));
    }
  }

  const MachineSettings& settings_;
  std::vector<std::string> words_;
};

}  // namespace

std::vector<std::string> qemu_command(const MachineSettings& settings) {
  return Command(settings).build();
}

std::vector<std::string> process_command(const MachineSettings& settings,
                                         const ProcessMemory& memory) {
  const auto& channels = settings.channels;
  std::vector<std::string> words = {settings.kernel,
                                    fmt::format("--memory-fd={}", memory.fd),
                                    fmt::format("--archive-size={}", memory.archive_size),
                                    fmt::format("--memory={}", settings.memory),
                                    fmt::format("--cpus={}", settings.processors),
                                    fmt::format("--stdin={}", channels.stdin_fd),
                                    fmt::format("--stdout={}", channels.stdout_fd),
                                    fmt::format("--stderr={}", channels.stderr_fd),
                                    fmt::format("--control={}", channels.control_fd),
                                    fmt::format("--log={}", channels.serial_fd),
                                    fmt::format("--settings={}", settings.command_line)};
  if (memory.uses_host_clock)
    words.emplace_back("--clock=host");
  else if (memory.tsc_khz != 0)
    words.push_back(fmt::format("--tsc-khz={}", memory.tsc_khz));
  if (settings.waits_for_debugger) words.emplace_back("--debuggable=wait");
  if (memory.image_fd >= 0) words.push_back(fmt::format("--image-fd={}", memory.image_fd));
  return words;
}

std::string quoted_for_shell(const std::vector<std::string>& command) {
  std::string text;
  for (const std::string& word : command) {
    if (!text.empty()) text += ' ';
    const bool plain =
        !word.empty() && word.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "-_./:=,+@%") == std::string::npos;
    if (plain) {
      text += word;
      continue;
    }
    text += '\'';
    for (const char c : word) text += c == '\'' ? "'\\''" : std::string(1, c);
    text += '\'';
  }
  return text;
}

}  // namespace narwhal::tools
