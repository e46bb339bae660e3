#include "fs/pipe/pipe.h"

namespace narwhal {

constinit Atomic<u32> pipe_max_bytes{1024 * 1024};

Result<Ref<Pipe>> Pipe::create() {
  auto pipe = Ref<Pipe>::adopt(new (std::nothrow) Pipe());
  if (!pipe) return Errno::kNoMem;
  Guard guard(pipe->mutex_);
  TRY(pipe->slots_.resize(kPipeDefaultSlots));
  return pipe;
}

Pipe::~Pipe() = default;

void Pipe::drop_front() {
  Page& front = slot(0);
  if (front.owned && !spare_) spare_ = std::move(front.frame);
  front = Page();
  first_ = (first_ + 1) & (slots_.size() - 1);
  --used_;
}

Result<usize> Pipe::read(IoBuffer& to) {
  if (to.remaining() == 0) return usize{0};
  Guard guard(mutex_);
  if (used_ == 0) {
    if (has_writers()) return Errno::kAgain;
    return usize{0};
  }
  usize total = 0;
  while (used_ != 0 && to.remaining() != 0) {
    Page& front = slot(0);
    auto moved = to.write(front.frame.data() + front.offset, front.length);
    if (!moved.ok()) {
      if (total == 0) return moved.error();
      break;
    }
    total += moved.value();
    front.offset += u32(moved.value());
    front.length -= u32(moved.value());
    const bool ends = front.packet;
    if (front.length != 0 && !ends) break;
    drop_front();
    if (ends) break;
  }
  queue_.wake(kPollWritable);
  return total;
}

Result<usize> Pipe::append(IoBuffer& from, bool packets) {
  usize total = 0;
  // Into the room behind the last bytes, if the page is this pipe's own.
  if (used_ != 0 && !packets) {
    Page& last = slot(used_ - 1);
    usize end = last.offset + last.length;
    if (last.owned && end < kPageSize) {
      usize moved = TRY(from.read(last.frame.data() + end, kPageSize - end));
      last.length += u32(moved);
      total += moved;
    }
  }
  while (from.remaining() != 0 && used_ < slots_.size()) {
    FrameRef frame;
    if (spare_) {
      frame = std::move(spare_);
    } else {
      auto fresh = FrameRef::allocate(FrameContent::kAny);
      if (!fresh.ok()) {
        if (total != 0) break;
        return fresh.error();
      }
      frame = fresh.take();
    }
    auto moved = from.read(frame.data(), kPageSize);
    if (!moved.ok()) {
      if (total != 0) break;
      return moved.error();
    }
    ++used_;
    slot(used_ - 1) = Page{std::move(frame), 0, u32(moved.value()), !packets, packets};
    total += moved.value();
  }
  return total;
}

Result<usize> Pipe::write(IoBuffer& from, bool packets) {
  Guard guard(mutex_);
  if (!has_readers()) return Errno::kPipe;
  if (from.remaining() == 0) return usize{0};
  usize room = (slots_.size() - used_) * kPageSize;
  if (used_ != 0 && !packets) {
    const Page& last = slot(used_ - 1);
    if (last.owned) room += kPageSize - last.offset - last.length;
  }
  if (room == 0 || (from.remaining() <= kPipeAtomicSize && from.remaining() > room))
    return Errno::kAgain;
  usize total = TRY(append(from, packets));
  queue_.wake(kPollReadable);
  return total;
}

Result<> Pipe::push(Page page) {
  Guard guard(mutex_);
  if (!has_readers()) return Errno::kPipe;
  if (used_ == slots_.size()) return Errno::kAgain;
  ++used_;
  slot(used_ - 1) = std::move(page);
  queue_.wake(kPollReadable);
  return {};
}

Result<Pipe::Page> Pipe::pop(usize limit) {
  Guard guard(mutex_);
  if (used_ == 0) {
    if (has_writers()) return Errno::kAgain;
    return Page();
  }
  Page& front = slot(0);
  if (front.length <= limit) {
    Page whole = std::move(front);
    whole.owned = false;
    front = Page();
    first_ = (first_ + 1) & (slots_.size() - 1);
    --used_;
    queue_.wake(kPollWritable);
    return whole;
  }
  Page part{FrameRef::share(front.frame.address()), front.offset, u32(limit), false, front.packet};
  front.offset += u32(limit);
  front.length -= u32(limit);
  front.owned = false;  // shared now: nothing may be appended
  return part;
}

void Pipe::unpop(Page page) {
  Guard guard(mutex_);
  if (used_ != 0) {
    Page& front = slot(0);
    if (front.frame.address() == page.frame.address() &&
        front.offset == page.offset + page.length) {
      front.offset = page.offset;
      front.length += page.length;
      return;
    }
  }
  if (used_ == slots_.size())
    return;  // a writer took the room: the bytes were consumed, as after a failed copy
  first_ = (first_ - 1) & (slots_.size() - 1);
  ++used_;
  slot(0) = std::move(page);
  queue_.wake(kPollReadable);
}

Result<Pipe::Page> Pipe::peek(usize skip, usize limit) {
  Guard guard(mutex_);
  for (usize i = 0; i < used_; ++i) {
    Page& page = slot(i);
    if (skip >= page.length) {
      skip -= page.length;
      continue;
    }
    usize length = page.length - skip < limit ? page.length - skip : limit;
    page.owned = false;
    return Page{FrameRef::share(page.frame.address()), u32(page.offset + skip), u32(length), false,
                page.packet};
  }
  if (has_writers()) return Errno::kAgain;
  return Page();
}

PollEvents Pipe::poll(bool for_reading, bool for_writing, u32 seen_writers) {
  Guard guard(mutex_);
  PollEvents events = PollEvents::kNone;
  if (for_reading) {
    if (used_ != 0) events |= kPollReadable;
    // A FIFO that no writer ever opened has not hung up (fifo(7), poll(2)).
    if (!has_writers() && writer_generation_.load() != seen_writers) events |= PollEvents::kHup;
  }
  if (for_writing) {
    if (used_ < slots_.size()) events |= kPollWritable;
    if (!has_readers()) events |= PollEvents::kErr;
  }
  return events;
}

usize Pipe::bytes_ready() {
  Guard guard(mutex_);
  usize total = 0;
  for (usize i = 0; i < used_; ++i) total += slot(i).length;
  return total;
}

usize Pipe::capacity() {
  Guard guard(mutex_);
  return slots_.size() * kPageSize;
}

Result<usize> Pipe::set_capacity(usize bytes) {
  if (bytes > u32(1) << 31) return Errno::kInval;
  usize count = 1;
  while (count * kPageSize < bytes) count *= 2;
  Guard guard(mutex_);
  if (count < used_) return Errno::kBusy;
  Vector<Page> slots;
  TRY(slots.resize(count));
  for (usize i = 0; i < used_; ++i) slots[i] = std::move(slot(i));
  slots_ = std::move(slots);
  first_ = 0;
  queue_.wake(kPollWritable);
  return count * kPageSize;
}

void Pipe::opened(bool for_reading, bool for_writing) {
  if (for_reading) {
    readers_.fetch_add(1);
    reader_generation_.fetch_add(1);
  }
  if (for_writing) {
    writers_.fetch_add(1);
    writer_generation_.fetch_add(1);
  }
  queue_.wake_all();
}

void Pipe::closed(bool for_reading, bool for_writing) {
  bool last_reader = for_reading && readers_.fetch_sub(1) == 1;
  bool last_writer = for_writing && writers_.fetch_sub(1) == 1;
  if (!has_readers() && !has_writers()) {
    // A FIFO forgets what nobody can read any more.
    Guard guard(mutex_);
    while (used_ != 0) drop_front();
    spare_ = FrameRef();
  }
  if (last_reader) queue_.wake(PollEvents::kErr | kPollWritable, ~usize{0});
  if (last_writer) queue_.wake(PollEvents::kHup | kPollReadable, ~usize{0});
}

}  // namespace narwhal
