#include "process/file_signal.h"

#include "fs/core/lease.h"
#include "process/family.h"
#include "process/signals.h"

namespace narwhal {

void signal_file_owner(File& file, i32 fd, i32 code, i64 band) {
  const File::AsyncOwner owner = file.async_owner();
  if (owner.id <= 0) return;
  abi::SignalInfo info = kernel_signal(owner.signal == 0 ? Signal::kIo : Signal(owner.signal));
  if (owner.signal != 0) {
    info.code = code;
    info.poll = {band, fd};
  }
  switch (owner.type) {
    case File::AsyncOwner::Type::kTask:
      if (auto task = find_task(u32(owner.id))) send_signal(*task, info).ignore();
      break;
    case File::AsyncOwner::Type::kProcess:
      if (auto process = find_process(u32(owner.id))) send_signal(*process, info).ignore();
      break;
    case File::AsyncOwner::Type::kGroup: {
      SpinGuard guard(thread_list_lock);
      pid_table::processes().for_each([&](Process& process) TA_NO_ANALYSIS {
        if (process.group_id() == u32(owner.id))
          send_signal_locked(process, nullptr, info).ignore();
      });
      break;
    }
  }
}

void file_signals_init() {
  Leases::set_signaller([](File& holder, i32 fd) {
    constexpr i32 kPollMessage = 3;  // POLL_MSG
    constexpr PollEvents kBand = kPollReadable | PollEvents::kMsg;
    signal_file_owner(holder, fd, kPollMessage, raw(kBand));
  });
}

}  // namespace narwhal
