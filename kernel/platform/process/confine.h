// What is left of the host once the program runs.
#pragma once

namespace narwhal::process_home {

// The process reads and writes this descriptor for as long as it lives: what a device is made of.
// Before confine(). ENOSPC is a panic: there are few.
void grant(int fd);

// From here on this process can make the calls that confine.cc lists and no others, whoever makes
// them and from where; another one ends it. All descriptors but those in use are closed. For good.
// Then the further CPUs begin to run.
void confine();

}  // namespace narwhal::process_home
