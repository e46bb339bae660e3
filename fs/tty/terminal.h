// A terminal, tty(4): a line discipline between a program and a port, with the window's size and
// job control.
//
// A thread of its own moves bytes between the ports and the discipline, so that echo and ^C work
// while nobody reads. Output waits in the discipline's queue until the host has taken it; when the
// queue is full, writers wait.
#pragma once

#include "fs/core/io_buffer.h"
#include "fs/tty/line_discipline.h"
#include "kernel/abi/stat.h"
#include "kernel/base/list.h"
#include "kernel/drivers/console_port.h"
#include "kernel/sched/mutex.h"
#include "kernel/sched/timer.h"

namespace narwhal {

class Terminal : public RefCounted {
 public:
  // Ports: where bytes come from and go to; the same one, or null for a direction that is not
  // there.
  Terminal(Ref<ConsolePort> input, Ref<ConsolePort> output);
  ~Terminal() override;

  // Starts the thread, which keeps the terminal for ever. ENOMEM.
  Result<> start();
  // What the thread does each time: true when something was moved.
  bool service();
  // Waits, by polling, until the host has all output: before power-off.
  void drain(u64 deadline_ns);

  // The host's window changed; SIGWINCH to the foreground when the size is another.
  void set_window_size(const abi::WindowSize& size);
  // A signal from outside, as if typed.
  void signal_foreground(Signal signal);
  // Becomes the controlling terminal of a session. EPERM when another has it.
  Result<> set_session(u32 session, u32 foreground_group);
  u32 session() const;
  u32 foreground_group() const;
  // Null when the session has none.
  static Ref<Terminal> of_session(u32 session);
  // Its leader has ended: the session loses its terminal, and those who are left are told.
  static void session_leader_ended(u32 session);
  // vhangup(2): the session loses the terminal, its leader gets SIGHUP, and files that are open now
  // are dead.
  virtual void hang_up();
  // Files opened before the last of these are dead.
  u32 hangups() const { return hangups_.load(Order::kAcquire); }

  // --- for open files
  // EIO when it can't be opened now.
  virtual Result<> check_open() { return {}; }
  virtual void file_opened() {}
  virtual void file_closed() {}
  bool exclusive() const { return exclusive_.load(Order::kRelaxed); }
  // stat(2)'s st_rdev, for TIOCGDEV and /proc/PID/stat.
  virtual u64 device() const { return make_device(5, 1); }
  // `waits`: the caller would wait for what is not there yet.
  Result<usize> read(IoBuffer& to, bool waits);
  Result<usize> write(IoBuffer& from);
  PollEvents poll();
  WaitQueue& queue() { return queue_; }
  // ioctl_tty(2). ENOTTY for others.
  // `readable`: whether the file is.
  Result<i64> ioctl(u32 command, UserAddr argument, bool readable = true);
  // A leader of a session without a terminal opens it: it becomes the session's.
  void opened_by_current();

 protected:
  // What the other side of a pseudo-terminal is told, with the bits of TIOCPKT (ioctl_tty(2)).
  virtual void note(u8 bits) { static_cast<void>(bits); }
  // Whether XOFF holds writers at once, and not only when the queue is full.
  virtual bool stops_writers() const { return false; }
  // FIONREAD and the like from the other side, which is no file of this terminal's.
  Result<i64> ioctl_from_master(u32 command, UserAddr argument);
  // Its input is over, for good.
  void close_input();

 private:
  Result<usize> read_line(IoBuffer& to, bool waits) TA_REQUIRES(mutex_);
  Result<usize> read_bytes(IoBuffer& to, bool waits) TA_REQUIRES(mutex_);
  Result<usize> copy_out(IoBuffer& to) TA_REQUIRES(mutex_);
  bool service_locked() TA_REQUIRES(mutex_);
  bool take_input() TA_REQUIRES(mutex_);
  bool flush_output() TA_REQUIRES(mutex_);
  void wake_readers() { queue_.wake(kPollReadable, ~usize{0}); }
  // When a read with VTIME may give up; kNoDeadline: not yet.
  u64 read_deadline() TA_REQUIRES(mutex_);

  // Stops a caller in the background: EIO, or ERESTARTSYS with a signal under way.
  Result<> check_background(Signal signal);
  // Likewise before it changes the terminal.
  Result<> check_change() { return check_background(Signal::kTtou); }
  bool stops_background_output();
  bool controls_current() const;
  bool may_write() TA_REQUIRES(mutex_);
  void note_change(const abi::Termios& before) TA_REQUIRES(mutex_);

  Result<i64> get_settings(u32 command, UserAddr argument);
  Result<i64> change_settings(u32 command, UserAddr argument);
  Result<i64> set_foreground(UserAddr argument);
  Result<i64> take_as_controlling(bool steal, bool readable);
  Result<i64> give_up();
  Result<i64> flow(u64 action);
  Result<i64> flush_queues(u64 which);

  const Ref<ConsolePort> input_;
  const Ref<ConsolePort> output_;
  WaitQueue queue_;
  Mutex<LockRank::kTerminal> mutex_;
  LineDiscipline discipline_ TA_GUARDED_BY(mutex_);
  bool input_closed_ TA_GUARDED_BY(mutex_) = false;
  abi::WindowSize window_ TA_GUARDED_BY(mutex_){};
  Atomic<u32> hangups_{0};
  Atomic<bool> exclusive_{false};
  u64 last_input_ns_ TA_GUARDED_BY(mutex_) = 0;
  u64 read_began_ns_ TA_GUARDED_BY(mutex_) = 0;  // of a read that waits with VTIME; 0: none

  // Wakes readers when VTIME has passed.
  struct ReadTimer : Timer {
    explicit ReadTimer(Terminal& owner) : Timer(expired), terminal(owner) {}
    static void expired(Timer& timer) { static_cast<ReadTimer&>(timer).terminal.queue_.wake_all(); }
    Terminal& terminal;
  } read_timer_{*this};

  // Guarded by the one lock of terminal_session.cc. A session's terminal is in a list that owns a
  // reference; one that hung up stays there until the session's leader has ended, who leaves the
  // foreground alone then.
  friend class TerminalSessions;
  ListNode session_node_;
  u32 session_ = 0;
  u32 foreground_ = 0;
  bool lost_ = false;  // hung up: the numbers are those of before
};

}  // namespace narwhal
