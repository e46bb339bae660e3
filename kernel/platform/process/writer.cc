#include "kernel/platform/process/writer.h"

#include "kernel/base/log.h"
#include "kernel/base/panic.h"
#include "kernel/platform/machine.h"
#include "kernel/platform/process/clone.h"
#include "kernel/platform/process/layout.h"

namespace narwhal::process_home {
namespace {

constexpr usize kStackSize = 8 * kKiB;

constinit bool wanted = false;
constinit bool made = false;
constinit WriteQueue queue;
alignas(kPageSize) constinit std::byte stack[kStackSize] = {};

struct Orders {
  const void* filter;
  u16 filter_count;
  u32 ready;  // futex word
};

// A frame that the device has no room for waits until it has; one that it does not take at all is
// lost, like on a cable that is not plugged in.
void write(const WriteJob& job) {
  constexpr u64 kPatience = 10 * kNanosPerMilli;
  while (host::write_pieces(job.fd, {job.pieces, job.count}).failed(Errno::kAgain)) {
    host::PollFd polled{job.fd, host::kPollOut, 0};
    host::poll_for({&polled, 1}, kPatience).ignore();
  }
}

[[noreturn]] void be_writer(void* argument) {
  Orders& orders = *static_cast<Orders*>(argument);
  host::set_process_name("narwhal:writer");
  if (!host::install_filter(orders.filter, orders.filter_count).ok())
    panic("the host takes no seccomp filter for the writer");
  __atomic_store_n(&orders.ready, 1, __ATOMIC_SEQ_CST);
  host::wake(orders.ready);
  for (;;) {
    write(queue.wait_for_job([] { __builtin_ia32_pause(); },
                             [](u32& word, u32 value) { host::wait(word, value); }));
    queue.written();
  }
}

}  // namespace

void want_writer() {
  wanted = true;
}

void start_writer(const void* filter, u16 count) {
  if (!wanted || boot_state.cpus != 1) return;
  Orders orders{filter, count, 0};
  host::block_all_signals();
  const i64 thread = narwhal_clone_at(kHostThread, stack + sizeof stack, be_writer, &orders);
  host::unblock_all_signals();
  if (thread <= 0) {
    LOG_WARN("the host gives no thread for writing packets: under load they will be slower");
    return;
  }
  while (__atomic_load_n(&orders.ready, __ATOMIC_SEQ_CST) == 0) host::wait(orders.ready, 0);
  made = true;
}

bool has_writer() {
  return made;
}

WriteJob* next_write() {
  return queue.is_full() ? nullptr : &queue.next();
}

void post_write() {
  queue.post([](u32& word) { host::wake(word); });
}

const WriteJob* take_back_write() {
  return queue.take_back();
}

void finish_writes() {
  if (queue.is_empty()) return;
  constexpr u64 kPatience = kNanosPerSecond, kRest = 50 * kNanosPerMicro;
  const u64 start = platform::monotonic_ns();
  while (!queue.is_empty() && platform::monotonic_ns() - start < kPatience)
    host::poll_for({}, kRest).ignore();
}

}  // namespace narwhal::process_home
