// Packets between lwIP and a network device. Only this folder includes this header.
#pragma once

#include "kernel/drivers/net_device.h"
#include "lwip/netif.h"
#include "net/lwip/core_lwip.h"
#include "net/lwip/segment_train.h"

namespace narwhal::net {

struct DeviceInterface {
  explicit DeviceInterface(Ref<NetDevice> d) : device(std::move(d)) {}
  // What lwIP computes itself, and what it leaves to the device.
  void set_checksums();

  netif interface{};
  Ref<NetDevice> device;
  DeviceInterface* next = nullptr;
  u32 number = 0;
  IpAddress gateway6 = IpAddress::any(IpVersion::k6);
  ip_addr_t gateway6_lwip{};
  SegmentTrain* train = nullptr;  // segments that wait for more of their kind
  bool unflushed = false;
  bool sent_blocked = false;  // the device's queue was full
  ip4_addr_t asked_for{};     // whose address was asked for last (ARP)
  u64 received_packets = 0, received_bytes = 0, received_dropped = 0;
  u64 sent_packets = 0, sent_bytes = 0, sent_dropped = 0;
};

DeviceInterface* first_device_interface();
// netif::linkoutput and netif::input.
err_t device_transmit(netif* interface, pbuf* frame);
err_t device_input(pbuf* frame, netif* interface);
void device_transmit_done(void* token);

// Memory that a received pbuf keeps occupied, which may be far more than its length.
usize pbuf_footprint(const pbuf* piece);

}  // namespace narwhal::net
