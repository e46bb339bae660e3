#include "fs/tty/terminal.h"

#include "fs/tty/job_control.h"
#include "kernel/platform/machine.h"
#include "kernel/sched/thread.h"

namespace narwhal {

namespace {

constinit JobControl the_job_control{};
constexpr u64 kTimeUnit = 100 * kNanosPerMilli;  // of VTIME

}  // namespace

void set_job_control(const JobControl& functions) {
  the_job_control = functions;
}
const JobControl& job_control() {
  return the_job_control;
}

Terminal::Terminal(Ref<ConsolePort> input, Ref<ConsolePort> output)
    : input_(std::move(input)), output_(std::move(output)) {
  input_closed_ = !input_;
}

Terminal::~Terminal() {
  read_timer_.cancel();
}

Result<> Terminal::start() {
  add_ref();  // the thread's
  auto thread = start_kernel_thread(
      "terminal",
      [](void* argument) {
        auto& terminal = *static_cast<Terminal*>(argument);
        WaitQueue nothing;
        WaitQueue& in = terminal.input_ ? terminal.input_->queue() : nothing;
        WaitQueue& out = terminal.output_ ? terminal.output_->queue() : nothing;
        ScopedWait input(in, kPollReadable | PollEvents::kHup);
        ScopedWait output(out, kPollWritable);
        for (;;) {
          prepare_to_sleep();
          if (terminal.service())
            cancel_sleep();
          else
            sleep(Interruptible::kNo).ignore();
        }
      },
      this);
  if (!thread.ok()) {
    drop_ref();
    return thread.error();
  }
  return {};
}

// --- between ports and discipline

bool Terminal::service() {
  Guard guard(mutex_);
  return service_locked();
}

bool Terminal::service_locked() {
  // Echo comes of input, so output goes last.
  const bool came = take_input();
  const bool went = flush_output();
  if (came && discipline_.bytes_readable() != 0)
    wake_readers();
  else if (came)
    queue_.wake_all();  // half a line, or a change of settings
  if ((came || went) && may_write() && discipline_.output_room() != 0)
    queue_.wake(kPollWritable, ~usize{0});
  return came || went;
}

bool Terminal::take_input() {
  bool moved = false;
  while (!input_closed_ && discipline_.can_receive()) {
    // One at a time only when the room is down to single bytes; a chunk must fit whatever it holds.
    std::byte chunk[64];
    const usize waiting = discipline_.bytes_waiting();
    const bool plenty = waiting + 2 * sizeof chunk < LineDiscipline::kInputSize;
    auto taken = input_->read({chunk, plenty ? sizeof chunk : 1});
    if (!taken.ok()) break;
    moved = true;
    if (taken.value() == 0) {
      input_closed_ = true;
      queue_.wake(kPollReadable | PollEvents::kHup, ~usize{0});
      break;
    }
    last_input_ns_ = platform::monotonic_ns();
    for (std::byte byte : std::span(chunk, taken.value())) {
      const bool stopped = discipline_.stopped();
      const Signal signal = discipline_.receive(u8(byte));
      if (signal != Signal::kNone) {
        signal_foreground(signal);
        if (!(discipline_.settings().local & abi::kLNoFlush))
          note(abi::kPacketFlushRead | abi::kPacketFlushWrite);
      }
      if (discipline_.stopped() != stopped) note(stopped ? abi::kPacketStart : abi::kPacketStop);
    }
  }
  return moved;
}

bool Terminal::flush_output() {
  auto& bytes = discipline_.output();
  bool moved = false;
  while (!bytes.empty() && !discipline_.stopped()) {
    const std::span<const std::byte> front = bytes.front();
    auto written = output_ ? output_->write(front) : Result<usize>(front.size());
    const bool hung_up = written.failed(Errno::kPipe);  // what it is shown is lost
    const usize taken = hung_up ? front.size() : std::move(written).value_or(0);
    if (taken == 0) break;
    bytes.pop(taken);
    moved = true;
  }
  return moved;
}

void Terminal::drain(u64 deadline_ns) {
  for (;;) {
    {
      Guard guard(mutex_);
      discipline_.release();  // nobody is left to type XON
      discipline_.start();
      flush_output();
      if (discipline_.output().empty()) break;
    }
    if (platform::monotonic_ns() >= deadline_ns) return;
    __builtin_ia32_pause();
  }
  if (output_) output_->drain(deadline_ns);
}

// --- reading and writing

Result<usize> Terminal::read(IoBuffer& to, bool waits) {
  TRY(check_background(Signal::kTtin));
  if (to.remaining() == 0) return usize{0};
  Guard guard(mutex_);
  service_locked();
  auto result = discipline_.canonical() ? read_line(to, waits) : read_bytes(to, waits);
  if (result.ok()) {
    read_began_ns_ = 0;
    // There may be room again for what had to wait in the port.
    service_locked();
  }
  return result;
}

Result<usize> Terminal::read_line(IoBuffer& to, bool) {
  if (discipline_.line_ready()) return copy_out(to);
  if (!input_closed_) return Errno::kAgain;
  // What was typed last has no end any more that could come.
  if (discipline_.bytes_waiting() == 0) return usize{0};
  discipline_.finish_input();
  return copy_out(to);
}

// MIN and TIME, termios(3), "Canonical and noncanonical mode".
Result<usize> Terminal::read_bytes(IoBuffer& to, bool waits) {
  const usize available = discipline_.bytes_waiting();
  const usize minimum = discipline_.settings().characters[abi::kVMin];
  const usize wanted = minimum < to.remaining() ? minimum : to.remaining();
  if (available != 0 && available >= wanted) return copy_out(to);
  if (input_closed_) return copy_out(to);
  if (!waits && available != 0) return copy_out(to);
  const u64 deadline = read_deadline();
  const u64 now = platform::monotonic_ns();
  if (minimum == 0 && deadline <= now) return copy_out(to);  // perhaps nothing at all
  if (!waits) return Errno::kAgain;
  if (deadline <= now) return copy_out(to);
  if (deadline != platform::kNoDeadline) read_timer_.arm(deadline);
  return Errno::kAgain;
}

u64 Terminal::read_deadline() {
  const auto& characters = discipline_.settings().characters;
  const u64 time = characters[abi::kVTime] * kTimeUnit;
  const u64 now = platform::monotonic_ns();
  if (characters[abi::kVMin] == 0) {
    if (time == 0) return 0;
    // Counted from where the read began. One that a signal ended leaves its beginning behind; it is
    // told by its age.
    if (read_began_ns_ == 0 || now > read_began_ns_ + time + kTimeUnit) read_began_ns_ = now;
    return read_began_ns_ + time;
  }
  // Counted from byte to byte, once there is one.
  if (time == 0 || discipline_.bytes_waiting() == 0) return platform::kNoDeadline;
  return last_input_ns_ + time;
}

Result<usize> Terminal::copy_out(IoBuffer& to) {
  usize total = 0;
  while (to.remaining() != 0) {
    std::byte chunk[256];
    const usize room = to.remaining() < sizeof chunk ? to.remaining() : sizeof chunk;
    const bool canonical = discipline_.canonical();
    if (canonical ? !discipline_.line_ready() : discipline_.bytes_waiting() == 0) break;
    const bool line_ends = canonical && discipline_.line_ends_within(room);
    const usize count = discipline_.take({chunk, room});
    auto moved = to.write(chunk, count);
    if (!moved.ok() && count != 0) {
      if (total != 0) break;
      return moved.error();
    }
    total += count;
    if (line_ends) break;
  }
  return total;
}

Result<usize> Terminal::write(IoBuffer& from) {
  if (stops_background_output()) TRY(check_background(Signal::kTtou));
  Guard guard(mutex_);
  if (!may_write() && from.remaining() != 0) return Errno::kAgain;
  usize total = 0;
  while (from.remaining() != 0) {
    u8 chunk[256];
    usize size = from.remaining() < sizeof chunk ? from.remaining() : sizeof chunk;
    usize room = discipline_.output_room();
    if (room < size) {
      flush_output();
      room = discipline_.output_room();
    }
    if (room < size) size = room;
    if (size == 0) break;
    auto moved = from.read(chunk, size);
    if (!moved.ok()) {
      if (total == 0) return moved.error();
      break;
    }
    for (u8 byte : std::span(chunk, moved.value())) discipline_.put(byte);
    total += moved.value();
    if (moved.value() < size) break;
  }
  flush_output();
  if (total == 0 && from.remaining() != 0) return Errno::kAgain;
  return total;
}

bool Terminal::may_write() {
  return !(stops_writers() && discipline_.stopped());
}

void Terminal::close_input() {
  Guard guard(mutex_);
  input_closed_ = true;
}

bool Terminal::stops_background_output() {
  Guard guard(mutex_);
  return discipline_.settings().local & abi::kLStopBackground;
}

PollEvents Terminal::poll() {
  Guard guard(mutex_);
  service_locked();
  const auto& characters = discipline_.settings().characters;
  bool readable;
  if (discipline_.canonical()) {
    readable = discipline_.line_ready();
  } else {
    const usize minimum = characters[abi::kVTime] == 0 ? characters[abi::kVMin] : 1;
    const usize available = discipline_.bytes_waiting();
    readable = available != 0 && available >= minimum;
  }
  PollEvents events = PollEvents::kNone;
  if (readable || input_closed_) events |= kPollReadable;
  if (input_ && input_closed_) events |= PollEvents::kHup;
  if (may_write() && discipline_.output_room() != 0) events |= kPollWritable;
  return events;
}

}  // namespace narwhal
