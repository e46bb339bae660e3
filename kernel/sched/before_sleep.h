// What can wait while the program may have more of it.
#pragma once

namespace narwhal {

// Calls a function once, when a thread next goes to sleep, on behalf of that thread, which sleeps
// already: it may wake others, and do nothing else. There is one such function at a time.
void call_before_sleep(void (*function)());

}  // namespace narwhal
