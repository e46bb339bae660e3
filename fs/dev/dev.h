// /dev: a tmpfs with the names that Linux's devtmpfs and every container have, and the memory
// devices behind some of them (null(4), full(4), random(4)).
#pragma once

#include "fs/tmpfs/tmpfs.h"

namespace narwhal {

// Serves the memory devices and makes mount(2) know "devtmpfs". Called once.
void dev_init();

// The one instance, made when first asked for. Terminals' names are in it whoever serves them; to
// open one that nobody serves is ENXIO.
Result<Ref<TmpFs>> dev_file_system();

}  // namespace narwhal
