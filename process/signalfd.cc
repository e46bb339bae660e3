#include "process/signalfd.h"

#include "kernel/base/format.h"
#include "process/signals.h"

namespace narwhal {

namespace {

// struct signalfd_siginfo
struct Record {
  u32 number;
  i32 error;
  i32 code;
  u32 pid;
  u32 uid;
  i32 fd;
  u32 timer;
  u32 band;
  u32 overrun;
  u32 trap_number;
  i32 status;
  i32 value;
  u64 pointer;
  u64 user_time;
  u64 system_time;
  u64 address;
  u16 address_lsb;
  u16 padding;
  i32 syscall;
  u64 call_address;
  u32 arch;
  u8 unused[28];
};
static_assert(sizeof(Record) == 128);

// Which member of the union of siginfo_t is meant (sigaction(2)).
enum class Layout : u8 { kSender, kQueued, kTimer, kChild, kFault, kPoll, kCall };

Layout layout_of(const abi::SignalInfo& info) {
  constexpr i32 kMaxPollCode = 6;
  if (info.code > abi::kCodeUser && info.code < abi::kCodeKernel) {
    switch (Signal(info.number)) {
      case Signal::kIll:
      case Signal::kFpe:
      case Signal::kSegv:
      case Signal::kBus:
      case Signal::kTrap:
        return Layout::kFault;
      case Signal::kChld:
        return Layout::kChild;
      case Signal::kSys:
        return Layout::kCall;
      default:
        return info.code <= kMaxPollCode ? Layout::kPoll : Layout::kSender;
    }
  }
  if (info.code == abi::kCodeTimer) return Layout::kTimer;
  if (info.code == abi::kCodeSigIo) return Layout::kPoll;
  return info.code < 0 ? Layout::kQueued : Layout::kSender;
}

Record to_record(const abi::SignalInfo& info) {
  Record out{};
  out.number = u32(info.number);
  out.error = info.error;
  out.code = info.code;
  switch (layout_of(info)) {
    case Layout::kQueued:
      out.pointer = info.queued.value;
      out.value = i32(info.queued.value);
      [[fallthrough]];
    case Layout::kSender:
      out.pid = u32(info.queued.pid);
      out.uid = info.queued.uid;
      break;
    case Layout::kTimer:
      out.timer = u32(info.timer.timer);
      out.overrun = u32(info.timer.overrun);
      out.pointer = info.timer.value;
      out.value = i32(info.timer.value);
      break;
    case Layout::kChild:
      out.pid = u32(info.child.pid);
      out.uid = info.child.uid;
      out.status = info.child.status;
      out.user_time = u64(info.child.user_time);
      out.system_time = u64(info.child.system_time);
      break;
    case Layout::kFault:
      out.address = info.fault.address;
      break;
    case Layout::kPoll:
      out.band = u32(info.poll.band);
      out.fd = info.poll.fd;
      break;
    case Layout::kCall:
      out.call_address = info.sys.call_address;
      out.syscall = info.sys.syscall;
      out.arch = info.sys.arch;
      break;
  }
  return out;
}

}  // namespace

SignalFd::~SignalFd() = default;

void SignalFd::set_mask(SignalSet mask) {
  mask_.store(mask.bits, Order::kRelaxed);
  // Somebody may wait for what it asks for only now.
  current_process().signal_arrival.wake(kPollReadable);
}

Result<usize> SignalFd::read(IoBuffer& to) {
  if (to.remaining() < sizeof(Record)) return Errno::kInval;
  usize done = 0;
  abi::SignalInfo info;
  while (to.remaining() >= sizeof(Record) && dequeue_signal(current_task(), mask(), info)) {
    const Record record = to_record(info);
    const auto written = to.write(&record, sizeof record);
    if (!written.ok() || written.value() < sizeof record) {
      if (done != 0) return done;
      return Errno::kFault;
    }
    done += sizeof record;
  }
  if (done == 0) return Errno::kAgain;
  return done;
}

PollEvents SignalFd::poll() {
  const SignalSet ready = pending_signals(current_task()) & mask();
  return ready.empty() ? PollEvents::kNone : PollEvents::kIn;
}

WaitQueue* SignalFd::poll_queue() {
  Process& process = current_process();
  Guard guard(mutex_);
  for (const Ref<Process>& known : waited_for_)
    if (known == &process) return &process.signal_arrival;
  // Without the reference the queue could not be given out; then rather none: EPERM of
  // epoll_ctl(2), and a poll(2) that only looks.
  if (!waited_for_.push_back(Ref<Process>(&process)).ok()) return nullptr;
  return &process.signal_arrival;
}

void SignalFd::describe(TextSink& out) const {
  out << "sigmask:\t" << hex_digits(mask().bits, 16) << '\n';
}

}  // namespace narwhal
