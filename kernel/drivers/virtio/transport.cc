#include "kernel/drivers/virtio/transport.h"

#include "kernel/base/log.h"

namespace narwhal {

Result<u64> virtio_negotiate(VirtioTransport& transport, u64 wanted, u64 required) {
  constexpr auto kBegin = VirtioStatus::kAcknowledge | VirtioStatus::kDriver;
  transport.set_status(VirtioStatus::kNone);
  // The device says that the reset is complete by showing a status of zero.
  for (u32 tries = 0; transport.status() != VirtioStatus::kNone; ++tries)
    if (tries == 1'000'000) return Errno::kNoDev;
  transport.set_status(VirtioStatus::kAcknowledge);
  transport.set_status(kBegin);

  required |= kVirtioVersion1;
  const u64 offered = transport.device_features();
  const u64 agreed = offered & (wanted | required);
  if ((agreed & required) != required) {
    Text<48> where;
    transport.describe(where);
    LOG_ERROR("virtio " << where.view() << ": the device lacks features "
                        << hex(required & ~offered) << " that its driver needs");
    transport.set_status(VirtioStatus::kFailed);
    return Errno::kNoDev;
  }
  transport.set_driver_features(agreed);
  transport.set_status(kBegin | VirtioStatus::kFeaturesOk);
  if (!has(transport.status(), VirtioStatus::kFeaturesOk)) {
    transport.set_status(VirtioStatus::kFailed);
    return Errno::kNoDev;
  }
  return agreed;
}

void virtio_driver_ok(VirtioTransport& transport) {
  transport.set_status(VirtioStatus::kAcknowledge | VirtioStatus::kDriver |
                       VirtioStatus::kFeaturesOk | VirtioStatus::kDriverOk);
}

}  // namespace narwhal
