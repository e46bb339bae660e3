#include "fs/p9/session.h"

namespace narwhal::p9 {
namespace {

constexpr std::string_view kVersion = "9P2000.L";
constexpr u16 kNoTag = 0xffff;
constexpr u32 kNoFid = ~u32{0};

// A buffer serves both directions. Of a short one each has half. In a long one a write's data goes
// out, or a read's comes in: whichever it is, the other direction gets by with the small part that
// lies at the buffer's end.
constexpr usize kSmallPart = 256;
constexpr unsigned kOrderOf[] = {Session::kSmallOrder, Session::kLongOrder};
constexpr usize buffer_size(unsigned order) {
  return kPageSize << order;
}

}  // namespace

Fid::~Fid() {
  if (record_) record_->session->retire(*record_);
}

Session::~Session() {
  // The end of the session is the end of its files, for the server too.
  while (Fid::Record* record = retired_.pop_front()) delete record;
  for (unsigned size = 0; size < kOrders; ++size)
    for (PhysAddr buffer : kept_[size])
      if (buffer.value) free_frames(buffer, kOrderOf[size]);
}

Result<Ref<Session>> Session::start(Ref<P9Channel> channel) {
  auto session = Ref<Session>::adopt(new (std::nothrow) Session(std::move(channel)));
  if (!session) return Errno::kNoMem;
  const u32 wanted = u32(buffer_size(kLongOrder) - kSmallPart);
  Call call(*session, MessageType::kVersion);
  call.put(wanted).put(kVersion);
  Reader answer = TRY(call.run());
  const u32 agreed = answer.take<u32>();
  if (answer.take_text() != kVersion) return Errno::kProto;
  // The largest message, of which a read's answer and a write's question take some for themselves.
  constexpr u32 kLeast = 4 * kPageSize;
  if (!answer.complete() || agreed < kLeast || agreed > wanted) return Errno::kProto;
  constexpr usize kMostHead = 24;
  session->max_data_ = agreed - kMostHead;
  return session;
}

Result<PhysAddr> Session::take_buffer(CallSize size) {
  {
    SpinGuard guard(lock_);
    for (PhysAddr& kept : kept_[usize(size)]) {
      if (!kept.value) continue;
      const PhysAddr buffer = kept;
      kept = PhysAddr();
      return buffer;
    }
  }
  return allocate_frames(kOrderOf[usize(size)], FrameContent::kAny);
}

void Session::give_buffer(CallSize size, PhysAddr buffer) {
  {
    SpinGuard guard(lock_);
    for (PhysAddr& kept : kept_[usize(size)]) {
      if (kept.value) continue;
      kept = buffer;
      return;
    }
  }
  free_frames(buffer, kOrderOf[usize(size)]);
}

Result<Fid> Session::new_fid() {
  auto* record = new (std::nothrow) Fid::Record;
  if (!record) return Errno::kNoMem;
  record->session = this;
  record->number = next_fid_.fetch_add(1);
  return Fid(record);
}

void Session::forget(Fid& fid) {
  delete std::exchange(fid.record_, nullptr);
}

void Session::retire(Fid::Record& record) {
  SpinGuard guard(lock_);
  retired_.push_back(record);
}

void Session::clunk_retired() {
  for (;;) {
    Fid::Record* record;
    {
      SpinGuard guard(lock_);
      record = retired_.pop_front();
    }
    if (!record) return;
    close(Fid(record)).ignore();
  }
}

// The number is gone whatever the server says (clunk(5)).
Result<> Session::close(Fid fid) {
  Call call(*this, MessageType::kClunk);
  call.put(fid);
  forget(fid);
  TRY(call.run());
  return {};
}

Result<Fid> Session::attach(Qid& qid) {
  Fid fid = TRY(new_fid());
  Call call(*this, MessageType::kAttach);
  // No user of the server's own: it acts as who it is.
  call.put(fid).put(kNoFid).put("").put("").put(u32{0});
  auto answer = call.run();
  if (!answer.ok()) {
    forget(fid);
    return answer.error();
  }
  qid = answer.value().take_qid();
  if (!answer.value().complete()) return Errno::kIo;
  return fid;
}

Result<Fid> Session::walk(const Fid& from, std::string_view name, Qid& qid) {
  Fid fid = TRY(new_fid());
  Call call(*this, MessageType::kWalk);
  call.put(from).put(fid).put(u16(name.empty() ? 0 : 1));
  if (!name.empty()) call.put(name);
  auto answer = call.run();
  if (!answer.ok()) {
    forget(fid);
    return answer.error();
  }
  Reader& reader = answer.value();
  const u16 steps = reader.take<u16>();
  if (name.empty()) return fid;
  if (steps != 1) {
    forget(fid);
    return Errno::kNoEnt;
  }
  qid = reader.take_qid();
  if (!reader.complete()) return Errno::kIo;
  return fid;
}

Call::Call(Session& session, MessageType type, CallSize size)
    : session_(session),
      type_(type),
      size_(size),
      buffer_([&] {
        if (type != MessageType::kClunk) session.clunk_retired();
        auto buffer = session.take_buffer(size);
        return buffer.ok() ? buffer.value() : PhysAddr();
      }()),
      tag_(type == MessageType::kVersion ? kNoTag : u16(session.next_tag_.fetch_add(1) % kNoTag)),
      writer_(message_area(), type, tag_) {}

Call::~Call() {
  if (buffer_.value) session_.give_buffer(size_, buffer_);
}

std::span<std::byte> Call::message_area() const {
  if (!buffer_.value) return {};
  std::byte* start = platform::direct_map(buffer_);
  if (size_ == CallSize::kSmall) return {start, buffer_size(Session::kSmallOrder) / 2};
  const usize large = buffer_size(Session::kLongOrder) - kSmallPart;
  if (type_ == MessageType::kWrite) return {start, large};
  return {start + large, kSmallPart};
}

std::span<std::byte> Call::answer_area() const {
  std::byte* start = platform::direct_map(buffer_);
  if (size_ == CallSize::kSmall) {
    const usize half = buffer_size(Session::kSmallOrder) / 2;
    return {start + half, half};
  }
  const usize large = buffer_size(Session::kLongOrder) - kSmallPart;
  if (type_ == MessageType::kWrite) return {start + large, kSmallPart};
  return {start, large};
}

Result<Reader> Call::run() {
  if (!buffer_.value) return Errno::kNoMem;
  const auto message = TRY(writer_.finish());
  const auto area = answer_area();
  const usize length = TRY(session_.channel_->exchange(message, area));
  if (length < kHeadSize || length > area.size()) return Errno::kIo;
  Reader answer(area.first(length));
  const u32 size = answer.take<u32>();
  const u8 type = answer.take<u8>();
  const u16 tag = answer.take<u16>();
  if (size < kHeadSize || size > length || tag != tag_) return Errno::kIo;
  answer = Reader(area.subspan(kHeadSize, size - kHeadSize));
  if (type == u8(MessageType::kError) + 1) {
    const u32 code = answer.take<u32>();
    constexpr u32 kMaxErrno = 4095;
    return code == 0 || code > kMaxErrno ? Errno::kIo : Errno(code);
  }
  if (type != u8(type_) + 1) return Errno::kIo;
  return answer;
}

}  // namespace narwhal::p9
