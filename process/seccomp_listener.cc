#include "process/seccomp_listener.h"

#include "kernel/abi/resource.h"
#include "process/family.h"

namespace narwhal::seccomp {
namespace {

constexpr u32 kContinue = 1;              // SECCOMP_USER_NOTIF_FLAG_CONTINUE
constexpr u32 kSetNumber = 1, kSend = 2;  // SECCOMP_ADDFD_FLAG_*
constexpr u32 kCloseOnExec = 02000000;

enum Command : u32 {
  kReceive = 0xc050'2100,
  kAnswer = 0xc018'2101,
  kCheckId = 0x4008'2102,
  kCheckIdOld = 0x8008'2102,  // the direction was wrong at first
  kAddFile = 0x4018'2103,
  kSetFlags = 0x4008'2104,
};

}  // namespace

Questions::Question* Questions::find(u64 id) {
  for (Question* each = waiting_.front(); each; each = waiting_.next(*each))
    if (each->notification.id == id) return each;
  return nullptr;
}

Questions::Question* Questions::first_fresh() {
  for (Question* each = waiting_.front(); each; each = waiting_.next(*each))
    if (each->state == Question::State::kFresh) return each;
  return nullptr;
}

void Questions::finish(NewFile& file, Result<i64> outcome) {
  file.done = true;
  if (outcome.ok())
    file.number = outcome.value();
  else
    file.error = outcome.error();
  file.queue.wake_all();
}

// --- the task that asks

void Questions::give_file(Task& task, Question& question, NewFile& wanted) {
  const FileRequest& request = wanted.request;
  const bool close_on_exec = request.wanted_flags & kCloseOnExec;
  const u64 limit = task.process().soft_limit(abi::kLimitOpenFiles);
  const auto install = [&]() -> Result<i64> {
    FileRef file = wanted.file;
    if (request.flags & kSetNumber) {
      TRY(task.files().replace(int(request.wanted), std::move(file), close_on_exec, limit));
      return i64{request.wanted};
    }
    auto fd = TRY(task.files().reserve(limit));
    return i64(std::move(fd).commit(std::move(file), close_on_exec));
  };
  auto outcome = install();
  SpinGuard guard(lock_);
  if (outcome.ok() && (request.flags & kSend)) {
    question.state = Question::State::kAnswered;
    question.answer = {request.id, outcome.value(), 0, 0};
  }
  finish(wanted, std::move(outcome));
}

bool Questions::ask(Task& task, UserRegs& regs, const Data& data) {
  Question question;
  question.notification.tid = task.tid();
  question.notification.data = data;
  {
    SpinGuard guard(lock_);
    if (!has_listener_) {
      regs.rax = u64(-i64(Errno::kNoSys));
      return false;
    }
    question.notification.id = ++last_id_;
    waiting_.push_back(question);
  }
  queue_.wake(kPollReadable);
  bool interrupted = false;
  {
    ScopedWait wait(question.queue, PollEvents::kAll);
    ScopedWait end(Family::continued(task.process()), PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      NewFile* wanted;
      bool answered, patient;
      {
        SpinGuard guard(lock_);
        wanted = question.files.pop_front();
        if (wanted) wanted->taken = true;
        answered = question.state == Question::State::kAnswered;
        patient = wait_for_kill_ && question.state == Question::State::kReceived;
      }
      if (wanted) {
        cancel_sleep();
        give_file(task, question, *wanted);
        continue;
      }
      if (answered || has(task.user_work(), UserWork::kExit)) break;
      if (sleep(patient ? Interruptible::kNo : Interruptible::kYes).ok()) continue;
      interrupted = true;
      break;
    }
    cancel_sleep();
  }
  SpinGuard guard(lock_);
  question.node.unlink();
  while (NewFile* wanted = question.files.pop_front()) finish(*wanted, Errno::kSrch);
  if (question.state != Question::State::kAnswered) {
    regs.rax = u64(-i64(interrupted ? Errno::kRestartSys : Errno::kNoSys));
    return false;
  }
  if (question.answer.flags & kContinue) return true;
  regs.rax =
      question.answer.error != 0 ? u64(i64{question.answer.error}) : u64(question.answer.value);
  return false;
}

// --- the two ends

void Questions::filter_gone() {
  {
    SpinGuard guard(lock_);
    has_filter_ = false;
  }
  queue_.wake(PollEvents::kHup, ~usize{0});
}

void Questions::listener_gone() {
  SpinGuard guard(lock_);
  has_listener_ = false;
  for (Question* each = waiting_.front(); each; each = waiting_.next(*each)) {
    if (each->state == Question::State::kAnswered) continue;
    each->state = Question::State::kAnswered;
    each->answer = {each->notification.id, 0, -i32(Errno::kNoSys), 0};
    each->queue.wake_all();
  }
}

PollEvents Questions::poll() {
  PollEvents events = PollEvents::kNone;
  SpinGuard guard(lock_);
  for (Question* each = waiting_.front(); each; each = waiting_.next(*each)) {
    if (each->state == Question::State::kFresh) events |= kPollReadable;
    if (each->state == Question::State::kReceived) events |= kPollWritable;
  }
  if (!has_filter_) events |= PollEvents::kHup;
  return events;
}

Result<> Questions::receive(UserAddr out) {
  // So that flags may come to mean something.
  const auto given = TRY(load_user<Notification>(out));
  for (const std::byte each : std::as_bytes(std::span(&given, 1)))
    if (each != std::byte{0}) return Errno::kInval;
  Notification found{};
  TRY(block_until_ready(queue_, kPollReadable, platform::kNoDeadline, [&]() -> Result<> {
    SpinGuard guard(lock_);
    Question* question = first_fresh();
    if (!question) return has_filter_ ? Errno::kAgain : Errno::kNoEnt;
    question->state = Question::State::kReceived;
    found = question->notification;
    return {};
  }));
  queue_.wake(kPollWritable);
  if (platform::copy_to_user(out, &found, sizeof found) == 0) return {};
  {
    SpinGuard guard(lock_);
    Question* question = find(found.id);
    if (question && question->state == Question::State::kReceived)
      question->state = Question::State::kFresh;
  }
  queue_.wake(kPollReadable);
  return Errno::kFault;
}

Result<> Questions::answer(UserAddr from) {
  const auto given = TRY(load_user<Answer>(from));
  if (given.flags & ~kContinue) return Errno::kInval;
  if ((given.flags & kContinue) && (given.error != 0 || given.value != 0)) return Errno::kInval;
  SpinGuard guard(lock_);
  Question* question = find(given.id);
  if (!question) return Errno::kNoEnt;
  if (question->state != Question::State::kReceived) return Errno::kInProgress;
  question->state = Question::State::kAnswered;
  question->answer = given;
  question->queue.wake_all();
  return {};
}

Result<> Questions::check_id(UserAddr at) {
  const u64 id = TRY(load_user<u64>(at));
  SpinGuard guard(lock_);
  const Question* question = find(id);
  return question && question->state == Question::State::kReceived ? Result<>()
                                                                   : Result<>(Errno::kNoEnt);
}

// A signal ends the wait unless the task has begun, which does not take long.
Result<> Questions::await_file(NewFile& wanted) {
  ScopedWait wait(wanted.queue, PollEvents::kAll);
  bool interrupted = false;
  for (;;) {
    prepare_to_sleep();
    {
      SpinGuard guard(lock_);
      if (wanted.done || (interrupted && !wanted.taken)) break;
    }
    interrupted =
        !sleep(interrupted ? Interruptible::kNo : Interruptible::kYes).ok() || interrupted;
  }
  cancel_sleep();
  SpinGuard guard(lock_);
  if (wanted.done) return {};
  wanted.node.unlink();
  return Errno::kRestartSys;
}

Result<i64> Questions::add_file(UserAddr from) {
  NewFile wanted;
  wanted.request = TRY(load_user<FileRequest>(from));
  const FileRequest& request = wanted.request;
  if (request.wanted_flags & ~kCloseOnExec) return Errno::kInval;
  if (request.flags & ~(kSetNumber | kSend)) return Errno::kInval;
  if (request.wanted != 0 && !(request.flags & kSetNumber)) return Errno::kInval;
  wanted.file = TRY(current_task().files().get(i32(request.source)));
  {
    SpinGuard guard(lock_);
    Question* question = find(request.id);
    if (!question) return Errno::kNoEnt;
    if (question->state != Question::State::kReceived) return Errno::kInProgress;
    // An answer can't come while a descriptor is on its way.
    if ((request.flags & kSend) && !question->files.empty()) return Errno::kBusy;
    question->files.push_back(wanted);
    question->queue.wake_all();
  }
  TRY(await_file(wanted));
  SpinGuard guard(lock_);
  if (wanted.error != Errno{}) return wanted.error;
  return wanted.number;
}

Result<i64> Listener::ioctl(u32 command, UserAddr argument) {
  switch (command) {
    case kReceive:
      TRY(questions_->receive(argument));
      return i64{0};
    case kAnswer:
      TRY(questions_->answer(argument));
      return i64{0};
    case kCheckId:
    case kCheckIdOld:
      TRY(questions_->check_id(argument));
      return i64{0};
    case kAddFile:
      return questions_->add_file(argument);
    case kSetFlags: {
      // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: a hint for the scheduler.
      if (argument.value & ~u64{1}) return Errno::kInval;
      return i64{0};
    }
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal::seccomp
