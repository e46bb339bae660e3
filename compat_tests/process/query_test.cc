// What a process asks of the kernel about itself and the machine: prctl(2), capget(2), uname(2),
// sysinfo(2), /proc and /sys.
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "compat_tests/process/child.h"

namespace compat {
namespace {

TEST(Capability, Versions) {
  __user_cap_header_struct header = {0x12345678, 0};
  __user_cap_data_struct data[2];
  EXPECT_ERRNO(EINVAL, syscall(SYS_capget, &header, data));
  EXPECT_EQ(header.version, static_cast<uint32_t>(_LINUX_CAPABILITY_VERSION_3))
      << "the kernel's own is told";
  header = {_LINUX_CAPABILITY_VERSION_3, 999999};
  EXPECT_ERRNO(ESRCH, syscall(SYS_capget, &header, data));
}

// --- prctl(2)

TEST(Prctl, NamesAreCut) {
  EXPECT_EQ(result_of([] {
              char name[16] = "";
              prctl(PR_SET_NAME, "a name of more than 15 bytes");
              prctl(PR_GET_NAME, name);
              return strcmp(name, "a name of more ") == 0 &&
                             file_text("/proc/self/comm") == "a name of more \n"
                         ? kGood
                         : 1;
            }),
            kGood);
}

TEST(Prctl, NoNewPrivilegesIsForGood) {
  EXPECT_EQ(
      result_of([] {
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0) return 1;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 2;
        if (prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) != -1 || errno != EINVAL) return 3;
        return result_of([] { return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? kGood : 1; });
      }),
      kGood);
}

TEST(Prctl, DeathSignal) {
  EXPECT_EQ(result_of([] {
              int number = -1;
              if (prctl(PR_GET_PDEATHSIG, &number) != 0 || number != 0) return 1;
              if (prctl(PR_SET_PDEATHSIG, SIGUSR1) != 0) return 2;
              prctl(PR_GET_PDEATHSIG, &number);
              if (number != SIGUSR1) return 3;
              if (prctl(PR_SET_PDEATHSIG, 65) != -1 || errno != EINVAL) return 4;
              // A child's starts with none.
              return result_of([] {
                int own = -1;
                prctl(PR_GET_PDEATHSIG, &own);
                return own == 0 ? kGood : 1;
              });
            }),
            kGood);
}

TEST(Prctl, Dumpable) {
  EXPECT_EQ(result_of([] {
              if (prctl(PR_GET_DUMPABLE) != 1 || prctl(PR_SET_DUMPABLE, 0) != 0) return 1;
              if (prctl(PR_GET_DUMPABLE) != 0) return 2;
              return prctl(PR_SET_DUMPABLE, 2) == -1 && errno == EINVAL ? kGood : 3;
            }),
            kGood);
}

TEST(Prctl, TimerSlack) {
  EXPECT_EQ(result_of([] {
              const int slack = prctl(PR_GET_TIMERSLACK);
              if (slack <= 0 || prctl(PR_SET_TIMERSLACK, 12345) != 0) return 1;
              if (prctl(PR_GET_TIMERSLACK) != 12345 || prctl(PR_SET_TIMERSLACK, 0) != 0) return 2;
              return prctl(PR_GET_TIMERSLACK) == slack ? kGood : 3;
            }),
            kGood);
}

TEST(Prctl, BoundingSet) {
  EXPECT_EQ(prctl(PR_CAPBSET_READ, CAP_KILL), 1);
  EXPECT_ERRNO(EINVAL, prctl(PR_CAPBSET_READ, 999));
}

TEST(Prctl, Errors) {
  EXPECT_ERRNO(EINVAL, prctl(123456));
  EXPECT_ERRNO(EFAULT, prctl(PR_SET_NAME, bad_pointer<char>()));
  EXPECT_ERRNO(EINVAL, prctl(PR_SET_KEEPCAPS, 7, 0, 0, 0));
}

// --- the system

TEST(System, NamesItselfLinux) {
  utsname name;
  ASSERT_OK(uname(&name));
  EXPECT_STREQ(name.sysname, "Linux");
  EXPECT_STREQ(name.machine, "x86_64");
  EXPECT_GE(atoi(name.release), 5);
  EXPECT_EQ(file_text("/proc/sys/kernel/osrelease"), std::string(name.release) + "\n");
  EXPECT_EQ(file_text("/proc/sys/kernel/ostype"), "Linux\n");
  EXPECT_EQ(file_text("/proc/sys/kernel/hostname"), std::string(name.nodename) + "\n");
  EXPECT_TRUE(file_text("/proc/version").starts_with(std::string("Linux version ") + name.release));
  EXPECT_ERRNO(EFAULT, syscall(SYS_uname, bad_pointer<utsname>()));
}

