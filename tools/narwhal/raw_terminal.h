// The user's terminal while a program has it. The guest's own terminal echoes, edits lines and
// turns Ctrl-C into a signal (docs/boot-contract.md, `stdin=tty`), so this machine's must not.
#pragma once

#include <termios.h>

namespace narwhal::tools {

class RawTerminal {
 public:
  // Does nothing for what is no terminal.
  explicit RawTerminal(int fd) : fd_(fd) {}
  ~RawTerminal() { leave(); }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  // Waits with it as long as the terminal belongs to another job: call it again then.
  void enter();
  // As it was before.
  void leave();
  // Another program had the terminal, and set it up for itself.
  void forget() { is_raw_ = false; }

  bool is_raw() const { return is_raw_; }

 private:
  bool is_ours() const;

  int fd_;
  bool is_raw_ = false;
  termios before_ = {};
};

}  // namespace narwhal::tools
