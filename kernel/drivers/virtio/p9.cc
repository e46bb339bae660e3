#include "kernel/drivers/virtio/p9.h"

#include "kernel/base/list.h"
#include "kernel/base/log.h"
#include "kernel/drivers/virtio/queue.h"
#include "kernel/sched/wait_queue.h"

namespace narwhal {
namespace {

constexpr u64 kMountTag = u64{1} << 0;  // VIRTIO_9P_MOUNT_TAG: the configuration has a tag
constexpr u16 kQueueSize = 64;
constexpr usize kMaxTag = 64;

class VirtioP9 final : public P9Channel {
 public:
  explicit VirtioP9(Ref<VirtioTransport> transport) : transport_(std::move(transport)) {}

  Result<> start() {
    const u64 features = TRY(virtio_negotiate(*transport_, kMountTag, kMountTag));
    const usize size = transport_->config16(0);
    if (size == 0 || size > kMaxTag) {
      LOG_ERROR("virtio 9p: a tag of " << size << " bytes");
      return Errno::kNoDev;
    }
    for (usize i = 0; i < size; ++i) tag_[i] = char(transport_->config8(u32(2 + i)));
    tag_size_ = size;
    TRY(transport_->set_interrupt_handler(on_interrupt, this));
    {
      SpinGuard guard(lock_);
      TRY(queue_.start(*transport_, 0, kQueueSize, features));
    }
    virtio_driver_ok(*transport_);
    return {};
  }

  std::string_view tag() const override { return {tag_, tag_size_}; }

  Result<usize> exchange(std::span<const std::byte> message, std::span<std::byte> answer) override {
    Request request;
    ScopedWait wait(answered_, PollEvents::kAll);
    for (;;) {
      prepare_to_sleep();
      if (request.state.load(Order::kRelaxed) == kWaiting) submit(message, answer, request);
      const u8 state = request.state.load(Order::kAcquire);
      if (state == kDone || state == kFailed) {
        cancel_sleep();
        return state == kDone ? Result<usize>(request.length) : Errno::kIo;
      }
      sleep(Interruptible::kNo).ignore();
    }
  }

 private:
  enum State : u8 {
    kWaiting,  // for room in the queue: somebody's answer makes it
    kSent,
    kDone,
    kFailed
  };
  // On the stack of who waits for the answer.
  struct Request {
    ListNode node;  // while it is with the device
    Atomic<u8> state{kWaiting};
    u32 length = 0;
  };

  void submit(std::span<const std::byte> message, std::span<std::byte> answer, Request& request) {
    const VirtQueue::Segment out{platform::direct_map_to_phys(message.data()), u32(message.size())};
    const VirtQueue::Segment in{platform::direct_map_to_phys(answer.data()), u32(answer.size())};
    SpinGuard guard(lock_);
    auto submitted = queue_.submit({&out, 1}, {&in, 1}, &request);
    if (submitted.ok()) {
      request.state.store(kSent, Order::kRelaxed);
      sent_.push_back(request);
      queue_.kick();
    } else if (!submitted.failed(Errno::kNoBufs) || queue_.broken()) {
      request.state.store(kFailed, Order::kRelaxed);
    }
  }

  // A request belongs to its owner again, who may return at once, with its last change of state.
  void finish(Request& request, State state) TA_REQUIRES(lock_) {
    request.node.unlink();
    request.state.store(state, Order::kRelease);
  }

  static void on_interrupt(void* argument) {
    auto& self = *static_cast<VirtioP9*>(argument);
    {
      SpinGuard guard(self.lock_);
      for (auto done = self.queue_.pop(); done.token; done = self.queue_.pop()) {
        auto& request = *static_cast<Request*>(done.token);
        request.length = done.written;
        self.finish(request, kDone);
      }
      if (self.queue_.broken())
        while (Request* request = self.sent_.front()) self.finish(*request, kFailed);
    }
    self.answered_.wake_all();
  }

  const Ref<VirtioTransport> transport_;
  SpinLock<LockRank::kDevice> lock_;
  VirtQueue queue_ TA_GUARDED_BY(lock_);
  List<Request, &Request::node> sent_ TA_GUARDED_BY(lock_);
  WaitQueue answered_;
  char tag_[kMaxTag] = {};
  usize tag_size_ = 0;
};

}  // namespace

Result<> start_virtio_p9(Ref<VirtioTransport> transport) {
  Ref<VirtioP9> channel = TRY(make_ref<VirtioP9>(std::move(transport)));
  // From here on the device knows the channel's address.
  channel->add_ref();
  TRY(channel->start());
  keep_p9_channel(std::move(channel));
  return {};
}

}  // namespace narwhal
