#pragma once

namespace narwhal::packet {

// Makes AF_PACKET known; once, when the kernel starts.
void register_family();

}  // namespace narwhal::packet
