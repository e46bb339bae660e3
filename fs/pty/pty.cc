#include "fs/pty/pty.h"

#include "fs/pty/devpts.h"

namespace narwhal {

namespace {

constinit SpinLock<LockRank::kSpinOther> registry_lock;

}  // namespace

// All pairs whose master is open, by number.
class PtyRegistry {
 public:
  static bool add(Pty& pty) TA_REQUIRES(registry_lock) {
    u32 number = 0;
    Pty* before = list_.front();
    while (before && before->number_ == number) {
      before = list_.next(*before);
      ++number;
    }
    if (number >= Pty::kMost) return false;
    pty.number_ = number;
    pty.add_ref();
    if (before)
      list_.insert_before(*before, pty);
    else
      list_.push_back(pty);
    return true;
  }
  // What is returned must be dropped after the lock is left.
  static Ref<Pty> remove(Pty& pty) TA_REQUIRES(registry_lock) {
    list_.remove(pty);
    return Ref<Pty>::adopt(&pty);
  }
  static Pty* first_from(u32 number) TA_REQUIRES(registry_lock) {
    for (Pty& pty : list_)
      if (pty.number_ >= number) return &pty;
    return nullptr;
  }

 private:
  static inline constinit List<Pty, &Pty::registry_node_> list_;
};

// --- the bytes under way

Result<usize> PtyPort::read(std::span<std::byte> to) {
  usize count = 0;
  {
    SpinGuard guard(lock_);
    while (count < to.size() && !typed_.empty()) {
      to[count++] = typed_.front()[0];
      typed_.pop(1);
    }
  }
  if (count == 0) return Errno::kAgain;
  queue_.wake(kPollWritable, ~usize{0});
  return count;
}

Result<usize> PtyPort::write(std::span<const std::byte> from) {
  usize count = 0;
  {
    SpinGuard guard(lock_);
    while (count < from.size() && shown_.push(u8(from[count]))) ++count;
  }
  if (count == 0) return Errno::kAgain;
  queue_.wake(kPollReadable, ~usize{0});
  return count;
}

PollEvents PtyPort::poll() {
  SpinGuard guard(lock_);
  PollEvents events = PollEvents::kNone;
  if (!typed_.empty()) events |= kPollReadable;
  if (shown_.room() != 0) events |= kPollWritable;
  return events;
}

usize PtyPort::take(std::span<std::byte> to) {
  SpinGuard guard(lock_);
  usize count = 0;
  while (count < to.size() && !shown_.empty()) {
    to[count++] = shown_.front()[0];
    shown_.pop(1);
  }
  return count;
}

usize PtyPort::give(std::span<const std::byte> from) {
  SpinGuard guard(lock_);
  usize count = 0;
  while (count < from.size() && typed_.push(u8(from[count]))) ++count;
  return count;
}

usize PtyPort::bytes_ready() {
  SpinGuard guard(lock_);
  return shown_.size();
}

bool PtyPort::has_room() {
  SpinGuard guard(lock_);
  return typed_.room() != 0;
}

void PtyPort::discard_typed() {
  SpinGuard guard(lock_);
  typed_.clear();
}

void PtyPort::discard_shown() {
  SpinGuard guard(lock_);
  shown_.clear();
}

// --- the pair

Result<Ref<Pty>> Pty::create() {
  auto pty = TRY(make_ref<Pty>(TRY(make_ref<PtyPort>())));
  {
    SpinGuard guard(registry_lock);
    if (!PtyRegistry::add(*pty)) return Errno::kNoSpc;
  }
  auto inode = make_pty_inode(*pty);
  if (!inode.ok()) {
    pty->close_master();
    return inode.error();
  }
  pty->set_slave(inode.take());
  return pty;
}

Ref<Pty> Pty::find_from(u32 number) {
  SpinGuard guard(registry_lock);
  return Ref<Pty>(PtyRegistry::first_from(number));
}

Ref<Pty> Pty::find(u32 number) {
  Ref<Pty> pty = find_from(number);
  return pty && pty->number() == number ? pty : nullptr;
}

void Pty::close_master() {
  master_closed_.store(true, Order::kRelease);
  Ref<Pty> registered;
  {
    SpinGuard guard(registry_lock);
    registered = PtyRegistry::remove(*this);
  }
  if (slave_) slave_->set_links(0);
  close_input();
  hang_up();
}

// EIO as Linux says it, whatever the reason.
Result<> Pty::check_open() {
  if (master_closed() || locked.load(Order::kRelaxed)) return Errno::kIo;
  return {};
}

void Pty::file_opened() {
  slave_files_.fetch_add(1);
  slave_gone_.store(false, Order::kRelease);
}

void Pty::file_closed() {
  if (slave_files_.fetch_sub(1) != 1) return;
  slave_gone_.store(true, Order::kRelease);
  port_->queue().wake(kPollReadable | PollEvents::kHup, ~usize{0});
}

void Pty::set_packet_mode(bool on) {
  if (on && !packet_mode()) packet_status_.store(0);
  packet_mode_.store(on);
}

void Pty::note(u8 bits) {
  if (!packet_mode()) return;
  constexpr u8 kPairs[][2] = {{abi::kPacketStop, abi::kPacketStart},
                              {abi::kPacketNoStop, abi::kPacketDoStop}};
  // The later word of a pair is the one that counts.
  u8 before = packet_status(), after;
  do {
    after = before | bits;
    for (const auto& [one, other] : kPairs) {
      if (bits & one) after &= u8(~other);
      if (bits & other) after &= u8(~one);
    }
  } while (!packet_status_.compare_exchange(before, after));
  port_->queue().wake(kPollReadable | PollEvents::kPri, ~usize{0});
}

}  // namespace narwhal
