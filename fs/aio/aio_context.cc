#include "fs/aio/aio_context.h"

#include "kernel/base/format.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

constinit SpinLock<LockRank::kSpinOther> contexts_lock;
[[clang::no_destroy]] constinit List<AioContext, &AioContext::node_> contexts
    TA_GUARDED_BY(contexts_lock);

// Twice as many places as were asked for, as Linux has them, and full pages.
constexpr usize pages_for(u32 events) {
  return div_round_up(sizeof(abi::IoRing) + (2 * usize{events} + 2) * sizeof(abi::IoEvent),
                      kPageSize);
}

}  // namespace

constinit Atomic<u32> AioContext::max_events{65536};
constinit Atomic<u32> AioContext::events_in_use{0};

AioContext::AioContext(const AddressSpace& memory, u32 events, usize pages)
    : memory_(&memory),
      events_(events),
      pages_(pages),
      count_(u32((pages * kPageSize - sizeof(abi::IoRing)) / sizeof(abi::IoEvent))) {}

AioContext::~AioContext() {
  forget();
  events_in_use.fetch_sub(events_);
}

Result<Ref<AioContext>> AioContext::create(AddressSpace& memory, u32 events) {
  constexpr u32 kMostOfOne = 0x10000000 / sizeof(abi::IoEvent);
  constexpr int kNotForChildren = 10;  // MADV_DONTFORK
  if (events == 0 || events > kMostOfOne) return Errno::kInval;
  if (events_in_use.fetch_add(events) + events > max_events.load()) {
    events_in_use.fetch_sub(events);
    return Errno::kAgain;
  }
  auto* made = new (std::nothrow) AioContext(memory, events, pages_for(events));
  if (!made) {
    events_in_use.fetch_sub(events);
    return Errno::kNoMem;
  }
  auto context = Ref<AioContext>::adopt(made);
  MapRequest request;
  request.length = context->pages_ * kPageSize;
  request.protection = Protection::kRead | Protection::kWrite;
  request.flags = MapFlags::kShared;
  request.object = TRY(make_ref<MemoryObject>());
  request.object->set_size(request.length);
  request.source = context;
  context->ring_ = TRY(memory.map(request));
  // A child of fork(2) has no contexts.
  TRY(memory.advise(context->ring_, request.length, kNotForChildren));
  const abi::IoRing header{.id = u32(context->ring_.value >> kPageShift),
                           .count = context->count_,
                           .head = 0,
                           .tail = 0,
                           .magic = abi::kIoRingMagic,
                           .compatible_features = 1,
                           .incompatible_features = 0,
                           .header_size = sizeof(abi::IoRing)};
  TRY(store_user(context->ring_, header));
  SpinGuard guard(contexts_lock);
  contexts.push_back(*context);
  return context;
}

Ref<AioContext> AioContext::find(const AddressSpace& memory, u64 number) {
  SpinGuard guard(contexts_lock);
  for (AioContext& context : contexts)
    if (context.memory_ == &memory && context.number() == number && context.try_add_ref())
      return Ref<AioContext>::adopt(&context);
  return nullptr;
}

void AioContext::forget() {
  SpinGuard guard(contexts_lock);
  if (node_.linked()) node_.unlink();
}

Result<> AioContext::destroy(AddressSpace& memory) {
  {
    SpinGuard guard(contexts_lock);
    if (!node_.linked()) return Errno::kInval;
    node_.unlink();
  }
  queue_.wake_all();
  return memory.unmap(ring_, pages_ * kPageSize);
}

Result<AioContext::Ends> AioContext::ends() const {
  const auto header = TRY(load_user<abi::IoRing>(ring_));
  return Ends{header.head % count_, header.tail % count_};
}

Result<> AioContext::reserve() {
  Guard guard(lock_);
  const Ends now = TRY(ends());
  const u32 used = (now.tail + count_ - now.head) % count_;
  if (used + reserved_ >= capacity()) return Errno::kAgain;
  ++reserved_;
  return {};
}

void AioContext::give_up() {
  Guard guard(lock_);
  --reserved_;
}

void AioContext::complete(const abi::IoEvent& event) {
  {
    Guard guard(lock_);
    --reserved_;
    // A program that has taken the ring away, or spoiled it, has lost its events.
    const auto now = ends();
    if (!now.ok()) return;
    const u32 tail = now.value().tail;
    if (!store_user(event_at(tail), event).ok()) return;
    const u32 next = (tail + 1) % count_;
    if (!store_user(ring_ + offsetof(abi::IoRing, tail), next).ok()) return;
  }
  queue_.wake(kPollReadable);
}

Result<usize> AioContext::take(UserAddr events, usize limit) {
  Guard guard(lock_);
  const Ends now = TRY(ends());
  usize taken = 0;
  u32 head = now.head;
  for (; taken < limit && head != now.tail; ++taken, head = (head + 1) % count_) {
    const auto event = TRY(load_user<abi::IoEvent>(event_at(head)));
    if (!store_user(events + taken * sizeof event, event).ok()) {
      if (taken == 0) return Errno::kFault;
      break;
    }
  }
  if (taken != 0) TRY(store_user(ring_ + offsetof(abi::IoRing, head), head));
  return taken;
}

void AioContext::describe(TextSink& path, u64& device, u64& inode) const {
  path << "/[aio] (deleted)";
  device = 0;
  inode = u32(ring_.value >> kPageShift);
}

}  // namespace narwhal
