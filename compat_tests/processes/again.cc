#include "compat_tests/processes/again.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "compat_tests/processes/core_roles.h"

namespace compat {
namespace {

bool blocked(int signal) {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

bool pending(int signal) {
  sigset_t set;
  sigpending(&set);
  return sigismember(&set, signal) == 1;
}

sighandler_t handler(int signal) {
  struct sigaction action;
  sigaction(signal, nullptr, &action);
  return action.sa_handler;
}

struct Role {
  const char* name;
  int (*play)(int argc, char** argv);
};

// What a role returns is the exit code; further arguments start at argv[2].
constexpr Role kRoles[] = {
    {"code", [](int, char** argv) { return atoi(argv[2]); }},
    {"count", [](int argc, char**) { return argc - 2; }},
    {"environment",
     [](int, char** argv) {
       const char* value = getenv(argv[2]);
       return value == nullptr ? 1 : strcmp(value, argv[3]) == 0 ? 0 : 2;
     }},
    {"open", [](int, char** argv) { return int(fcntl(atoi(argv[2]), F_GETFD) != -1); }},
    {"pid", [](int, char** argv) { return int(getpid() == atoi(argv[2])); }},
    {"tid",
     [](int, char** argv) { return int(gettid() == atoi(argv[2]) && gettid() == getpid()); }},
    {"ignored", [](int, char** argv) { return int(handler(atoi(argv[2])) == SIG_IGN); }},
    {"default", [](int, char** argv) { return int(handler(atoi(argv[2])) == SIG_DFL); }},
    {"blocked", [](int, char** argv) { return int(blocked(atoi(argv[2]))); }},
    {"pending", [](int, char** argv) { return int(pending(atoi(argv[2]))); }},
    {"alarm", [](int, char**) { return int(alarm(0)); }},
    {"directory",
     [](int, char** argv) {
       char path[4096];
       return int(getcwd(path, sizeof path) != nullptr && strcmp(path, argv[2]) == 0);
     }},
    {"time_stamp_rule",
     [](int, char**) {
       int rule = 0;
       return prctl(PR_GET_TSC, &rule) == 0 && rule == PR_TSC_SIGSEGV ? 0 : 1;
     }},
    {"mask", [](int, char**) { return int(umask(0)); }},
    {"files",
     [](int, char**) {
       rlimit limit;
       getrlimit(RLIMIT_NOFILE, &limit);
       return int(limit.rlim_cur);
     }},
    {"name",
     [](int, char** argv) {
       char name[16];
       prctl(PR_GET_NAME, name);
       return int(strcmp(name, argv[2]) == 0);
     }},
    {"argument0", [](int, char** argv) { return int(strcmp(argv[0], argv[2]) == 0); }},
    {"path",
     [](int, char** argv) {
       const char* path = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
       return int(strcmp(path, argv[2]) == 0);
     }},
    {"users",
     [](int, char** argv) {
       return int(getuid() == uid_t(atoi(argv[2])) && geteuid() == uid_t(atoi(argv[3])));
     }},
    {"groups",
     [](int, char** argv) {
       return int(getgid() == gid_t(atoi(argv[2])) && getegid() == gid_t(atoi(argv[3])));
     }},
    {"secure", [](int, char**) { return int(getauxval(AT_SECURE)); }},
    {"threads",
     [](int, char**) {
       int count = 0;
       FILE* file = fopen("/proc/self/status", "re");
       char line[256];
       while (file != nullptr && fgets(line, sizeof line, file) != nullptr)
         if (sscanf(line, "Threads: %d", &count) == 1) break;
       return count;
     }},
    {"dumpable", [](int, char**) { return prctl(PR_GET_DUMPABLE); }},
    {"death",
     [](int, char**) {
       int signal = 0;
       prctl(PR_GET_PDEATHSIG, &signal);
       return signal;
     }},
    {"subreaper",
     [](int, char**) {
       int set = 0;
       prctl(PR_GET_CHILD_SUBREAPER, &set);
       return set;
     }},
    {"keepcaps", [](int, char**) { return prctl(PR_GET_KEEPCAPS); }},
    {"privileges", [](int, char**) { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }},
    {"nice", [](int, char**) { return getpriority(PRIO_PROCESS, 0); }},
    {"filter",
     [](int, char**) {
       unsigned value = 0;
       FILE* file = fopen("/proc/self/coredump_filter", "re");
       return file != nullptr && fscanf(file, "%x", &value) == 1 ? int(value) : -1;
     }},
    {"altstack",
     [](int, char**) {
       stack_t stack;
       sigaltstack(nullptr, &stack);
       return int(stack.ss_flags == SS_DISABLE);
     }},
    {"child", [](int, char**) { return outcome(-1); }},
    {"powerless",
     [](int, char**) {
       unsigned long long effective = 1;
       FILE* file = fopen("/proc/self/status", "re");
       char line[256];
       while (file != nullptr && fgets(line, sizeof line, file) != nullptr)
         if (sscanf(line, "CapEff: %llx", &effective) == 1) break;
       return int(effective == 0);
     }},
    {"seccomp", [](int, char**) { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0); }},
    {"core-reader", read_core},
    {"core-arguments", tell_arguments},
    {"core-surroundings", tell_surroundings},
    {"core-none", ignore_core},
    {"core-sleeper", sleep_over_core},
    {"core-late-looker", look_late},
    {"sleep",
     [](int, char**) {
       for (;;) pause();
       return 0;
     }},
};

// Before main(), so that the checks don't run.
__attribute__((constructor)) void play_role(int argc, char** argv, char**) {
  if (argc < 2) return;
  const std::string wanted = argv[1];
  if (wanted.rfind(kRolePrefix, 0) != 0) return;
  for (const Role& role : kRoles)
    if (wanted == std::string(kRolePrefix) + role.name) _exit(role.play(argc, argv));
  _exit(254);
}

}  // namespace
}  // namespace compat
