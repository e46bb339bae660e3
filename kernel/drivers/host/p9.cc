#include "kernel/drivers/host/p9.h"

#include <cstring>

#include "kernel/abi/p9.h"
#include "kernel/base/list.h"
#include "kernel/base/log.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/host.h"
#include "kernel/sched/wait_queue.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

using p9::kHeadSize;
u32 size_in(const std::byte* head) {
  return u32(head[0]) | u32(head[1]) << 8 | u32(head[2]) << 16 | u32(head[3]) << 24;
}
u16 tag_in(const std::byte* head) {
  return u16(u32(head[5]) | u32(head[6]) << 8);
}

// Whoever waits for an answer moves the bytes of all who wait, as far as they go at once: there is
// no thread of the channel's own.
class HostP9 final : public P9Channel {
 public:
  HostP9(int fd, std::string_view tag) : tag_(tag) {
    watch_.fd = fd;
    watch_.ready = [](void* self) { static_cast<HostP9*>(self)->answered_.wake_all(); };
    watch_.argument = this;
    process_home::add_watch(watch_);
    process_home::allow_signals(watch_);
  }
  std::string_view tag() const override { return tag_; }

  Result<usize> exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    if (message.size() < kHeadSize || answer.size() < kHeadSize) return Errno::kInval;
    Request request(message, answer);
    ScopedWait wait(answered_, PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      State state;
      bool tell_others;
      {
        SpinGuard guard(lock_);
        tell_others = step(request);
        state = request.state;
      }
      if (tell_others) answered_.wake_all();
      if (state == kDone || state == kFailed) {
        cancel_sleep();
        return state == kDone ? Result<usize>(request.length) : Errno::kIo;
      }
      sleep(Interruptible::kNo).ignore();
    }
  }

 private:
  enum State : u8 {
    kWaiting,  // for the end of another one with its tag
    kSending,
    kSent,
    kDone,
    kFailed
  };
  // On the stack of who waits for the answer. Whoever changes its state to one of the last two does
  // not touch it again.
  struct Request {
    Request(std::span<const std::byte> m, std::span<std::byte> a) : message(m), answer(a) {}
    ListNode node;  // while it is sending or sent
    std::span<const std::byte> message;
    std::span<std::byte> answer;
    usize sent = 0;
    usize length = 0;
    State state = kWaiting;
  };
  using Requests = List<Request, &Request::node>;

  // All that can be done now. Whether others than `request`'s owner should look again: for them,
  // who may have been answered here, nobody else will.
  bool step(Request& request) TA_REQUIRES(lock_) {
    own_ = &request;
    finished_others_ = finished_any_ = false;
    if (request.state == kWaiting) submit(request);
    send();
    receive();
    const bool tell_others = finished_others_ || (finished_any_ && same_tag_waits_);
    if (finished_any_) same_tag_waits_ = false;
    if (!sending_.empty() || !sent_.empty()) {
      InterruptGuard guard;
      process_home::arm(watch_, i16(host::kPollIn | (sending_.empty() ? 0 : host::kPollOut)));
    }
    return tell_others;
  }

  static Request* find(Requests& list, u16 tag) {
    for (Request& request : list)
      if (tag_in(request.message.data()) == tag) return &request;
    return nullptr;
  }

  void submit(Request& request) TA_REQUIRES(lock_) {
    const u16 tag = tag_in(request.message.data());
    if (broken_) {
      request.state = kFailed;
    } else if (find(sending_, tag) || find(sent_, tag)) {
      same_tag_waits_ = true;
    } else {
      request.state = kSending;
      sending_.push_back(request);
    }
  }

  void finish(Request& request, State state) TA_REQUIRES(lock_) {
    request.node.unlink();
    request.state = state;
    finished_any_ = true;
    if (&request != own_) finished_others_ = true;
  }

  void fail(std::string_view why) TA_REQUIRES(lock_) {
    LOG_ERROR("the shared folder '" << tag_ << "' is gone: " << why);
    broken_ = true;
    target_ = nullptr;
    while (Request* request = sending_.front()) finish(*request, kFailed);
    while (Request* request = sent_.front()) finish(*request, kFailed);
  }

  void send() TA_REQUIRES(lock_) {
    while (Request* request = sending_.front()) {
      const auto written = host::write(watch_.fd, request->message.subspan(request->sent));
      if (written.failed(Errno::kAgain)) return;
      if (!written.ok()) return fail("its server on the host has ended");
      request->sent += written.value();
      if (request->sent < request->message.size()) continue;
      request->node.unlink();
      request->state = kSent;
      sent_.push_back(*request);
    }
  }

  void receive() TA_REQUIRES(lock_) {
    while (!sent_.empty()) {
      host::Piece pieces[2];
      usize count = 0;
      Request* into = target_;
      if (!into) {
        pieces[count++] = {head_ + filled_, kHeadSize - filled_};
        // Where only one answer can come, it goes to its place at once.
        if (sent_.front() == sent_.back() && sending_.empty()) into = sent_.front();
      }
      const usize from = target_ ? filled_ : kHeadSize;
      const usize to = target_ ? expected_ : into ? into->answer.size() : 0;
      if (from < to) pieces[count++] = {into->answer.data() + from, to - from};
      const auto got = host::read_pieces(watch_.fd, {pieces, count});
      if (got.failed(Errno::kAgain)) return;
      if (!got.ok() || got.value() == 0) return fail("its server on the host has ended");
      filled_ += got.value();
      if (!target_) {
        if (filled_ < kHeadSize) continue;
        expected_ = size_in(head_);
        target_ = find(sent_, tag_in(head_));
        if (!target_ || expected_ < filled_ || expected_ > target_->answer.size())
          return fail("its server on the host does not speak 9P");
        std::memcpy(target_->answer.data(), head_, kHeadSize);
      }
      if (filled_ < expected_) continue;
      target_->length = expected_;
      finish(*target_, kDone);
      target_ = nullptr;
      filled_ = 0;
    }
  }

  const std::string_view tag_;
  process_home::Watch watch_;
  SpinLock<LockRank::kDevice> lock_;
  Requests sending_ TA_GUARDED_BY(lock_);
  Requests sent_ TA_GUARDED_BY(lock_);
  // The answer that is coming in: its head first, and then its owner's memory.
  std::byte head_[kHeadSize] TA_GUARDED_BY(lock_) = {};
  Request* target_ TA_GUARDED_BY(lock_) = nullptr;
  usize filled_ TA_GUARDED_BY(lock_) = 0;
  usize expected_ TA_GUARDED_BY(lock_) = 0;
  // In this step, which is for own_.
  const Request* own_ TA_GUARDED_BY(lock_) = nullptr;
  bool finished_any_ TA_GUARDED_BY(lock_) = false;
  bool finished_others_ TA_GUARDED_BY(lock_) = false;
  bool same_tag_waits_ TA_GUARDED_BY(lock_) = false;
  bool broken_ TA_GUARDED_BY(lock_) = false;
  WaitQueue answered_;
};

}  // namespace

Result<> start_host_p9(int fd, std::string_view tag) {
  keep_p9_channel(TRY(make_ref<HostP9>(fd, tag)));
  return {};
}

}  // namespace narwhal
