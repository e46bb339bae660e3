#include "kernel/platform/process/direct_calls.h"

#include "kernel/mm/address_space.h"
#include "kernel/platform/process/layout.h"
#include "kernel/platform/rewrite/call_ways.h"
#include "kernel/platform/rewrite/find_site.h"

extern "C" {
void narwhal_direct_entry();
void narwhal_direct_entry_of_many();
}

namespace narwhal::process_home {

void start_rewriting() {
  static constinit AddressSpace::CallRewriter rewriter{};
  const bool many = boot_state.cpus > 1;
  rewriter = {reinterpret_cast<u64>(many ? &narwhal_direct_entry_of_many : &narwhal_direct_entry),
              &rewrite::find_site};
  AddressSpace::set_call_rewriter(&rewriter);
  call_ways.rewriting = true;
}

}  // namespace narwhal::process_home
