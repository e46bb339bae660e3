// A conversation with a 9P server: messages, and the numbers (fids) by which the server knows
// files.
//
// Any thread may have a message on its way; nothing here holds a lock while it waits. Errors are
// those of the server; EIO when it makes no sense, ENOMEM.
#pragma once

#include "fs/p9/message.h"
#include "kernel/base/list.h"
#include "kernel/base/ref.h"
#include "kernel/drivers/p9_channel.h"
#include "kernel/mm/frame.h"
#include "kernel/sync/spinlock.h"

namespace narwhal::p9 {

class Session;

// A file of the server's, by its number. Letting go of it tells the server, with the next message:
// so that the end of an inode never waits.
class Fid : NonCopyable {
 public:
  Fid() = default;
  Fid(Fid&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  Fid& operator=(Fid&& other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~Fid();
  explicit operator bool() const { return record_ != nullptr; }
  u32 number() const { return record_->number; }

 private:
  friend class Session;
  struct Record {
    ListNode node;
    Session* session;
    u32 number;
  };
  explicit Fid(Record* record) : record_(record) {}
  Record* record_ = nullptr;
};

// What a call looks like: the sizes of both directions, so that small ones take little memory.
enum class CallSize : u8 { kSmall, kLong };

class Session : public RefCounted {
 public:
  // Buffers for a message and its answer, as orders of frames.
  static constexpr unsigned kSmallOrder = 2;  // 16 KiB: two paths of 4 KiB and their answer
  static constexpr unsigned kLongOrder = 5;   // 128 KiB

  // Agrees on the protocol. EPROTO when the server does not speak 9P2000.L.
  static Result<Ref<Session>> start(Ref<P9Channel> channel);

  // The folder itself.
  Result<Fid> attach(Qid& qid);
  // A second number for what a name in a directory leads to; without a name, for the same file.
  // ENOENT.
  Result<Fid> walk(const Fid& from, std::string_view name, Qid& qid);
  // Gives a number up at once, for those who want to know what comes of it.
  Result<> close(Fid fid);
  // A number that the server does not know: calls that make one use it. ENOMEM.
  Result<Fid> new_fid();
  // A number that the server has not learnt of, or has forgotten by itself.
  static void forget(Fid& fid);

  // The most bytes that one read or write can move.
  usize max_data() const { return max_data_; }
  std::string_view tag() const { return channel_->tag(); }

 private:
  friend class Call;
  friend class Fid;

  static constexpr unsigned kOrders = 2;
  static constexpr usize kKept = 2;  // buffers of each size that wait for their next use

  explicit Session(Ref<P9Channel> channel) : channel_(std::move(channel)) {}
  ~Session() override;

  Result<PhysAddr> take_buffer(CallSize size);
  void give_buffer(CallSize size, PhysAddr buffer);
  void retire(Fid::Record& record);
  void clunk_retired();

  const Ref<P9Channel> channel_;
  Atomic<u32> next_fid_{0};
  Atomic<u32> next_tag_{0};
  usize max_data_ = 0;
  SpinLock<LockRank::kSpinOther> lock_;
  List<Fid::Record, &Fid::Record::node> retired_ TA_GUARDED_BY(lock_);
  PhysAddr kept_[kOrders][kKept] TA_GUARDED_BY(lock_) = {};
};

// One message and its answer:
//
//   Call call(session, MessageType::kReadlink);
//   call.put(fid);
//   Reader answer = TRY(call.run());
//
// The answer's bytes live as long as the call.
class Call : NonCopyable {
 public:
  Call(Session& session, MessageType type, CallSize size = CallSize::kSmall);
  ~Call();

  template <std::integral T>
  Call& put(T value) {
    writer_.put(value);
    return *this;
  }
  Call& put(const Fid& fid) { return put(fid.number()); }
  Call& put(std::string_view text) {
    writer_.put_text(text);
    return *this;
  }
  Writer& writer() { return writer_; }

  // The error that the server answered, ENOMEM, EIO.
  Result<Reader> run();

 private:
  std::span<std::byte> message_area() const;
  std::span<std::byte> answer_area() const;

  Session& session_;
  const MessageType type_;
  const CallSize size_;
  PhysAddr buffer_;
  const u16 tag_;
  Writer writer_;
};

}  // namespace narwhal::p9
