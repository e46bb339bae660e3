// One line on a terminal that says what is being waited for, and goes when there is something
// better to see.
#pragma once

#include <string_view>

namespace narwhal::tools {

class Progress {
 public:
  // Quiet unless standard error is a terminal.
  explicit Progress(bool wanted = true);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::string_view text);
  void clear();

 private:
  bool is_wanted_;
  bool is_shown_ = false;
};

}  // namespace narwhal::tools
