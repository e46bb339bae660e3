// Tells terminals (fs/tty) about processes: who is in the foreground, who ignores what.
#pragma once

namespace narwhal {

// Once, before the first terminal is opened.
void process_terminals_init();

}  // namespace narwhal
