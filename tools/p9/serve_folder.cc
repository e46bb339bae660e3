#include "tools/p9/serve_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>

#include "tools/p9/server.h"

namespace narwhal::tools {

namespace {

constexpr rlim_t kMostMemory = 512 << 20;

void set_limits() {
  rlimit limit;
  // A descriptor for each file that the guest has a number for.
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  limit = {kMostMemory, kMostMemory};
  setrlimit(RLIMIT_AS, &limit);
  limit = {0, 0};
  setrlimit(RLIMIT_CORE, &limit);
}

// Root's server keeps what makes it root for files. Others have none to lose.
void drop_capabilities() {
  constexpr unsigned kKept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                                CAP_FSETID};
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return;
  unsigned kept = 0;
  for (const unsigned capability : kKept) kept |= 1u << capability;
  for (auto& half : data) {
    half.effective &= kept;
    half.permitted &= kept;
    half.inheritable = 0;
    kept = 0;
  }
  syscall(SYS_capset, &header, data);
}

// landlock(7): files are opened and changed below the folder only. The server keeps to that by
// itself; this stands behind it. Before version 2 it would forbid moves between folders.
void enclose(int folder) {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, 1);  // the flag VERSION
  if (version < 2) return;
  constexpr unsigned kRightsOfVersion2 = 14;
  constexpr unsigned kTruncate = 14;
  const struct {
    uint64_t files;
  } handled = {(uint64_t{1} << (version >= 3 ? kTruncate + 1 : kRightsOfVersion2)) - 1};
  const int rules =
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0));
  if (rules < 0) return;
  landlock_path_beneath_attr below = {};
  below.allowed_access = handled.files;
  below.parent_fd = folder;
  if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0)
    syscall(SYS_landlock_restrict_self, rules, 0);
  close(rules);
}

}  // namespace

int serve_folder(int argc, const char* const* argv) {
  if (argc != 4) {
    fputs("serve-folder is what narwhal run starts for -v\n", stderr);
    return 2;
  }
  const int socket = atoi(argv[1]);
  const int folder = atoi(argv[2]);
  const bool read_only = std::string_view(argv[3]) == "ro";
  umask(0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  set_limits();
  drop_capabilities();
  enclose(folder);
  p9::Server server((UniqueFd(folder)), read_only);
  return server.serve(socket) ? 0 : 1;
}

}  // namespace narwhal::tools
