#include "kernel/drivers/host/disk.h"

#include "kernel/base/log.h"
#include "kernel/drivers/host/disk_message.h"
#include "kernel/platform/cpu_local.h"
#include "kernel/platform/process/events.h"
#include "kernel/platform/process/host.h"
#include "kernel/platform/process/layout.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

using namespace disk_message;

constexpr Operation operation_of(BlockRequest::Operation operation) {
  switch (operation) {
    case BlockRequest::Operation::kRead:
      return Operation::kRead;
    case BlockRequest::Operation::kWrite:
      return Operation::kWrite;
    case BlockRequest::Operation::kFlush:
      return Operation::kFlush;
    case BlockRequest::Operation::kDiscard:
      return Operation::kDiscard;
    case BlockRequest::Operation::kWriteZeroes:
      return Operation::kWriteZeroes;
  }
}

class HostDisk final : public BlockDevice {
 public:
  HostDisk(int fd, u64 sectors, bool read_only, std::string_view serial) {
    // What QEMU's virtio disks take at once.
    constexpr u32 kMostSectors = 4194303;
    traits_.sectors = sectors;
    traits_.read_only = read_only;
    traits_.has_cache = true;
    traits_.most_segments = kMostPlaces;
    traits_.most_discarded = read_only ? 0 : kMostSectors;
    traits_.discard_alignment = 1;
    traits_.most_zeroed = traits_.most_discarded;
    traits_.serial = serial;
    watch_.fd = fd;
    watch_.ready = [](void* self) { static_cast<HostDisk*>(self)->answered(); };
    watch_.argument = this;
    process_home::add_watch(watch_);
    process_home::allow_signals(watch_);
  }

  const Traits& traits() const override { return traits_; }

  void submit(BlockRequest& request) override {
    Requests failed;
    {
      SpinGuard guard(lock_);
      waiting_.push_back(request);
      send(failed);
      arm();
    }
    fail_all(failed);
  }

 private:
  using Requests = List<BlockRequest, &BlockRequest::node>;
  static constexpr usize kMostAtOnce = 64;

  // As many as the socket takes.
  void send(Requests& failed) TA_REQUIRES(lock_) {
    while (BlockRequest* request = waiting_.front()) {
      if (broken_) {
        request->node.unlink();
        failed.push_back(*request);
        continue;
      }
      if (free_ == 0) return;
      const usize id = usize(__builtin_ctzll(free_));
      Place places[kMostPlaces];
      usize count = 0;
      for (const auto& segment : request->segments)
        places[count++] = {process_home::file_offset(segment.address.value), segment.length};
      Question question{.id = id,
                        .operation = operation_of(request->operation),
                        .place_count = u32(count),
                        .offset = request->sector * kSectorSize,
                        .size = request->sector_count * kSectorSize,
                        .may_unmap = request->may_unmap,
                        .padding = 0};
      const host::Piece pieces[] = {{&question, sizeof question}, {places, count * sizeof(Place)}};
      const auto sent = host::write_pieces(watch_.fd, pieces);
      if (sent.failed(Errno::kAgain)) return;
      if (!sent.ok()) {
        stop("its server on the host has ended");
        continue;
      }
      request->node.unlink();
      free_ &= ~(u64{1} << id);
      sent_[id] = request;
    }
  }

  void stop(std::string_view why) TA_REQUIRES(lock_) {
    if (!broken_) LOG_ERROR("the disk '" << traits_.serial << "' is gone: " << why);
    broken_ = true;
  }

  void arm() TA_REQUIRES(lock_) {
    if (broken_ || (waiting_.empty() && ~free_ == 0)) return;
    // With every place taken, an answer makes room, not the socket.
    const bool wants_room = !waiting_.empty() && free_ != 0;
    InterruptGuard guard;
    process_home::arm(watch_, i16(host::kPollIn | (wants_room ? host::kPollOut : 0)));
  }

  static void fail_all(Requests& requests) {
    while (BlockRequest* request = requests.pop_front()) request->done(*request, Errno::kIo);
  }

  // One answer. False: there is none.
  bool receive(Requests& good, Requests& unknown, Requests& bad) TA_REQUIRES(lock_) {
    Answer answer;
    const auto got = host::read(watch_.fd, std::as_writable_bytes(std::span(&answer, 1)));
    if (got.failed(Errno::kAgain)) return false;
    if (!got.ok() || got.value() == 0) {
      stop("its server on the host has ended");
      return false;
    }
    if (got.value() != sizeof answer || answer.id >= kMostAtOnce || !sent_[answer.id]) {
      stop("its server on the host answers what was not asked");
      return false;
    }
    BlockRequest& request = *sent_[answer.id];
    sent_[answer.id] = nullptr;
    free_ |= u64{1} << answer.id;
    (answer.error == 0                        ? good
     : answer.error == i32(Errno::kOpNotSupp) ? unknown
                                              : bad)
        .push_back(request);
    return true;
  }

  void answered() {
    Requests good, unknown, bad;
    {
      SpinGuard guard(lock_);
      while (!broken_ && receive(good, unknown, bad)) continue;
      if (broken_)
        for (BlockRequest*& request : sent_) {
          if (!request) continue;
          bad.push_back(*request);
          request = nullptr;
        }
      send(bad);
      arm();
    }
    while (BlockRequest* request = good.pop_front()) request->done(*request, Errno{});
    while (BlockRequest* request = unknown.pop_front()) request->done(*request, Errno::kOpNotSupp);
    fail_all(bad);
  }

  Traits traits_;
  process_home::Watch watch_;
  SpinLock<LockRank::kDevice> lock_;
  Requests waiting_ TA_GUARDED_BY(lock_);
  BlockRequest* sent_[kMostAtOnce] TA_GUARDED_BY(lock_) = {};
  u64 free_ TA_GUARDED_BY(lock_) = ~u64{0};  // places in sent_
  bool broken_ TA_GUARDED_BY(lock_) = false;
};

}  // namespace

Result<Ref<BlockDevice>> start_host_disk(int fd, u64 sectors, bool read_only,
                                         std::string_view serial) {
  auto disk = TRY(make_ref<HostDisk>(fd, sectors, read_only, serial));
  disk->add_ref();  // watched for ever
  return Ref<BlockDevice>(std::move(disk));
}

}  // namespace narwhal
