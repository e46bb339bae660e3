#include "tools/narwhal/raw_terminal.h"

#include <unistd.h>

namespace narwhal::tools {

// In the background, tcsetattr(3) would stop this process (SIGTTOU).
bool RawTerminal::is_ours() const {
  return tcgetpgrp(fd_) == getpgrp();
}

void RawTerminal::enter() {
  if (is_raw_ || !is_ours() || tcgetattr(fd_, &before_) != 0) return;
  termios raw = before_;
  cfmakeraw(&raw);
  is_raw_ = tcsetattr(fd_, TCSADRAIN, &raw) == 0;
}

void RawTerminal::leave() {
  if (!is_raw_) return;
  is_raw_ = false;
  if (is_ours()) tcsetattr(fd_, TCSADRAIN, &before_);
}

}  // namespace narwhal::tools
