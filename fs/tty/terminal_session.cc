// Terminals and sessions: who has which terminal, who is in the foreground, and what the others are
// told. credentials(7), ioctl_tty(2), setsid(2).
#include "fs/tty/job_control.h"
#include "fs/tty/terminal.h"
#include "kernel/platform/user.h"
#include "kernel/sched/thread.h"

namespace narwhal {

namespace {

u32 ask(u32 (*question)()) {
  return question ? question() : 0;
}

void signal_group(u32 group, Signal signal) {
  if (group != 0 && job_control().signal_group) job_control().signal_group(group, signal);
}

bool current_leads_session() {
  const u32 session = ask(job_control().current_session);
  return session != 0 && session == ask(job_control().current_process);
}

bool current_can(Capability capability) {
  return !job_control().current_can || job_control().current_can(capability);
}

constinit SpinLock<LockRank::kSpinOther> sessions_lock;

}  // namespace

// All terminals that a session has, or has lost while its leader lives.
class TerminalSessions {
 public:
  static void take(Terminal& terminal, u32 session, u32 group) TA_REQUIRES(sessions_lock) {
    if (terminal.session_ == 0) {
      terminal.add_ref();
      list_.push_back(terminal);
    }
    terminal.session_ = session;
    terminal.foreground_ = group;
    terminal.lost_ = false;
  }
  // What is returned must be dropped after the lock is left.
  static Ref<Terminal> give_up(Terminal& terminal) TA_REQUIRES(sessions_lock) {
    if (terminal.session_ == 0) return nullptr;
    terminal.session_ = terminal.foreground_ = 0;
    terminal.lost_ = false;
    list_.remove(terminal);
    return Ref<Terminal>::adopt(&terminal);
  }
  static Terminal* find(u32 session, bool lost) TA_REQUIRES(sessions_lock) {
    for (Terminal& terminal : list_)
      if (terminal.session_ == session && terminal.lost_ == lost) return &terminal;
    return nullptr;
  }

 private:
  static inline constinit List<Terminal, &Terminal::session_node_> list_;
};

u32 Terminal::session() const {
  SpinGuard guard(sessions_lock);
  return lost_ ? 0 : session_;
}

u32 Terminal::foreground_group() const {
  SpinGuard guard(sessions_lock);
  return lost_ ? 0 : foreground_;
}

Ref<Terminal> Terminal::of_session(u32 session) {
  if (session == 0) return nullptr;
  SpinGuard guard(sessions_lock);
  return Ref<Terminal>(TerminalSessions::find(session, false));
}

Result<> Terminal::set_session(u32 session, u32 foreground_group) {
  SpinGuard guard(sessions_lock);
  if (session_ != 0 && !lost_ && session_ != session) return Errno::kPerm;
  TerminalSessions::take(*this, session, foreground_group);
  return {};
}

void Terminal::opened_by_current() {
  if (!current_leads_session()) return;
  const u32 session = ask(job_control().current_session);
  const u32 group = ask(job_control().current_group);
  SpinGuard guard(sessions_lock);
  if ((session_ != 0 && !lost_) || TerminalSessions::find(session, false)) return;
  TerminalSessions::take(*this, session, group);
}

bool Terminal::controls_current() const {
  const u32 session = ask(job_control().current_session);
  if (session == 0 || this->session() != session) return false;
  return !job_control().current_left_terminal || !job_control().current_left_terminal();
}

void Terminal::signal_foreground(Signal signal) {
  signal_group(foreground_group(), signal);
}

// --- the end of it

void Terminal::hang_up() {
  u32 leader;
  {
    SpinGuard guard(sessions_lock);
    leader = lost_ ? 0 : session_;
    if (session_ != 0) lost_ = true;
  }
  {
    Guard guard(mutex_);
    hangups_.fetch_add(1, Order::kRelease);
    discipline_.discard_input();
    discipline_.output().clear();
    discipline_.release();
    discipline_.start();
  }
  if (leader != 0 && job_control().signal_process) {
    job_control().signal_process(leader, Signal::kHup);
    job_control().signal_process(leader, Signal::kCont);
  }
  queue_.wake(kPollReadable | kPollWritable | PollEvents::kHup | PollEvents::kErr, ~usize{0});
}

void Terminal::session_leader_ended(u32 session) {
  Ref<Terminal> given_up;
  u32 group = 0;
  bool was_lost = false;
  {
    SpinGuard guard(sessions_lock);
    Terminal* terminal = TerminalSessions::find(session, false);
    if (!terminal) {
      terminal = TerminalSessions::find(session, true);
      was_lost = true;
    }
    if (!terminal) return;
    group = terminal->foreground_;
    given_up = TerminalSessions::give_up(*terminal);
  }
  signal_group(group, Signal::kHup);
  if (was_lost) signal_group(group, Signal::kCont);
}

Result<i64> Terminal::give_up() {
  if (!controls_current()) return Errno::kNotTty;
  // Only when the leader leaves it does the session lose its terminal (ioctl_tty(2)).
  if (!current_leads_session()) {
    if (job_control().current_leaves_terminal) job_control().current_leaves_terminal();
    return i64{0};
  }
  Ref<Terminal> given_up;
  u32 group;
  {
    SpinGuard guard(sessions_lock);
    group = foreground_;
    given_up = TerminalSessions::give_up(*this);
  }
  signal_group(group, Signal::kHup);
  signal_group(group, Signal::kCont);
  return i64{0};
}

// --- jobs

Result<> Terminal::check_background(Signal signal) {
  if (!controls_current()) return {};
  const JobControl& jobs = job_control();
  const u32 group = ask(jobs.current_group);
  const u32 foreground = foreground_group();
  if (foreground == 0 || group == foreground) return {};
  if (jobs.current_ignores && jobs.current_ignores(signal)) {
    if (signal == Signal::kTtin) return Errno::kIo;
    return {};
  }
  if (jobs.group_is_orphaned && jobs.group_is_orphaned(group)) return Errno::kIo;
  narwhal::signal_group(group, signal);
  return Errno::kRestartSys;
}

Result<i64> Terminal::set_foreground(UserAddr argument) {
  auto change = check_change();
  // Who may not change it for being in no job of this terminal is told so below.
  if (change.failed(Errno::kIo)) return Errno::kNotTty;
  if (!change.ok()) return change.error();
  if (!controls_current()) return Errno::kNotTty;
  const i32 group = TRY(load_user<i32>(argument));
  if (group < 0) return Errno::kInval;
  const JobControl& jobs = job_control();
  const u32 session = jobs.session_of_group ? jobs.session_of_group(u32(group)) : 0;
  if (session == 0) return Errno::kSrch;
  if (session != ask(jobs.current_session)) return Errno::kPerm;
  SpinGuard guard(sessions_lock);
  foreground_ = u32(group);
  return i64{0};
}

Result<i64> Terminal::take_as_controlling(bool steal, bool readable) {
  const u32 session = ask(job_control().current_session);
  const bool leads = current_leads_session();
  if (leads && this->session() == session) return i64{0};
  if (!leads) return Errno::kPerm;
  const u32 group = ask(job_control().current_group);
  const bool may_steal = steal && current_can(Capability::kSysAdmin);
  if (!readable && !current_can(Capability::kSysAdmin)) return Errno::kPerm;
  SpinGuard guard(sessions_lock);
  if (TerminalSessions::find(session, false)) return Errno::kPerm;
  if (session_ != 0 && !lost_ && !may_steal) return Errno::kPerm;
  TerminalSessions::take(*this, session, group);
  return i64{0};
}

}  // namespace narwhal
