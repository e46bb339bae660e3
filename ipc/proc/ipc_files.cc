#include "ipc/proc/ipc_files.h"

#include "fs/generated/numbers.h"
#include "fs/mqueue/mqueue.h"
#include "fs/proc/tree.h"
#include "ipc/keys/key.h"
#include "ipc/messages.h"
#include "ipc/semaphores.h"
#include "ipc/shared_memory.h"

namespace narwhal {
namespace {

using sysv::Messages;
using sysv::Semaphores;
using sysv::SharedMemory;

template <auto& Setting>
Result<> show_number(TextSink& out) {
  out << Setting.load() << '\n';
  return {};
}
template <auto& Setting, u64 Most>
Result<> store_number(std::string_view text) {
  const u64 value = TRY(take_number(text, Most));
  Setting.store(static_cast<decltype(Setting.load())>(value));
  return {};
}

// SEMMSL, SEMMNS, SEMOPM, SEMMNI, in this order (proc(5)).
Result<> show_sem(TextSink& out) {
  out << Semaphores::max_per_set.load() << '\t' << Semaphores::max_total.load() << '\t'
      << Semaphores::max_operations.load() << '\t' << Semaphores::max_ids.load() << '\n';
  return {};
}
Result<> store_sem(std::string_view text) {
  // As on Linux, what is not written keeps its value.
  Atomic<u32>* settings[] = {&Semaphores::max_per_set, &Semaphores::max_total,
                             &Semaphores::max_operations, &Semaphores::max_ids};
  const u64 most[] = {INT32_MAX, INT32_MAX, INT32_MAX, sysv::IdAllocator::kMaxIds};
  for (usize i = 0; i < 4; ++i) {
    auto value = take_number(text, most[i]);
    if (!value.ok()) return i == 0 ? Result<>(value.error()) : Result<>();
    settings[i]->store(u32(value.value()));
  }
  return {};
}

// -1: nobody asks for a number.
template <auto& Setting>
Result<> store_next_id(std::string_view text) {
  Setting.store(i32(TRY(take_number(text, INT32_MAX))));
  return {};
}
template <auto& Setting>
Result<> add_next_id(std::string_view name) {
  return proc_add_text("sys/kernel", name, show_number<Setting>, store_next_id<Setting>);
}

// mq_overview(7).
template <auto Member>
Result<> show_mqueue(TextSink& out) {
  out << (mqueue::settings.*Member).load() << '\n';
  return {};
}
template <auto Member, u64 Least, u64 Most>
Result<> store_mqueue(std::string_view text) {
  const u64 value = TRY(take_number(text, Most));
  if (value < Least) return Errno::kInval;
  (mqueue::settings.*Member).store(u32(value));
  return {};
}
template <auto Member, u64 Least, u64 Most>
Result<> add_mqueue(std::string_view name) {
  return proc_add_text("sys/fs/mqueue", name, show_mqueue<Member>,
                       store_mqueue<Member, Least, Most>);
}
Result<> proc_add_mqueue() {
  using mqueue::Settings;
  constexpr u64 kMostMessages = 65536, kLargest = 16 * kMiB;
  TRY((add_mqueue<&Settings::max_queues, 0, INT32_MAX>("queues_max")));
  TRY((add_mqueue<&Settings::max_messages, 1, kMostMessages>("msg_max")));
  TRY((add_mqueue<&Settings::max_size, 128, kLargest>("msgsize_max")));
  TRY((add_mqueue<&Settings::default_messages, 1, kMostMessages>("msg_default")));
  return add_mqueue<&Settings::default_size, 128, kLargest>("msgsize_default");
}

// keyrings(7).
template <auto Member>
Result<> show_quota(TextSink& out) {
  out << (keys::quotas.*Member).load() << '\n';
  return {};
}
template <auto Member>
Result<> store_quota(std::string_view text) {
  (keys::quotas.*Member).store(u32(TRY(take_number(text, INT32_MAX))));
  return {};
}
template <auto Member>
Result<> add_quota(std::string_view name) {
  return proc_add_text("sys/kernel/keys", name, show_quota<Member>, store_quota<Member>);
}
Result<> proc_add_keys() {
  TRY(proc_add_text("", "key-users", keys::show_users));
  TRY(add_quota<&keys::Quotas::max_keys>("maxkeys"));
  TRY(add_quota<&keys::Quotas::max_bytes>("maxbytes"));
  TRY(add_quota<&keys::Quotas::root_max_keys>("root_maxkeys"));
  return add_quota<&keys::Quotas::root_max_bytes>("root_maxbytes");
}

}  // namespace

Result<> proc_ipc_init() {
  TRY(proc_add_text("sysvipc", "shm", SharedMemory::show));
  TRY(proc_add_text("sysvipc", "sem", Semaphores::show));
  TRY(proc_add_text("sysvipc", "msg", Messages::show));
  TRY(proc_add_mqueue());
  TRY(add_next_id<SharedMemory::next_id>("shm_next_id"));
  TRY(add_next_id<Semaphores::next_id>("sem_next_id"));
  TRY(add_next_id<Messages::next_id>("msg_next_id"));
  TRY(proc_add_keys());
  constexpr u64 kMaxIds = sysv::IdAllocator::kMaxIds;
  TRY(proc_add_text("sys/kernel", "shmmax", show_number<SharedMemory::max_bytes>,
                    store_number<SharedMemory::max_bytes, ~u64{0}>));
  TRY(proc_add_text("sys/kernel", "shmall", show_number<SharedMemory::max_pages>,
                    store_number<SharedMemory::max_pages, ~u64{0}>));
  TRY(proc_add_text("sys/kernel", "shmmni", show_number<SharedMemory::max_ids>,
                    store_number<SharedMemory::max_ids, kMaxIds>));
  TRY(proc_add_text("sys/kernel", "sem", show_sem, store_sem));
  TRY(proc_add_text("sys/kernel", "msgmax", show_number<Messages::max_size>,
                    store_number<Messages::max_size, INT32_MAX>));
  TRY(proc_add_text("sys/kernel", "msgmnb", show_number<Messages::max_bytes>,
                    store_number<Messages::max_bytes, INT32_MAX>));
  TRY(proc_add_text("sys/kernel", "msgmni", show_number<Messages::max_ids>,
                    store_number<Messages::max_ids, kMaxIds>));
  return {};
}

}  // namespace narwhal
