// Limits (getrlimit(2)), priorities, and usage.
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/process/child.h"

namespace compat {
namespace {

rlimit limit_of(__rlimit_resource resource) {
  rlimit limit = {};
  EXPECT_OK(getrlimit(resource, &limit));
  return limit;
}

TEST(Limit, SoftIsNeverAboveHard) {
  for (int resource = 0; resource < 16; ++resource) {
    rlimit limit;
    ASSERT_OK(getrlimit(static_cast<__rlimit_resource>(resource), &limit));
    EXPECT_LE(limit.rlim_cur, limit.rlim_max) << resource;
  }
}

TEST(Limit, Errors) {
  rlimit limit = limit_of(RLIMIT_NOFILE);
  EXPECT_ERRNO(EINVAL, getrlimit(static_cast<__rlimit_resource>(16), &limit));
  EXPECT_ERRNO(EINVAL, setrlimit(static_cast<__rlimit_resource>(-1), &limit));
  EXPECT_ERRNO(EFAULT, syscall(SYS_getrlimit, RLIMIT_NOFILE, bad_pointer<rlimit>()));
  const rlimit upside_down = {10, 5};
  EXPECT_ERRNO(EINVAL, setrlimit(RLIMIT_NOFILE, &upside_down));
  EXPECT_ERRNO(ESRCH, prlimit(999999, RLIMIT_NOFILE, nullptr, &limit));
}

TEST(Limit, ChildrenInheritThem) {
  EXPECT_EQ(result_of([] {
              const rlimit limit = {77, 88};
              setrlimit(RLIMIT_NOFILE, &limit);
              return result_of([] {
                const rlimit seen = limit_of(RLIMIT_NOFILE);
                return seen.rlim_cur == 77 && seen.rlim_max == 88 ? kGood : 1;
              });
            }),
            kGood);
}

TEST(Limit, OfAnotherProcess) {
  Gate gate;
  Child child([&] { return gate.pass() && limit_of(RLIMIT_NOFILE).rlim_cur == 55 ? kGood : 1; });
  const rlimit limit = {55, limit_of(RLIMIT_NOFILE).rlim_max};
  rlimit old = {};
  EXPECT_OK(prlimit(child.pid(), RLIMIT_NOFILE, &limit, &old));
  EXPECT_EQ(old.rlim_cur, limit_of(RLIMIT_NOFILE).rlim_cur);
  gate.open_up();
  EXPECT_EQ(child.result(), kGood);
}

TEST(Limit, WithoutPrivilegesHardOnesOnlySink) {
  EXPECT_EQ(result_of([] {
              const rlimit limit = {50, 100};
              if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || setresuid(1234, 1234, 1234) != 0)
                return 1;
              const rlimit higher = {50, 101}, lower = {60, 90};
              if (setrlimit(RLIMIT_NOFILE, &higher) != -1 || errno != EPERM) return 2;
              return setrlimit(RLIMIT_NOFILE, &lower) == 0 ? kGood : 3;
            }),
            kGood);
}

TEST(Limit, Descriptors) {
  EXPECT_EQ(result_of([] {
              const rlimit limit = {20, 20};
              setrlimit(RLIMIT_NOFILE, &limit);
              int last = -1, fd;
              while ((fd = dup(0)) >= 0) last = fd;
              if (errno != EMFILE || last != 19) return 1;
              if (dup2(0, 20) != -1 || errno != EBADF) return 2;
              return fcntl(0, F_DUPFD, 20) == -1 && errno == EINVAL ? kGood : 3;
            }),
            kGood);
}

TEST(Limit, SizeOfFiles) {
  const TempDir directory;
  const std::string path = directory / "file";
  EXPECT_EQ(result_of([&] {
              const rlimit limit = {1000, 1000};
              setrlimit(RLIMIT_FSIZE, &limit);
              signal(SIGXFSZ, SIG_IGN);
              const int fd = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
              const std::string text(1500, 'x');
              if (write(fd, text.data(), text.size()) != 1000) return 1;
              if (write(fd, "x", 1) != -1 || errno != EFBIG) return 2;
              return ftruncate(fd, 1001) == -1 && errno == EFBIG ? kGood : 3;
            }),
            kGood);
  EXPECT_EQ(result_of([&] {
              const rlimit limit = {10, 10};
              setrlimit(RLIMIT_FSIZE, &limit);
              const rlimit no_core = {0, 0};
              setrlimit(RLIMIT_CORE, &no_core);
              signal(SIGXFSZ, SIG_DFL);
              const int fd = open(path.c_str(), O_WRONLY | O_APPEND);
              return write(fd, "x", 1) == 1 ? 1 : 2;
            }),
            1000 + SIGXFSZ);
}

TEST(Limit, AddressSpace) {
  EXPECT_EQ(
      result_of([] {
        const rlimit limit = {256 << 20, 256 << 20};
        setrlimit(RLIMIT_AS, &limit);
        void* const much =
            mmap(nullptr, 300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (much != MAP_FAILED || errno != ENOMEM) return 1;
        return mmap(nullptr, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
                   ? kGood
                   : 2;
      }),
      kGood);
}

TEST(Limit, ProcessesOfAUser) {
  EXPECT_EQ(result_of([] {
              const rlimit limit = {3, 3};
              if (setrlimit(RLIMIT_NPROC, &limit) != 0 || setresuid(4321, 4321, 4321) != 0)
                return 1;
              int children = 0;
              while (true) {
                const pid_t pid = fork();
                if (pid == 0) {
                  pause();
                  _exit(0);
                }
                if (pid < 0) break;
                if (++children > 5) break;
              }
              const bool refused = errno == EAGAIN && children == 2;
              signal(SIGTERM, SIG_IGN);
              kill(0, 0);
              for (int i = 0; i < children; ++i) kill(-1, SIGTERM);
              while (wait(nullptr) > 0) {
              }
              return refused ? kGood : 2;
            }),
            kGood);
}

TEST(Limit, ProcessorTime) {
  EXPECT_EQ(result_of([] {
              const rlimit no_core = {0, 0};
              setrlimit(RLIMIT_CORE, &no_core);
              signal(SIGXCPU, SIG_DFL);
              const rlimit limit = {1, 5};
              setrlimit(RLIMIT_CPU, &limit);
              volatile unsigned sum = 0;
              while (true) sum = sum + 1;
              return 0;
            }),
            1000 + SIGXCPU);
}

TEST(Limit, ProcShowsThem) {
  EXPECT_EQ(result_of([] {
              const rlimit limit = {33, 44};
              setrlimit(RLIMIT_NOFILE, &limit);
              const std::string text = file_text("/proc/self/limits");
              const size_t at = text.find("Max open files");
              if (at == std::string::npos) return 1;
              unsigned soft = 0, hard = 0;
              return sscanf(text.c_str() + at, "Max open files %u %u files", &soft, &hard) == 2 &&
                             soft == 33 && hard == 44
                         ? kGood
                         : 2;
            }),
            kGood);
}

TEST(Priority, NiceValuesAddUp) {
  EXPECT_EQ(result_of([] {
              errno = 0;
              if (nice(3) != 3 || getpriority(PRIO_PROCESS, 0) != 3) return 1;
              if (setpriority(PRIO_PROCESS, 0, 100) != 0 || getpriority(PRIO_PROCESS, 0) != 19)
                return 2;
              if (stat_field(getpid(), 19) != "19") return 3;
              return result_of([] { return getpriority(PRIO_PROCESS, 0) == 19 ? kGood : 1; });
            }),
            kGood);
}

TEST(Priority, WithoutPrivilegesItOnlySinks) {
  EXPECT_EQ(result_of([] {
              const rlimit none = {0, 0};
              setrlimit(RLIMIT_NICE, &none);
              if (setpriority(PRIO_PROCESS, 0, 5) != 0 || setresuid(1234, 1234, 1234) != 0)
                return 1;
              if (setpriority(PRIO_PROCESS, 0, 4) != -1 || errno != EACCES) return 2;
              return setpriority(PRIO_PROCESS, 0, 6) == 0 ? kGood : 3;
            }),
            kGood);
}

TEST(Priority, Errors) {
  EXPECT_ERRNO(EINVAL, setpriority(static_cast<__priority_which>(7), 0, 0));
  EXPECT_ERRNO(ESRCH, setpriority(PRIO_PROCESS, 999999, 0));
  errno = 0;
  EXPECT_EQ(getpriority(PRIO_PROCESS, 999999), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(Usage, CountsFaultsAndTime) {
  rusage before, after;
  ASSERT_OK(getrusage(RUSAGE_SELF, &before));
  auto* const pages = static_cast<char*>(
      mmap(nullptr, 64 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  madvise(pages, 64 * kPage, MADV_NOHUGEPAGE);
  for (size_t i = 0; i < 64; ++i) pages[i * kPage] = 1;
  ASSERT_OK(getrusage(RUSAGE_SELF, &after));
  munmap(pages, 64 * kPage);
  EXPECT_GE(after.ru_minflt, before.ru_minflt + 64 / 16) << "neighbours may come with one fault";
  EXPECT_GT(after.ru_maxrss, 0);
  rusage thread;
  EXPECT_OK(getrusage(RUSAGE_THREAD, &thread));
  EXPECT_LE(thread.ru_utime.tv_sec, after.ru_utime.tv_sec + 1);
  EXPECT_ERRNO(EINVAL, getrusage(static_cast<__rusage_who>(5), &thread));
}

}  // namespace
}  // namespace compat