TEST(System, Information) {
  struct sysinfo info;
  ASSERT_OK(sysinfo(&info));
  const uint64_t total = static_cast<uint64_t>(info.totalram) * info.mem_unit;
  EXPECT_GT(total, 8u << 20);
  EXPECT_LE(info.freeram, info.totalram);
  EXPECT_GE(info.procs, 1);
  EXPECT_EQ(strtoull(field_of("/proc/meminfo", "MemTotal").c_str(), nullptr, 10), total / 1024);
  const double uptime = atof(file_text("/proc/uptime").c_str());
  EXPECT_NEAR(uptime, static_cast<double>(info.uptime), 5);
}

TEST(System, ProcessorsAreCountedAlike) {
  const long count = sysconf(_SC_NPROCESSORS_ONLN);
  EXPECT_GE(count, 1);
  const std::string online = file_text("/sys/devices/system/cpu/online");
  EXPECT_EQ(online, count == 1 ? "0\n" : "0-" + std::to_string(count - 1) + "\n");
  const std::string cpuinfo = file_text("/proc/cpuinfo");
  long processors = 0;
  for (size_t at = 0; (at = cpuinfo.find("processor\t:", at)) != std::string::npos; ++at)
    ++processors;
  EXPECT_EQ(processors, count);
}

// --- /proc

std::string of_self(const char* name) {
  return "/proc/self/" + std::string(name);
}

TEST(Proc, StatAndStatusAgree) {
  const std::string status = of_self("status");
  EXPECT_EQ(field_of(status, "Pid"), std::to_string(getpid()));
  EXPECT_EQ(field_of(status, "PPid"), std::to_string(getppid()));
  EXPECT_EQ(stat_field(getpid(), 4), std::to_string(getppid()));
  EXPECT_EQ(stat_field(getpid(), 5), std::to_string(getpgrp()));
  EXPECT_EQ(stat_field(getpid(), 6), std::to_string(getsid(0)));
  EXPECT_EQ(field_of(status, "Tgid"), std::to_string(getpid()));
  EXPECT_TRUE(field_of(status, "State").starts_with("R"));
  EXPECT_EQ(field_of(status, "Name") + "\n", file_text(of_self("comm")));
}

TEST(Proc, ThreadsHaveFoldersOfTheirOwn) {
  in_thread([] {
    const std::string folder = "/proc/self/task/" + std::to_string(gettid());
    EXPECT_OK(access(folder.c_str(), R_OK));
    prctl(PR_SET_NAME, "a-thread");
    EXPECT_EQ(file_text(folder + "/comm"), "a-thread\n");
    EXPECT_EQ(field_of("/proc/thread-self/status", "Pid"), std::to_string(gettid()));
    EXPECT_EQ(field_of(of_self("status"), "Threads"), "2");
  });
  EXPECT_NE(file_text(of_self("comm")), "a-thread\n");
}

TEST(Proc, TheCommandLineIsTheStacks) {
  const std::string line = file_text(of_self("cmdline"));
  ASSERT_FALSE(line.empty());
  EXPECT_EQ(line.back(), '\0');
  EXPECT_EQ(line.substr(0, line.find('\0')), program_invocation_name);
  ASSERT_FALSE(file_text(of_self("environ")).empty());
}

TEST(Proc, DescriptorsTellTheirPosition) {
  const TempDir directory;
  const Fd fd = open((directory / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_APPEND, 0600);
  ASSERT_OK(fd);
  ASSERT_OK(ftruncate(fd, 100));
  ASSERT_EQ(lseek(fd, 42, SEEK_SET), 42);
  const std::string information = "/proc/self/fdinfo/" + std::to_string(fd);
  EXPECT_EQ(field_of(information, "pos"), "42");
  EXPECT_EQ(strtol(field_of(information, "flags").c_str(), nullptr, 8),
            O_RDWR | O_APPEND | O_CLOEXEC | 0100000);
  char target[4096] = "";
  EXPECT_GT(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1),
            0);
  EXPECT_EQ(target, directory / "file");
}

