#include "loader/vdso/vdso.h"

#include <cstddef>
#include <cstring>

#include "kernel/sched/clock.h"

extern "C" const std::byte vdso_image[], vdso_image_end[];

namespace narwhal {
namespace {

static_assert(offsetof(VdsoData, usable) == 4 && offsetof(VdsoData, base_tsc) == 8 &&
              offsetof(VdsoData, base_ns) == 16 && offsetof(VdsoData, mult) == 24 &&
              offsetof(VdsoData, shift) == 28 && offsetof(VdsoData, wall_offset) == 32 &&
              offsetof(VdsoData, slew_mult) == 40);

// Page 0: data, page 1: code. Held for as long as the machine runs.
constinit MemoryObject* pages = nullptr;
constinit VdsoData* data = nullptr;

void begin_change() {
  __atomic_store_n(&data->sequence, data->sequence + 1, __ATOMIC_SEQ_CST);
}
void end_change() {
  const platform::TscClock clock = platform::tsc_clock();
  data->usable = clock.mult != 0;
  data->base_tsc = clock.base_tsc;
  data->base_ns = clock.base_ns;
  data->mult = clock.mult;
  data->shift = clock.shift;
  data->slew_mult = clock.slew_mult;
  data->wall_offset = wall_clock_offset_ns();
  __atomic_store_n(&data->sequence, data->sequence + 1, __ATOMIC_SEQ_CST);
}
constexpr ClockPublisher kPublisher{begin_change, end_change};

}  // namespace

Result<> vdso_init() {
  auto object = TRY(make_ref<MemoryObject>());
  auto data_frame = TRY(FrameRef::allocate(FrameContent::kZeroed));
  auto code_frame = TRY(FrameRef::allocate(FrameContent::kZeroed));
  std::memcpy(code_frame.data(), vdso_image, usize(vdso_image_end - vdso_image));
  data = reinterpret_cast<VdsoData*>(data_frame.data());
  object->set_size(2 * kPageSize);
  TRY(object->insert(0, std::move(data_frame)));
  TRY(object->insert(1, std::move(code_frame)));
  pages = object.release();
  set_clock_publisher(kPublisher);
  return {};
}

Result<UserAddr> vdso_map(AddressSpace& memory) {
  MapRequest request;
  request.length = 2 * kPageSize;
  request.protection = Protection::kRead;
  request.max_protection = Protection::kRead | Protection::kExecute;
  request.flags = MapFlags::kPrivate;
  request.object = Ref<MemoryObject>(pages);
  request.special_name = "[vvar]";
  const UserAddr at = TRY(memory.map(request));
  request.hint = at + kPageSize;
  request.length = kPageSize;
  request.protection = Protection::kRead | Protection::kExecute;
  request.flags = MapFlags::kPrivate | MapFlags::kFixed;
  request.object_offset = kPageSize;
  request.special_name = "[vdso]";
  TRY(memory.map(request));
  return at + kPageSize;
}

}  // namespace narwhal
