// In place of confine.cc, for the image that shows that //tests:escape_test can fail.
#include "kernel/platform/process/confine.h"
#include "kernel/platform/process/host_process.h"
#include "kernel/platform/process/processors.h"

void narwhal::process_home::grant(int) {}

void narwhal::process_home::confine() {
  start_maker(nullptr, 0);
  start_further_cpus();
}
