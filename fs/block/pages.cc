#include "fs/block/pages.h"

#include "fs/block/write_back.h"
#include "kernel/mm/reclaim.h"

namespace narwhal {
namespace {

using Segment = BlockRequest::Segment;

// Puts a page behind the others of a request: into the last segment where it lies behind that.
// False: the request has no more segments.
bool append(std::span<Segment> segments, usize& count, usize most, u32 longest, PhysAddr frame,
            u32 bytes) {
  if (count != 0) {
    Segment& last = segments[count - 1];
    if (last.address + last.length == frame && longest - last.length >= bytes) {
      last.length += bytes;
      return true;
    }
  }
  if (count == most || count == segments.size()) return false;
  segments[count++] = {frame, bytes};
  return true;
}

// Others want memory too, and can't wait for it to be reclaimed everywhere: from this level on the
// cache lives on what it has.
void leave_room(u64 frames) {
  constexpr u64 kShare = 16;
  const MemoryStatistics memory = memory_statistics();
  if (memory.free_frames < memory.total_frames / kShare + frames) reclaim_frames(frames);
}

}  // namespace

Result<Ref<DiskPages>> DiskPages::make(DiskQueue& queue) {
  Ref<DiskPages> pages = TRY(make_ref<DiskPages>(queue));
  // Now, since writing back is how memory is made when there is none.
  Own<Write> write = TRY(make_own<Write>());
  {
    Guard guard(pages->write_back_mutex_);
    pages->write_ = std::move(write);
  }
  return pages;
}

// --- claims

u64 DiskPages::first_claimed(u64 first, u64 last) {
  u64 found = last;
  for (const Claim& claim : claims_) {
    if (claim.last_ <= first || claim.first_ >= found) continue;
    found = claim.first_ > first ? claim.first_ : first;
  }
  return found;
}

DiskPages::Claim::Claim(DiskPages& pages, u64 first, u64 least, u64 last)
    : pages_(pages), first_(first), last_(last) {
  const auto attempt = [&] {
    SpinGuard guard(pages_.lock_);
    const u64 end = pages_.first_claimed(first, last);
    if (end < least) return false;
    last_ = end;
    pages_.claims_.push_back(*this);
    return true;
  };
  if (attempt()) return;
  ScopedWait wait(pages_.claims_changed_, PollEvents::kAll);
  for (;;) {
    prepare_to_sleep();
    if (attempt()) break;
    sleep(Interruptible::kNo).ignore();
  }
  cancel_sleep();
}

DiskPages::Claim::~Claim() {
  {
    SpinGuard guard(pages_.lock_);
    node.unlink();
  }
  pages_.claims_changed_.wake_all();
}

// --- pages that come

Result<FrameRef> DiskPages::page(u64 index, Access access) {
  FrameRef frame = TRY(read_page(index, kFaultAround));
  if (access == Access::kWrite) TRY(changed(index));
  return frame;
}

Result<FrameRef> DiskPages::read_page(u64 index, u64 wanted) {
  FrameRef frame = TRY(present(index));
  if (frame) return frame;
  return bring(index, wanted);
}

// How many pages to bring: what is wanted, and more where somebody reads in sequence.
u64 DiskPages::window(u64 index, u64 wanted) {
  u64 count = wanted;
  {
    SpinGuard guard(lock_);
    if (index == next_expected_ && count < read_ahead()) count = read_ahead();
  }
  if (count > kReadAtOnce) count = kReadAtOnce;
  const u64 end = div_round_up(size(), kPageSize);
  if (count > end - index) count = end - index;
  // Not those that are here.
  if (const u64 next = next_data(index); next > index && next - index < count) count = next - index;
  return count;
}

Result<FrameRef> DiskPages::bring(u64 index, u64 wanted) {
  if (index >= div_round_up(size(), kPageSize)) return Errno::kIo;
  u64 count = window(index, wanted);
  leave_room(count);
  for (;;) {
    const Claim claim(*this, index, index + 1, index + count);
    // Whoever had the claim before may have brought it.
    FrameRef here = TRY(present(index));
    if (here) return here;
    FrameRef frames[kReadAtOnce];
    usize got = 0;
    for (; got < claim.last() - index; ++got) {
      const bool whole = bytes_of(index + got) == kPageSize;
      auto frame =
          FrameRef::allocate_for_program(whole ? FrameContent::kAny : FrameContent::kZeroed);
      if (!frame.ok()) break;
      frames[got] = frame.take();
    }
    if (got == 0) return Errno::kNoMem;
    if (auto read = read_from_device(index, {frames, got}); !read.ok()) {
      // What was not asked for may be what can't be read.
      if (got == 1) return read.error();
      count = 1;
      continue;
    }
    here = FrameRef::share(frames[0].address());
    for (usize i = 0; i < got; ++i)
      if (auto done = insert(index + i, std::move(frames[i])); !done.ok()) {
        if (i == 0 && !done.failed(Errno::kExist)) return done.error();
      }
    SpinGuard guard(lock_);
    next_expected_ = index + got;
    return here;
  }
}

Result<> DiskPages::read_from_device(u64 index, std::span<const FrameRef> frames) {
  Segment segments[kReadAtOnce];
  DiskQueue::Request requests[kReadAtOnce];
  usize used = 0, request_count = 0;
  DiskQueue::Batch batch(queue_);
  for (usize i = 0; i < frames.size();) {
    DiskQueue::Request& request = requests[request_count++];
    request.operation = BlockRequest::Operation::kRead;
    request.sector = (index + i) * (kPageSize / kSectorSize);
    const auto room = std::span(segments).subspan(used);
    usize count = 0;
    while (i < frames.size() &&
           append(room, count, queue_.traits().most_segments, queue_.traits().longest_segment,
                  frames[i].address(), bytes_of(index + i)))
      ++i;
    request.segments = room.first(count);
    used += count;
    batch.submit(request);
  }
  return batch.wait();
}

Result<> DiskPages::add(u64 index, FrameRef frame) {
  const Claim claim(*this, index, index + 1, index + 1);
  return insert(index, std::move(frame));
}

// --- pages that go

Result<> DiskPages::changed(u64 index) {
  bool first;
  {
    SpinGuard guard(lock_);
    first = marks_.count() == 0;
    TRY(marks_.mark(index));
  }
  if (first) write_back_soon();
  return {};
}

u64 DiskPages::changed_count() const {
  SpinGuard guard(lock_);
  return marks_.count();
}

Result<> DiskPages::write_back(u64 first, u64 last, bool mapped) {
  Guard guard(write_back_mutex_);
  Errno error{};
  // In the order of the disk, and once: somebody may go on changing them for ever.
  while (first < last) {
    PageMarks::Run run;
    {
      SpinGuard marks(lock_);
      run = marks_.take_run(first, last, kWriteAtOnce);
      writing_first_ = run.first;
      writing_last_ = run.first + run.count;
    }
    if (run.count == 0) break;
    first = run.first + run.count;
    // A page that was seen to change is seen again only when it is not mapped for writing.
    if (mapped && has_shared_writers()) unmap_everywhere(run.first, first);
    const auto written = write_round(run);
    {
      SpinGuard marks(lock_);
      writing_first_ = writing_last_ = 0;
    }
    if (!written.ok()) error = written.error();
  }
  if (error != Errno{}) failures_.fetch_add(1, Order::kRelease);
  return error;
}

Result<> DiskPages::write_round(const PageMarks::Run& run) {
  Write& write = *write_;
  usize frame_count = 0, segment_count = 0, request_count = 0;
  DiskQueue::Batch batch(queue_);
  DiskQueue::Request* request = nullptr;
  const auto send = [&] {
    if (request) batch.submit(*request);
    request = nullptr;
  };
  usize in_request = 0;
  for (u64 index = run.first; index < run.first + run.count; ++index) {
    auto frame = present(index);
    if (!frame.ok() || !frame.value()) {
      send();
      continue;
    }
    FrameRef& kept = write.frames[frame_count++] = frame.take();
    for (;;) {
      if (!request) {
        request = &write.requests[request_count++];
        request->operation = BlockRequest::Operation::kWrite;
        request->sector = index * (kPageSize / kSectorSize);
        in_request = 0;
      }
      const auto room = std::span(write.segments).subspan(segment_count - in_request);
      const usize before = in_request;
      if (append(room, in_request, queue_.traits().most_segments, queue_.traits().longest_segment,
                 kept.address(), bytes_of(index))) {
        segment_count += in_request - before;
        request->segments = room.first(in_request);
        break;
      }
      send();
    }
  }
  send();
  auto done = batch.wait();
  for (usize i = 0; i < frame_count; ++i) write.frames[i] = FrameRef();
  return done;
}

bool DiskPages::can_spare(u64 index) {
  SpinGuard guard(lock_);
  return !marks_.is_marked(index) && !(index >= writing_first_ && index < writing_last_);
}

u64 DiskPages::drop(u64 most) {
  const u64 end = ~u64{0} >> kPageShift;
  u64 next = hand_.load(Order::kRelaxed);
  u64 dropped = drop_unused(next, end, most, next);
  if (dropped < most) dropped += drop_unused(0, end, most - dropped, next);
  hand_.store(next < end ? next : 0, Order::kRelaxed);
  return dropped;
}

void DiskPages::forget(u64 first, u64 last) {
  unmap_everywhere(first, last);
  u64 next;
  drop_unused(first, last, ~u64{0}, next);
}

}  // namespace narwhal
