#include "fs/generated/numbers.h"

namespace narwhal {
namespace {

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

void skip_blanks(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

}  // namespace

Result<u64> take_number(std::string_view& text, u64 most) {
  skip_blanks(text);
  u64 value = 0;
  usize digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    const u64 digit = u64(text[digits] - '0');
    if (digit > most || value > (most - digit) / 10) return Errno::kInval;
    value = value * 10 + digit;
  }
  if (digits == 0) return Errno::kInval;
  text.remove_prefix(digits);
  if (!text.empty() && !is_blank(text.front())) return Errno::kInval;
  return value;
}

Result<i64> take_signed_number(std::string_view& text, i64 least, i64 most) {
  skip_blanks(text);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  const i64 size = i64(TRY(take_number(text, u64(INT64_MAX))));
  const i64 value = negative ? -size : size;
  if (value < least || value > most) return Errno::kInval;
  return value;
}

}  // namespace narwhal
