// A short name for contents: different contents have different ones (FNV-1a: no protection against
// forgeries).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace narwhal::tools {

class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char byte : text) add_byte(static_cast<unsigned char>(byte));
    // No text has this byte, which tells where one ends.
    add_byte(0xff);
  }
  void add(int64_t number) { add(std::to_string(number)); }

  std::string text() const {
    std::string digits;
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[value_ >> shift & 15];
    return digits;
  }

 private:
  void add_byte(uint64_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace narwhal::tools
