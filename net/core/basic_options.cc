#include "net/core/basic_options.h"

#include <cstring>

#include "net/core/socket_actor.h"

namespace narwhal {

Result<i32> option_int(std::span<const std::byte> value) {
  i32 number;
  if (value.size() < sizeof number) return Errno::kInval;
  std::memcpy(&number, value.data(), sizeof number);
  return number;
}

usize put_option(std::span<std::byte> out, const void* value, usize size) {
  if (size > out.size()) size = out.size();
  if (size != 0) std::memcpy(out.data(), value, size);
  return size;
}

// Options that are on or off.
int BasicOptions::bit_of(int name) {
  switch (name) {
    case abi::kSoDebug:
      return 0;
    case abi::kSoReuseAddress:
      return 1;
    case abi::kSoDontRoute:
      return 2;
    case abi::kSoBroadcast:
      return 3;
    case abi::kSoKeepAlive:
      return 4;
    case abi::kSoOutOfBandInline:
      return 5;
    case abi::kSoReusePort:
      return 6;
    case abi::kSoNoCheck:
      return 7;
    case abi::kSoTimestamp:
      return 8;
    case abi::kSoTimestampNs:
      return 9;
    default:
      return -1;
  }
}

i32 BasicOptions::buffer_size(i32 wanted, i32 least, bool forced) {
  constexpr i32 kMostForced = 0x3fffffff;
  if (!forced && u32(wanted) > u32(kMostBuffer)) wanted = kMostBuffer;
  if (wanted < 0) wanted = 0;
  if (wanted > kMostForced) wanted = kMostForced;
  return wanted * 2 > least ? wanted * 2 : least;
}

Result<> BasicOptions::set(int name, std::span<const std::byte> value) {
  const i32 number = TRY(option_int(value));
  if (const int bit = bit_of(name); bit >= 0) {
    if (number != 0)
      switches_.fetch_or(1u << bit);
    else
      switches_.fetch_and(~(1u << bit));
    return {};
  }
  const auto may = [](Capability capability) {
    return socket_actor().credentials->capable(capability);
  };
  switch (name) {
    case abi::kSoReceiveBufferForce:
      if (!may(Capability::kNetAdmin)) return Errno::kPerm;
      [[fallthrough]];
    case abi::kSoReceiveBuffer:
      receive_buffer_.store(
          buffer_size(number, kLeastReceiveBuffer, name == abi::kSoReceiveBufferForce));
      return {};
    case abi::kSoReceiveLowWater:
      receive_low_water_.store(number < 0 ? 0x7fffffff : number == 0 ? 1 : number);
      return {};
    case abi::kSoPriority:
      if ((number < 0 || number > 6) && !may(Capability::kNetAdmin)) return Errno::kPerm;
      priority_.store(number);
      return {};
    case abi::kSoMark:
      if (!may(Capability::kNetAdmin)) return Errno::kPerm;
      mark_.store(number);
      return {};
    case abi::kSoLinger: {
      Linger linger;
      if (value.size() < sizeof linger) return Errno::kInval;
      std::memcpy(&linger, value.data(), sizeof linger);
      linger_on_.store(linger.on != 0);
      if (linger.on != 0) linger_seconds_.store(linger.seconds);
      return {};
    }
    default:
      return Errno::kNoProtoOpt;
  }
}

Result<usize> BasicOptions::get(int name, std::span<std::byte> out) const {
  if (const int bit = bit_of(name); bit >= 0)
    return put_option(out, i32(switches_.load() >> bit & 1));
  switch (name) {
    case abi::kSoReceiveBuffer:
      return put_option(out, receive_buffer());
    case abi::kSoReceiveLowWater:
      return put_option(out, receive_low_water_.load());
    case abi::kSoSendLowWater:
      return put_option(out, 1);
    case abi::kSoPriority:
      return put_option(out, priority_.load());
    case abi::kSoMark:
      return put_option(out, mark_.load());
    case abi::kSoLinger: {
      const Linger linger{linger_on_.load(), linger_seconds_.load()};
      return put_option(out, &linger, sizeof linger);
    }
    case abi::kSoIncomingCpu:
      return put_option(out, 0);
    default:
      return Errno::kNoProtoOpt;
  }
}

}  // namespace narwhal
