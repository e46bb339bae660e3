// What a socket tells the receiver beside the data, in messages that are ready made.
#pragma once

#include <cstring>

#include "kernel/abi/socket.h"
#include "kernel/abi/time.h"
#include "net/core/socket.h"

namespace narwhal {

// ENOMEM.
template <typename T>
Result<> add_control_message(ControlData& control, i32 level, i32 type, const T& value) {
  ControlData::Raw raw{level, type, sizeof value, {}};
  static_assert(sizeof value <= sizeof raw.data);
  std::memcpy(raw.data, &value, sizeof value);
  return control.raw.push_back(raw);
}

// SO_TIMESTAMP and SO_TIMESTAMPNS, of those that are on: when it came, in ns of the wall clock.
inline Result<> add_receive_time(ControlData& control, bool in_micros, bool in_nanos, i64 time_ns) {
  const i64 seconds = time_ns / i64(kNanosPerSecond), rest = time_ns % i64(kNanosPerSecond);
  if (in_micros) {
    const abi::TimeVal time{seconds, rest / 1000};
    TRY(add_control_message(control, abi::kSolSocket, abi::kSoTimestamp, time));
  }
  if (in_nanos) {
    const abi::TimeSpec time{seconds, rest};
    TRY(add_control_message(control, abi::kSolSocket, abi::kSoTimestampNs, time));
  }
  return {};
}

}  // namespace narwhal
