// Numbers as programs write them to /proc: "12", "-5\n", "0x1f".
#pragma once

#include <string_view>

#include "kernel/base/result.h"

namespace narwhal {

// EINVAL.
inline Result<i64> parse_integer(std::string_view text) {
  constexpr auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  u64 base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
    base = 16;
    text.remove_prefix(2);
  }
  if (text.empty() || text.size() > 15) return Errno::kInval;
  u64 value = 0;
  for (const char c : text) {
    const char lower = char(c | 0x20);
    const u64 digit = c >= '0' && c <= '9'           ? u64(c - '0')
                      : lower >= 'a' && lower <= 'f' ? u64(lower - 'a') + 10
                                                     : 16;
    if (digit >= base) return Errno::kInval;
    value = value * base + digit;
  }
  return negative ? -i64(value) : i64(value);
}

}  // namespace narwhal
