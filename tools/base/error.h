// What a command reports when it cannot do what it was asked: one line for people, one exit status
// for scripts.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace narwhal::tools {

// The convention of env(1), nohup(1) and the container tools.
enum ExitStatus : int {
  kFailed = 125,         // the command itself failed
  kNotExecutable = 126,  // the program was found, but cannot be run
  kNotFound = 127,       // the program was not found
};

// The text is one line without a final full stop or newline: what, where, what to do.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& text, int status = kFailed)
      : std::runtime_error(text), status_(status) {}

  int status() const { return status_; }

 private:
  int status_;
};

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void fail_with(ExitStatus status, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...), status);
}

}  // namespace narwhal::tools
