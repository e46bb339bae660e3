#include "process/signal_fpu.h"

#include <cstring>

#include "kernel/abi/signal_frame.h"
#include "kernel/platform/user.h"

namespace narwhal::signal_fpu {

namespace {

// The XSAVE area: 512 bytes of FXSAVE, of which the last 48 are software's; a header of 64 bytes;
// the rest (Intel SDM vol. 1, section 13.4).
constexpr usize kLegacySize = 512;
constexpr usize kSoftwareAt = kLegacySize - sizeof(abi::ExtendedStateBytes);
constexpr usize kHeaderAt = kLegacySize;
constexpr usize kHeaderSize = 64;
constexpr usize kMxcsrAt = 24;
constexpr u64 kLegacyFeatures = 3;  // x87 and SSE

// A copy of an XSAVE area outside of the task's: a copy from the program may sleep, and then the
// scheduler writes the task's own.
class Area : NonCopyable {
 public:
  Area()
      : bytes_(static_cast<std::byte*>(
            ::operator new(platform::fpu_area_size(), std::align_val_t(64), std::nothrow))) {
    if (bytes_) std::memset(bytes_, 0, platform::fpu_area_size());
  }
  ~Area() { ::operator delete(bytes_, std::align_val_t(64)); }
  std::byte* bytes() { return bytes_; }

 private:
  std::byte* bytes_;
};

template <typename T>
T get(const std::byte* area, usize at) {
  T value;
  std::memcpy(&value, area + at, sizeof value);
  return value;
}

// How much of the area the program has at `from`, and which components of it count.
Result<abi::ExtendedStateBytes> examine(UserAddr from) {
  auto words = TRY(load_user<abi::ExtendedStateBytes>(from + kSoftwareAt));
  if (extended() && words.magic == abi::kExtendedStateMagic &&
      words.state_size >= kLegacySize + kHeaderSize &&
      words.state_size <= platform::fpu_area_size() && words.state_size <= words.extended_size) {
    if (TRY(load_user<u32>(from + words.state_size)) == abi::kExtendedStateEndMagic) return words;
  }
  // Written by something that knows FXSAVE only.
  words.state_size = kLegacySize;
  words.features = kLegacyFeatures;
  return words;
}

}  // namespace

bool extended() {
  return platform::fpu_area_size() > kLegacySize;
}

usize frame_size() {
  return platform::fpu_area_size() + (extended() ? sizeof abi::kExtendedStateEndMagic : 0);
}

Result<> save(Task& task, UserAddr to) {
  const std::byte* area = task.user_context()->fpu_area;
  const usize size = platform::fpu_area_size();
  platform::fpu_save(task.user_context()->fpu_area);
  // Should the copy sleep, the scheduler saves the same registers to the area once more.
  abi::ExtendedStateBytes words{};
  if (extended()) {
    words.magic = abi::kExtendedStateMagic;
    words.extended_size = u32(frame_size());
    words.features = platform::fpu_feature_mask();
    words.state_size = u32(size);
  }
  if (platform::copy_to_user(to, area, kSoftwareAt) != 0) return Errno::kFault;
  TRY(store_user(to + kSoftwareAt, words));
  if (!extended()) return {};
  // The legacy parts are there whether or not the CPU found them in use: old readers look at them
  // without asking.
  TRY(store_user(to + kHeaderAt, get<u64>(area, kHeaderAt) | kLegacyFeatures));
  constexpr usize kRest = kHeaderAt + sizeof(u64);
  if (platform::copy_to_user(to + kRest, area + kRest, size - kRest) != 0) return Errno::kFault;
  return store_user(to + size, abi::kExtendedStateEndMagic);
}

void reset(Task& task) {
  platform::fpu_area_init(task.user_context()->fpu_area);
  platform::fpu_load(task.user_context()->fpu_area);
}

Result<> restore(UserAddr from) {
  Area area;
  if (!area.bytes()) return Errno::kNoMem;
  if (from.value == 0) {
    platform::fpu_area_init(area.bytes());
    platform::fpu_load(area.bytes());
    return {};
  }
  const auto words = TRY(examine(from));
  if (platform::copy_from_user(area.bytes(), from, words.state_size) != 0) return Errno::kFault;
  if (extended()) {
    std::byte* header = area.bytes() + kHeaderAt;
    if (words.state_size == kLegacySize) std::memcpy(header, &kLegacyFeatures, sizeof(u64));
    // What the CPU would fault on is refused, not repaired: so it is on Linux, where it does.
    if (get<u64>(header, 0) & ~platform::fpu_feature_mask()) return Errno::kFault;
    for (usize i = sizeof(u64); i < kHeaderSize; ++i)
      if (header[i] != std::byte{0}) return Errno::kFault;
    const u64 present = get<u64>(header, 0) & words.features;
    std::memcpy(header, &present, sizeof present);
  }
  const u32 mxcsr = get<u32>(area.bytes(), kMxcsrAt);
  TRY(platform::fpu_area_sanitize(area.bytes(), platform::fpu_area_size()));
  if (get<u32>(area.bytes(), kMxcsrAt) != mxcsr) return Errno::kFault;
  platform::fpu_load(area.bytes());
  return {};
}

}  // namespace narwhal::signal_fpu
