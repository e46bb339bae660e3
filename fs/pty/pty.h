// Pseudo-terminals, pty(7): a terminal whose screen and keyboard are a file, the master.
#pragma once

#include "fs/core/inode.h"
#include "fs/tty/terminal.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {

inline constexpr u32 kPtySlaveMajor = 136;

// What lies between master and terminal: the bytes under way in both directions. The terminal sees
// a port; the master takes and gives at the other end.
class PtyPort final : public ConsolePort {
 public:
  static constexpr usize kSize = 16 * kKiB;

  // --- the terminal's end
  std::string_view name() const override { return "pty"; }
  Result<usize> read(std::span<std::byte> to) override;
  Result<usize> write(std::span<const std::byte> from) override;
  PollEvents poll() override;
  void drain(u64) override {}

  // --- the master's end. 0: nothing there; no room.
  usize take(std::span<std::byte> to);
  usize give(std::span<const std::byte> from);
  usize bytes_ready();  // for the master
  bool has_room();      // for what the master gives
  void discard_typed();
  void discard_shown();

 private:
  SpinLock<LockRank::kDevice> lock_;
  ByteRing<kSize> typed_ TA_GUARDED_BY(lock_);
  ByteRing<kSize> shown_ TA_GUARDED_BY(lock_);
};

// One pair. The master's file and the registry keep it, and so do files of the slave.
class Pty final : public Terminal {
 public:
  // The lowest free number, locked (TIOCSPTLCK). ENOSPC when there are too many, ENOMEM.
  static Result<Ref<Pty>> create();
  // By its number, while its master is open; else null.
  static Ref<Pty> find(u32 number);
  // The first that is not below a number.
  static Ref<Pty> find_from(u32 number);

  static constexpr u32 kMost = 4096;  // /proc/sys/kernel/pty/max

  explicit Pty(Ref<PtyPort> port) : Terminal(port, port), port_(std::move(port)) {}

  u32 number() const { return number_; }
  PtyPort& port() const { return *port_; }
  // The slave's name leads to it.
  const Ref<Inode>& slave() const { return slave_; }
  void set_slave(Ref<Inode> inode) { slave_ = std::move(inode); }
  // The master's file is gone: the number is free, and the slave has hung up.
  void close_master();
  bool master_closed() const { return master_closed_.load(Order::kAcquire); }
  // The last file of the slave was closed, and none was opened since.
  bool slave_gone() const { return slave_gone_.load(Order::kAcquire); }

  // --- packet mode (ioctl_tty(2))
  bool packet_mode() const { return packet_mode_.load(Order::kRelaxed); }
  void set_packet_mode(bool on);
  u8 packet_status() const { return packet_status_.load(Order::kRelaxed); }
  u8 take_packet_status() { return packet_status_.exchange(0); }

  Atomic<bool> locked{true};

  // From the master.
  Result<i64> master_ioctl(u32 command, UserAddr argument) {
    return ioctl_from_master(command, argument);
  }

  Result<> check_open() override;
  void file_opened() override;
  void file_closed() override;
  u64 device() const override { return make_device(kPtySlaveMajor, number_); }

 private:
  friend class PtyRegistry;
  void note(u8 bits) override;
  bool stops_writers() const override { return true; }

  const Ref<PtyPort> port_;
  Ref<Inode> slave_;
  u32 number_ = 0;
  ListNode registry_node_;
  Atomic<u32> slave_files_{0};
  Atomic<bool> slave_gone_{false};
  Atomic<bool> master_closed_{false};
  Atomic<bool> packet_mode_{false};
  Atomic<u8> packet_status_{0};
};

// Makes /dev/ptmx, the slaves and the file system devpts known. Called once. ENOMEM.
Result<> pty_init();

}  // namespace narwhal
