#include "process/file_signal.h"

#include "fs/core/lease.h"
#include "process/family.h"
#include "process/process_list.h"
#include "process/signals.h"

namespace narwhal {

namespace {

// Codes of these signals mean something else where they are small numbers (sigaction(2)).
constexpr SignalSet kCodesOfTheirOwn =
    signal_set(Signal::kIll, Signal::kFpe, Signal::kSegv, Signal::kBus, Signal::kTrap,
               Signal::kChld, Signal::kSys);

bool may_tell(const FileOwner& owner, const Credentials& target) {
  return owner.effective_uid == 0 || owner.effective_uid == target.suid ||
         owner.effective_uid == target.uid || owner.uid == target.suid || owner.uid == target.uid;
}

// To a task or a process, `any` of whose tasks says to whom it belongs.
template <typename Target>
void tell_target(const FileNews& news, Target& target, Task* any) {
  if (any && !may_tell(news.owner, *any->credentials_copy())) return;
  if (news.owner.signal != 0) {
    const auto signal = Signal(news.owner.signal);
    abi::SignalInfo info = kernel_signal(signal);
    info.code = kCodesOfTheirOwn.has(signal) ? abi::kCodeSigIo : news.code;
    info.poll = {i64(raw(news.band)), news.fd};
    if (send_signal(target, info).ok()) return;
  }
  // Also where the queue of real-time signals has no room: better SIGIO than nothing.
  send_signal(target, kernel_signal(Signal::kIo)).ignore();
}

void tell_process(const FileNews& news, Process& process) {
  const Ref<Task> any = find_task_of(process);
  tell_target(news, process, any.get());
}

}  // namespace

void signal_file_owner(const FileNews& news) {
  const u32 id = u32(news.owner.id);
  switch (news.owner.type) {
    case FileOwner::Type::kTask:
      if (auto task = find_task(id)) tell_target(news, *task, task.get());
      break;
    case FileOwner::Type::kProcess:
      if (auto process = find_process(id)) tell_process(news, *process);
      break;
    case FileOwner::Type::kGroup: {
      auto members = collect_processes([&](Process& process) { return process.group_id() == id; });
      if (!members.ok()) return;
      for (const Ref<Process>& process : members.value()) tell_process(news, *process);
      break;
    }
  }
}

bool owner_exists(const FileOwner& owner) {
  const u32 id = u32(owner.id);
  switch (owner.type) {
    case FileOwner::Type::kTask:
      return bool(find_task(id));
    case FileOwner::Type::kProcess:
      return bool(find_process(id));
    case FileOwner::Type::kGroup: {
      SpinGuard guard(thread_list_lock);
      return Family::group_exists(id);
    }
  }
  return false;
}

void file_signals_init() {
  AsyncSignals::set_signaller(signal_file_owner);
  Leases::set_signaller([](File& holder, i32 fd) {
    const AsyncSignals* signals = holder.async_signals_if_any();
    if (!signals) return;
    const FileOwner owner = signals->owner();
    if (owner.id != 0) signal_file_owner({owner, fd, kNewsMessage, band_of(kNewsMessage)});
  });
}

}  // namespace narwhal
