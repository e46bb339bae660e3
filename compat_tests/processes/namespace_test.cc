// Links to namespaces, and entering one's own again: namespaces(7), setns(2).
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <regex>
#include <set>

#include "compat_tests/common/files.h"
#include "compat_tests/processes/child.h"

namespace compat {
namespace {

constexpr unsigned long kGetParent = 0xb702;  // NS_GET_PARENT
constexpr unsigned long kGetType = 0xb703;    // NS_GET_NSTYPE

std::string link_of(const std::string& process, const std::string& name) {
  char text[100];
  const std::string path = "/proc/" + process + "/ns/" + name;
  const ssize_t size = readlink(path.c_str(), text, sizeof text);
  return size < 0 ? error_name(errno) : std::string(text, size_t(size));
}
int open_own(const std::string& name) {
  return open(("/proc/self/ns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
}
int pidfd_of(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}
// In a child, which alone changes.
int enter(int fd, int type) {
  return run_child([=] { return setns(fd, type) == 0 ? 0 : errno; });
}

TEST(Namespaces, AreListed) {
  std::set<std::string> names;
  DIR* dir = opendir("/proc/self/ns");
  ASSERT_NE(nullptr, dir);
  while (const dirent* entry = readdir(dir)) names.insert(entry->d_name);
  closedir(dir);
  for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time",
                           "time_for_children", "user", "uts"})
    EXPECT_TRUE(names.count(name)) << name;
}

TEST(Namespaces, HaveNumbers) {
  for (const char* name : {"ipc", "mnt", "net", "pid", "user", "uts"}) {
    const std::string text = link_of("self", name);
    EXPECT_TRUE(std::regex_match(text, std::regex(std::string(name) + ":\\[40265[0-9]+\\]")))
        << text;
    struct stat status = {};
    ASSERT_OK(stat((std::string("/proc/self/ns/") + name).c_str(), &status));
    EXPECT_EQ(std::string(name) + ":[" + std::to_string(status.st_ino) + "]", text);
    EXPECT_TRUE(S_ISREG(status.st_mode));
  }
  EXPECT_EQ(link_of("self", "pid"), link_of("self", "pid_for_children"));
  EXPECT_EQ("ENOENT", link_of("self", "other"));
}

TEST(Namespaces, AreInherited) {
  const pid_t child = spawn_sleeper();
  for (const char* name : {"ipc", "mnt", "net", "pid", "user", "uts"})
    EXPECT_EQ(link_of("self", name), link_of(std::to_string(child), name));
  end_child(child);
}

TEST(Namespaces, OfOthersAreNotForEverybody) {
  if (geteuid() != 0) GTEST_SKIP() << "needs another user";
  const pid_t child = spawn_sleeper();
  EXPECT_EQ(0, run_child([=] {
              if (setuid(1000) != 0) return 1;
              return link_of(std::to_string(child), "mnt") == "EACCES" ? 0 : 2;
            }));
  end_child(child);
}

TEST(Namespaces, TellTheirKind) {
  const Fd fd = open_own("uts");
  EXPECT_EQ(CLONE_NEWUTS, ioctl(fd, kGetType));
  EXPECT_ERRNO(ENOTTY, ioctl(fd, TCGETS, nullptr));
  EXPECT_ERRNO(EPERM, open("/proc/self/ns/uts", O_RDWR));
}

TEST(Namespaces, OnlySomeHaveParents) {
  for (const char* name : {"cgroup", "ipc", "mnt", "net", "time", "uts"})
    EXPECT_ERRNO(EINVAL, ioctl(Fd(open_own(name)), kGetParent)) << name;
  EXPECT_ERRNO(EPERM, ioctl(Fd(open_own("pid")), kGetParent)) << "above what one may see";
  EXPECT_ERRNO(EPERM, ioctl(Fd(open_own("user")), kGetParent));
}

TEST(Namespaces, MayBeEnteredAgain) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  for (const char* name : {"ipc", "mnt", "net", "pid", "uts"})
    EXPECT_EQ(0, enter(Fd(open_own(name)), 0)) << name;
  EXPECT_EQ(0, enter(Fd(open_own("uts")), CLONE_NEWUTS));
  EXPECT_EQ(EINVAL, enter(Fd(open_own("user")), 0)) << "one is in it already";
}

TEST(Namespaces, EnteringIsChecked) {
  EXPECT_ERRNO(EBADF, setns(-1, 0));
  EXPECT_ERRNO(EINVAL, setns(Fd(open("/dev/null", O_RDONLY)), 0));
  EXPECT_ERRNO(EINVAL, setns(Fd(open_own("uts")), CLONE_NEWIPC));
  const Fd own = pidfd_of(getpid());
  EXPECT_ERRNO(EINVAL, setns(own, 0));
  EXPECT_ERRNO(EINVAL, setns(own, CLONE_VM));
  if (geteuid() != 0) return;
  EXPECT_EQ(0, enter(own, CLONE_NEWUTS | CLONE_NEWIPC));
  EXPECT_EQ(EPERM, run_child([] {
              const int fd = open_own("uts");
              if (setuid(1000) != 0) return 1;
              return setns(fd, 0) == 0 ? 0 : errno;
            }));
}

TEST(Namespaces, OrdinaryUsersMakeNone) {
  EXPECT_EQ(EPERM, run_child([] {
              if (geteuid() == 0 && setuid(1000) != 0) return 1;
              return unshare(CLONE_NEWUTS) == 0 ? 0 : errno;
            }));
}

}  // namespace
}  // namespace compat
