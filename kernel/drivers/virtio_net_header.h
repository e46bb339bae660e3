// What stands before a frame, both ways, where sums and the cutting of segments are left to the
// other side: struct virtio_net_hdr_v1 (virtio 1.1, section 5.1.6), which a TAP device of Linux
// speaks, too (IFF_VNET_HDR).
#pragma once

#include "kernel/drivers/net_device.h"

namespace narwhal {

struct VirtioNetHeader {
  u8 flags;
  u8 segmentation;
  u16 header_length;
  u16 segment_size;
  u16 checksum_start;
  u16 checksum_offset;
  u16 buffers;

  static constexpr u8 kNeedsChecksum = 1, kChecksumValid = 2;  // flags
  static constexpr u8 kSegmentsOfTcp4 = 1, kSegmentsOfTcp6 = 4;

  // Of a received frame. A sum that is still to be filled in never left the host.
  bool checksum_good() const { return (flags & (kNeedsChecksum | kChecksumValid)) != 0; }

  static VirtioNetHeader of(const NetDevice::Transmit& packet) {
    VirtioNetHeader header{};
    if (packet.needs_checksum) {
      header.flags = kNeedsChecksum;
      header.checksum_start = packet.checksum_start;
      header.checksum_offset = packet.checksum_offset;
    }
    if (packet.segment_size != 0) {
      header.segmentation = packet.is_ipv6 ? kSegmentsOfTcp6 : kSegmentsOfTcp4;
      header.header_length = packet.header_length;
      header.segment_size = packet.segment_size;
    }
    return header;
  }
};
static_assert(sizeof(VirtioNetHeader) == 12);

}  // namespace narwhal
