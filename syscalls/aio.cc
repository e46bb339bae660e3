// io_setup(2), io_destroy(2), io_submit(2), io_getevents(2), io_cancel(2).
//
// A transfer is done when io_submit(2) returns: see fs/aio.
#include "fs/aio/aio_context.h"
#include "fs/eventfd/eventfd.h"
#include "syscalls/file_transfer.h"
#include "syscalls/handlers.h"
#include "syscalls/signal_mask.h"
#include "syscalls/timespec.h"

namespace narwhal {
namespace {

constexpr u32 kKey = 0;  // KIOCB_KEY

Result<Ref<AioContext>> context_of(Task& task, u64 number) {
  auto context = AioContext::find(task.memory(), number);
  if (!context) return Errno::kInval;
  return context;
}

bool reads(const abi::IoControlBlock& block) {
  return abi::IoOpcode(block.opcode) == abi::IoOpcode::kRead ||
         abi::IoOpcode(block.opcode) == abi::IoOpcode::kReadPieces;
}
bool is_in_pieces(const abi::IoControlBlock& block) {
  return abi::IoOpcode(block.opcode) == abi::IoOpcode::kReadPieces ||
         abi::IoOpcode(block.opcode) == abi::IoOpcode::kWritePieces;
}

SysResult transfer(Task& task, File& file, const abi::IoControlBlock& block, IoBuffer& buffer) {
  const TransferPlace place{file.seekable(), u64(block.offset)};
  return reads(block) ? read_file(file, buffer, place, block.rw_flags)
                      : write_file(task, file, buffer, place, block.rw_flags);
}

// What is wrong with a request at once, and not in its event.
Result<> check_block(const abi::IoControlBlock& block, const File& file) {
  switch (abi::IoOpcode(block.opcode)) {
    case abi::IoOpcode::kRead:
    case abi::IoOpcode::kReadPieces:
      if (!file.readable()) return Errno::kBadF;
      break;
    case abi::IoOpcode::kWrite:
    case abi::IoOpcode::kWritePieces:
      if (!file.writable()) return Errno::kBadF;
      break;
    case abi::IoOpcode::kSync:
    case abi::IoOpcode::kDataSync:
      if (block.buffer || block.offset || block.size || block.rw_flags) return Errno::kInval;
      return {};
    default:
      return Errno::kInval;
  }
  TRY(check_transfer_flags(file, block.rw_flags));
  if (file.seekable() && block.offset < 0) return Errno::kInval;
  return {};
}

Result<Ref<EventFd>> event_fd_of(Task& task, const abi::IoControlBlock& block) {
  if (!(block.flags & abi::kIoSignalsEventFd)) return Ref<EventFd>();
  FileRef file = TRY(task.files().get(block.event_fd));
  if (file->kind() != File::Kind::kEventFd) return Errno::kInval;
  return static_ref_cast<EventFd>(std::move(file));
}

Result<> submit(Task& task, AioContext& context, UserAddr address) {
  const auto block = TRY(load_user<abi::IoControlBlock>(address));
  if (block.reserved != 0 || i64(block.size) < 0) return Errno::kInval;
  FileRef file = TRY(task.files().get(block.fd));
  const auto event_fd = TRY(event_fd_of(task, block));
  TRY(store_user(address + offsetof(abi::IoControlBlock, key), kKey));
  TRY(check_block(block, *file));
  // A transfer whose memory can't be looked at never begins.
  Vector<abi::IoVec> pieces;
  UserBuffer whole{};
  if (is_in_pieces(block))
    pieces = TRY(load_iovecs(UserAddr{block.buffer}, block.size));
  else
    whole = TRY(checked_buffer(UserAddr{block.buffer}, block.size));
  TRY(context.reserve());
  const SysResult done = [&]() -> SysResult {
    switch (abi::IoOpcode(block.opcode)) {
      case abi::IoOpcode::kSync:
      case abi::IoOpcode::kDataSync:
        TRY(file->sync(abi::IoOpcode(block.opcode) == abi::IoOpcode::kDataSync));
        return i64{0};
      case abi::IoOpcode::kReadPieces:
      case abi::IoOpcode::kWritePieces: {
        IoBuffer buffer{std::span<const abi::IoVec>(pieces)};
        return transfer(task, *file, block, buffer);
      }
      default: {
        IoBuffer buffer(whole);
        return transfer(task, *file, block, buffer);
      }
    }
  }();
  abi::IoEvent event{.data = block.data, .control_block = address.value, .result = 0, .result2 = 0};
  if (done.ok())
    event.result = done.value();
  else
    event.result = -i64(done.failed(Errno::kRestartSys) ? Errno::kIntr : done.error());
  context.complete(event);
  if (event_fd) event_fd->signal();
  return {};
}

SysResult get_events(Task& task, u64 number, i64 at_least, i64 at_most, UserAddr events,
                     u64 deadline_ns) {
  const auto context = TRY(context_of(task, number));
  if (at_least < 0 || at_least > at_most) return Errno::kInval;
  usize taken = 0;
  const auto attempt = [&]() -> Result<usize> {
    auto more = context->take(events + taken * sizeof(abi::IoEvent), usize(at_most) - taken);
    if (!more.ok()) return taken != 0 ? Result<usize>(taken) : more;
    taken += more.value();
    if (taken < usize(at_least)) return Errno::kAgain;
    return taken;
  };
  const auto collected = block_until_ready(context->queue(), kPollReadable, deadline_ns, attempt,
                                           {Errno::kTimedOut, Errno::kIntr});
  if (taken != 0 || collected.failed(Errno::kTimedOut)) return i64(taken);
  if (!collected.ok()) return collected.error();
  return i64(collected.value());
}

}  // namespace

SysResult sys::io_setup(Task& task, u32 events, UserAddr context) {
  if (TRY(load_user<u64>(context)) != 0) return Errno::kInval;
  const auto made = TRY(AioContext::create(task.memory(), events));
  if (auto stored = store_user(context, made->number()); !stored.ok()) {
    TRY(made->destroy(task.memory()));
    return stored.error();
  }
  return i64{0};
}

SysResult sys::io_destroy(Task& task, u64 context) {
  TRY(TRY(context_of(task, context))->destroy(task.memory()));
  return i64{0};
}

SysResult sys::io_submit(Task& task, u64 number, i64 count, UserAddr blocks) {
  if (count < 0) return Errno::kInval;
  const auto context = TRY(context_of(task, number));
  if (count > context->capacity()) count = context->capacity();
  for (i64 i = 0; i < count; ++i) {
    auto submitted = [&]() -> Result<> {
      const u64 block = TRY(load_user<u64>(blocks + usize(i) * sizeof(u64)));
      return submit(task, *context, UserAddr{block});
    }();
    if (!submitted.ok()) return i != 0 ? SysResult(i) : submitted.error();
  }
  return count;
}

SysResult sys::io_getevents(Task& task, u64 context, i64 at_least, i64 at_most, UserAddr events,
                            UserAddr timeout) {
  const u64 deadline_ns = TRY(load_deadline(timeout));
  return get_events(task, context, at_least, at_most, events, deadline_ns);
}

SysResult sys::io_pgetevents(Task& task, u64 context, i64 at_least, i64 at_most, UserAddr events,
                             UserAddr timeout, UserAddr signal_mask) {
  struct MaskArgument {  // struct __aio_sigset
    UserAddr mask;
    usize size;
  };
  const u64 deadline_ns = TRY(load_deadline(timeout));
  MaskArgument mask{};
  if (signal_mask.value != 0) mask = TRY(load_user<MaskArgument>(signal_mask));
  TemporaryMask temporary(task);
  TRY(temporary.set(mask.mask, mask.size));
  return temporary.done(get_events(task, context, at_least, at_most, events, deadline_ns));
}

SysResult sys::io_cancel(Task& task, u64 context, UserAddr block, UserAddr) {
  const u32 key = TRY(load_user<u32>(block + offsetof(abi::IoControlBlock, key)));
  if (key != kKey) return Errno::kInval;
  TRY(context_of(task, context));
  // Nothing is ever under way.
  return Errno::kInval;
}

}  // namespace narwhal
