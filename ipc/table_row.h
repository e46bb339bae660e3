// One line of /proc/sysvipc/*: numbers, right-aligned in columns.
#pragma once

#include "kernel/abi/ipc.h"
#include "kernel/base/format.h"

namespace narwhal::sysv {

class TableRow : NonCopyable {
 public:
  explicit TableRow(TextSink& out) : out_(out) {}
  ~TableRow() { out_ << '\n'; }

  TableRow& gap() {
    out_ << ' ';
    return *this;
  }
  template <std::integral T>
  TableRow& number(T value, usize width) {
    Text<24> text;
    text << value;
    return column(text, width);
  }
  // Key, number and permissions, as every table begins.
  TableRow& begin(const abi::IpcPermission& permission, i32 id) {
    number(permission.key, 10).number(id, 10).gap();
    char digits[8];
    usize at = sizeof digits;
    u32 rest = permission.mode;
    do {
      digits[--at] = char('0' + rest % 8);
      rest /= 8;
    } while (rest != 0 && at > 0);
    Text<8> text;
    text << std::string_view(digits + at, sizeof digits - at);
    return column(text, 4);
  }
  TableRow& owners(const abi::IpcPermission& permission) {
    return number(permission.uid, 5)
        .number(permission.gid, 5)
        .number(permission.cuid, 5)
        .number(permission.cgid, 5);
  }

 private:
  TableRow& column(const TextSink& text, usize width) {
    if (!first_) out_ << ' ';
    first_ = false;
    for (usize at = text.size(); at < width; ++at) out_ << ' ';
    out_ << text.view();
    return *this;
  }
  TextSink& out_;
  bool first_ = true;
};

}  // namespace narwhal::sysv
