// This program, executed again in another role: what exec(3) checks need. A role is a function that
// runs instead of the checks when the first argument names it.
#pragma once

#include <string>
#include <vector>

#include "compat_tests/processes/child.h"

namespace compat {

// Defined in again.cc. Role names: see there.
inline constexpr char kSelf[] = "/proc/self/exe";
inline constexpr char kRolePrefix[] = "--role=";

// Arguments as execve(2) wants them.
class Arguments {
 public:
  Arguments(const char* role, std::vector<std::string> more = {}) : texts_(std::move(more)) {
    texts_.insert(texts_.begin(), {"again", std::string(kRolePrefix) + role});
    for (std::string& text : texts_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

// Goes on as a role of this program; 255 when it can't.
inline int become(const char* role, std::vector<std::string> more = {}) {
  Arguments arguments(role, std::move(more));
  execv(kSelf, arguments.data());
  return 255;
}

// A child that becomes a role: its outcome.
inline int run_role(const char* role, std::vector<std::string> more = {}) {
  return run_child([&] { return become(role, std::move(more)); });
}

}  // namespace compat
