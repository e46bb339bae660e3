#include "kernel/drivers/host/host_port.h"

#include "kernel/platform/cpu_local.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"

namespace narwhal {
namespace {

// Nothing is read ahead: what the program does not ask for stays for whoever reads after it.
class HostPort final : public ConsolePort {
 public:
  HostPort(std::string_view name, int fd) : name_(name), kind_(host::kind_of_transfers(fd)) {
    watch_.fd = fd;
    watch_.ready = [](void* self) { static_cast<HostPort*>(self)->ready(); };
    watch_.argument = this;
    process_home::add_watch(watch_);
    // Only where nobody else can mind: the flag belongs to the open file, and the signal goes to a
    // group of processes that is ours.
    const auto& boot = process_home::boot_state;
    if (kind_ != host::Transfers::kOfFile && boot.control_fd >= 0 &&
        (fd == boot.streams[0] || fd == boot.control_fd))
      host::signal_input(fd, true).ignore();
  }
  std::string_view name() const override { return name_; }

  Result<usize> read(std::span<std::byte> to) override {
    if (to.empty()) return usize{0};
    if (may_wait() && !ask(host::kPollIn)) return Errno::kAgain;
    auto got = host::read(watch_.fd, to);
    if (got.failed(Errno::kAgain)) wait_for(host::kPollIn);
    // A file says only now that it is over; whoever waits by poll() shall look again.
    if (got.ok() && got.value() == 0 && !ended_) {
      ended_ = true;
      ready();
    }
    return got;
  }

  Result<usize> write(std::span<const std::byte> from) override {
    if (from.empty()) return usize{0};
    if (may_wait()) {
      if (!ask(host::kPollOut)) return Errno::kAgain;
      // A pipe or terminal that can be written takes this much without waiting (pipe(7), PIPE_BUF).
      constexpr usize kSure = 4096;
      if (from.size() > kSure) from = from.first(kSure);
    }
    const auto written = host::write(watch_.fd, from);
    if (written.failed(Errno::kAgain)) wait_for(host::kPollOut);
    return written;
  }

  PollEvents poll() override {
    PollEvents result = PollEvents::kNone;
    const i16 now = ask(host::kPollIn | host::kPollOut);
    if (now & (host::kPollIn | host::kPollHangUp)) result |= kPollReadable;
    // Of a stream that nobody writes any more poll(2) tells POLLHUP, bytes left or not.
    if (ended_ || (now & (host::kPollHangUp | host::kPollPeerDone))) result |= PollEvents::kHup;
    if (now & (host::kPollOut | host::kPollError)) result |= kPollWritable;
    return result;
  }

  void drain(u64) override {}  // the host has what write() took

 private:
  // Which of `events` there are now. For those that are not, whoever waits on the queue is woken.
  i16 ask(i16 events) {
    host::PollFd polled{watch_.fd, i16(events | host::kPollPeerDone), 0};
    host::poll_now({&polled, 1}).ignore();
    const i16 missing = i16(events & ~polled.happened);
    const bool over = polled.happened & (host::kPollError | host::kPollHangUp);
    if (missing != 0 && !over) wait_for(missing);
    return polled.happened;
  }
  // Others may hold the open file, too, whose flags stay as they are: then each transfer is
  // preceded by the question whether it would wait.
  bool may_wait() const { return kind_ == host::Transfers::kMayWait; }
  void wait_for(i16 events) {
    InterruptGuard guard;
    process_home::arm(watch_, events);
  }
  void ready() { queue().wake(kPollReadable | kPollWritable, ~usize{0}); }

  std::string_view name_;
  const host::Transfers kind_;
  process_home::Watch watch_;
  bool ended_ = false;
};

}  // namespace

Result<Ref<ConsolePort>> open_host_port(std::string_view name, int fd) {
  auto port = TRY(make_ref<HostPort>(name, fd));
  port->add_ref();  // watched for ever
  return Ref<ConsolePort>(std::move(port));
}

}  // namespace narwhal