TEST(Proc, LinksToPlaces) {
  char here[4096], target[4096] = "";
  ASSERT_NE(getcwd(here, sizeof here), nullptr);
  EXPECT_GT(readlink("/proc/self/cwd", target, sizeof target - 1), 0);
  EXPECT_STREQ(target, here);
  memset(target, 0, sizeof target);
  EXPECT_GT(readlink("/proc/self/root", target, sizeof target - 1), 0);
  EXPECT_STREQ(target, "/");
  memset(target, 0, sizeof target);
  EXPECT_GT(readlink("/proc/self", target, sizeof target - 1), 0);
  EXPECT_EQ(target, std::to_string(getpid()));
}

TEST(Proc, AChildIsThereUntilItsEnd) {
  Gate gate;
  Child child([&] { return gate.pass() ? kGood : 1; });
  const std::string folder = "/proc/" + std::to_string(child.pid());
  EXPECT_EQ(field_of(folder + "/status", "PPid"), std::to_string(getpid()));
  EXPECT_EQ(file_text(folder + "/cmdline"), file_text(of_self("cmdline")));
  gate.open_up();
  EXPECT_EQ(child.result(), kGood);
  EXPECT_ERRNO(ENOENT, access(folder.c_str(), F_OK));
}

TEST(Proc, MemoryIsCountedInPages) {
  unsigned long size = 0, resident = 0;
  ASSERT_EQ(sscanf(file_text(of_self("statm")).c_str(), "%lu %lu", &size, &resident), 2);
  EXPECT_GT(resident, 0u);
  EXPECT_LE(resident, size);
  const unsigned long kilobytes =
      strtoul(field_of(of_self("status"), "VmSize").c_str(), nullptr, 10);
  EXPECT_NEAR(static_cast<double>(kilobytes), static_cast<double>(size) * 4, 4096);
}

TEST(Proc, UptimeAndLoadAreNumbers) {
  double uptime = -1, idle = -1, load = -1;
  EXPECT_EQ(sscanf(file_text("/proc/uptime").c_str(), "%lf %lf", &uptime, &idle), 2);
  EXPECT_GT(uptime, 0);
  EXPECT_EQ(sscanf(file_text("/proc/loadavg").c_str(), "%lf", &load), 1);
  EXPECT_GE(load, 0);
  EXPECT_TRUE(file_text("/proc/stat").starts_with("cpu "));
  EXPECT_NE(file_text("/proc/mounts").find(" / "), std::string::npos);
  EXPECT_GT(atoi(file_text("/proc/sys/kernel/pid_max").c_str()), 300);
}

TEST(Proc, SettingsAreWrittenAndReadBack) {
  for (const char* setting : {"/proc/sys/vm/swappiness", "/proc/sys/vm/min_free_kbytes",
                              "/proc/sys/vm/vfs_cache_pressure", "/proc/sys/kernel/tainted",
                              "/proc/sys/net/ipv4/conf/lo/tag"}) {
    const std::string before = read_file(setting);
    EXPECT_NE(before.find_first_of("0123456789"), std::string::npos) << setting;
    if (geteuid() != 0) continue;
    const Fd fd(open(setting, O_WRONLY));
    EXPECT_OK(write(fd, before.data(), before.size())) << setting;
    EXPECT_EQ(read_file(setting), before);
    EXPECT_ERRNO(EINVAL, pwrite(fd, "x\n", 2, 0)) << setting;
  }
}

// What gzip(1) makes of a text: magic number and method (RFC 1952).
TEST(Proc, TheConfigurationIsPacked) {
  if (access("/proc/config.gz", R_OK) != 0) GTEST_SKIP() << "a kernel without CONFIG_IKCONFIG_PROC";
  const std::string packed = read_file("/proc/config.gz");
  EXPECT_EQ(packed.substr(0, 3), "\x1f\x8b\x08");
  EXPECT_GT(packed.size(), 100u);
}

TEST(Proc, WhatIsNotThere) {
  EXPECT_ERRNO(ENOENT, access("/proc/999999", F_OK));
  EXPECT_ERRNO(ENOENT, access("/proc/self/fd/999", F_OK));
  EXPECT_ERRNO(ENOENT, access("/proc/self/nothing", F_OK));
  EXPECT_ERRNO(EISDIR, open("/proc/self", O_WRONLY));
}

}  // namespace
}  // namespace compat
