#include "fs/proc/proc.h"

#include "fs/proc/machine_files.h"
#include "fs/proc/settings.h"
#include "fs/proc/tree.h"

namespace narwhal {

Result<> proc_init() {
  TRY(proc_make_tree());
  TRY(proc_add_machine_files());
  return proc_add_settings();
}

}  // namespace narwhal
