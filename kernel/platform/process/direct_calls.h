// System calls that reach the kernel without the host (docs/decisions/0043-direct-calls.md).
#pragma once

namespace narwhal::process_home {

// From now on calls are rewritten.
void start_rewriting();

}  // namespace narwhal::process_home
