// For tests of what sleeps: they run on a thread of the fake machine's.
#pragma once

namespace narwhal {

// What the test's main() returns. `before` runs on that thread, too, ahead of the first test.
int run_tests_on_a_thread(int count, char** values, void (*before)() = nullptr);

}  // namespace narwhal
