// inotify(7).
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"
#include "compat_tests/common/signals.h"

namespace compat {
namespace {

struct Event {
  int watch;
  uint32_t mask;
  uint32_t cookie;
  std::string name;
};

class Inotify : public testing::Test {
 protected:
  Inotify() : fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) { EXPECT_OK(fd); }

  int watch(const std::string& path, uint32_t mask) {
    const int result = inotify_add_watch(fd, path.c_str(), mask);
    EXPECT_OK(result);
    return result;
  }
  // All events that have been queued.
  std::vector<Event> events() {
    std::vector<Event> result;
    alignas(inotify_event) char buffer[4096];
    ssize_t size;
    while ((size = read(fd, buffer, sizeof buffer)) > 0) {
      for (ssize_t at = 0; at < size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        result.push_back({event->wd, event->mask, event->cookie,
                          event->len > 0 ? std::string(event->name) : std::string()});
        at += static_cast<ssize_t>(sizeof *event + event->len);
      }
    }
    EXPECT_EQ(EAGAIN, errno);
    return result;
  }
  // The events as text: "mask:name mask:name".
  std::string event_text() {
    static constexpr struct {
      uint32_t mask;
      const char* name;
    } kNames[] = {{IN_ACCESS, "access"},       {IN_MODIFY, "modify"},
                  {IN_ATTRIB, "attrib"},       {IN_CLOSE_WRITE, "close_write"},
                  {IN_OPEN, "open"},           {IN_CLOSE_NOWRITE, "close_nowrite"},
                  {IN_MOVED_FROM, "from"},     {IN_MOVED_TO, "to"},
                  {IN_CREATE, "create"},       {IN_DELETE, "delete"},
                  {IN_DELETE_SELF, "deleted"}, {IN_MOVE_SELF, "moved"},
                  {IN_IGNORED, "ignored"},     {IN_ISDIR, "dir"},
                  {IN_Q_OVERFLOW, "overflow"}};
    std::string text;
    for (const Event& event : events()) {
      if (!text.empty()) text += ' ';
      std::string mask;
      for (const auto& [bit, name] : kNames) {
        if (event.mask & bit) mask += (mask.empty() ? "" : "|") + std::string(name);
      }
      text += mask;
      if (!event.name.empty()) text += ":" + event.name;
    }
    return text;
  }

  TempDir dir;
  Fd fd;
};

TEST_F(Inotify, CreateAndDelete) {
  watch(dir.path(), IN_CREATE | IN_DELETE);
  write_file(dir / "file", "x");
  ASSERT_OK(mkdir((dir / "sub").c_str(), 0755));
  ASSERT_OK(unlink((dir / "file").c_str()));
  ASSERT_OK(rmdir((dir / "sub").c_str()));
  EXPECT_EQ("create:file create|dir:sub delete:file delete|dir:sub", event_text());
}

TEST_F(Inotify, LifeOfAFile) {
  write_file(dir / "file", "");
  watch(dir / "file", IN_ALL_EVENTS);
  Fd file(open((dir / "file").c_str(), O_RDWR));
  ASSERT_EQ(1, write(file, "x", 1));
  char byte;
  ASSERT_EQ(1, pread(file, &byte, 1, 0));
  file.reset();
  EXPECT_EQ("open modify access close_write", event_text());
  Fd reader(open((dir / "file").c_str(), O_RDONLY));
  reader.reset();
  EXPECT_EQ("open close_nowrite", event_text());
  ASSERT_OK(chmod((dir / "file").c_str(), 0600));
  EXPECT_EQ("attrib", event_text());
  ASSERT_OK(truncate((dir / "file").c_str(), 0));
  EXPECT_EQ("modify", event_text());
}

TEST_F(Inotify, DirectorySeesItsFiles) {
  write_file(dir / "file", "");
  watch(dir.path(), IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB);
  write_file(dir / "file", "x");
  ASSERT_OK(chmod((dir / "file").c_str(), 0600));
  EXPECT_EQ("modify:file close_write:file attrib:file", event_text());
}

TEST_F(Inotify, MovesShareACookie) {
  ASSERT_OK(mkdir((dir / "a").c_str(), 0755));
  ASSERT_OK(mkdir((dir / "b").c_str(), 0755));
  write_file(dir / "a/file", "");
  const int a = watch(dir / "a", IN_MOVE);
  const int b = watch(dir / "b", IN_MOVE);
  ASSERT_OK(rename((dir / "a/file").c_str(), (dir / "b/new").c_str()));
  const std::vector<Event> found = events();
  ASSERT_EQ(2u, found.size());
  EXPECT_EQ(a, found[0].watch);
  EXPECT_EQ(static_cast<uint32_t>(IN_MOVED_FROM), found[0].mask);
  EXPECT_EQ("file", found[0].name);
  EXPECT_EQ(b, found[1].watch);
  EXPECT_EQ(static_cast<uint32_t>(IN_MOVED_TO), found[1].mask);
  EXPECT_EQ("new", found[1].name);
  EXPECT_NE(0u, found[0].cookie);
  EXPECT_EQ(found[0].cookie, found[1].cookie);
}

TEST_F(Inotify, WatchedFileGoesAway) {
  write_file(dir / "file", "");
  watch(dir / "file", IN_DELETE_SELF | IN_MOVE_SELF);
  ASSERT_OK(rename((dir / "file").c_str(), (dir / "new").c_str()));
  EXPECT_EQ("moved", event_text());
  ASSERT_OK(unlink((dir / "new").c_str()));
  EXPECT_EQ("deleted ignored", event_text());
}

TEST_F(Inotify, UnlinkedFileIsDeletedWhenItIsClosed) {
  write_file(dir / "file", "");
  Fd file(open((dir / "file").c_str(), O_RDONLY));
  watch(dir / "file", IN_DELETE_SELF | IN_ATTRIB);
  ASSERT_OK(unlink((dir / "file").c_str()));
  EXPECT_EQ("attrib", event_text());
  file.reset();
  EXPECT_EQ("deleted ignored", event_text());
}

// The directory in which an open file had its name is told of it still, unless it does not want to.
TEST_F(Inotify, DirectorySeesUnlinkedFiles) {
  for (const uint32_t flag : {0u, uint32_t(IN_EXCL_UNLINK)}) {
    Fd file(open((dir / "file").c_str(), O_CREAT | O_RDWR, 0600));
    ASSERT_OK(unlink((dir / "file").c_str()));
    const int number = watch(dir / ".", IN_MODIFY | flag);
    ASSERT_EQ(1, write(file, "x", 1));
    EXPECT_EQ(flag ? "" : "modify:file", event_text());
    ASSERT_OK(inotify_rm_watch(fd, number));
    events();
  }
}

// F_NOTIFY of fcntl(2), inotify's forerunner: a signal for what happens in a directory.
TEST_F(Inotify, ForerunnerSendsSignals) {
  constexpr int kSetSignal = 10, kNotify = 1026;
  constexpr unsigned kCreate = 4, kDelete = 8, kMultishot = 0x80000000;
  const int signal = SIGRTMIN + 3;
  Blocked blocked({signal});
  Fd directory(open((dir / ".").c_str(), O_RDONLY));
  ASSERT_OK(fcntl(directory, kSetSignal, signal));
  if (fcntl(directory, kNotify, kCreate) != 0) GTEST_SKIP() << "a kernel without it";
  const sigset_t set = set_of({signal});
  const auto next = [&] {
    siginfo_t info{};
    const timespec soon{0, 100'000'000};
    return sigtimedwait(&set, &info, &soon) == signal ? info.si_fd : -1;
  };
  EXPECT_OK(Fd(open((dir / "one").c_str(), O_CREAT | O_RDWR, 0600)));
  EXPECT_EQ(int(directory), next());
  // Once is all, unless it was asked for more.
  EXPECT_OK(Fd(open((dir / "two").c_str(), O_CREAT | O_RDWR, 0600)));
  EXPECT_EQ(-1, next());
  ASSERT_OK(fcntl(directory, kNotify, kDelete | kMultishot));
  EXPECT_OK(unlink((dir / "one").c_str()));
  EXPECT_EQ(int(directory), next());
  EXPECT_OK(unlink((dir / "two").c_str()));
  EXPECT_EQ(int(directory), next());
  // A new name in the same directory, and no other, is a renaming.
  constexpr unsigned kRename = 0x10, kAttributes = 0x20;
  EXPECT_OK(fcntl(directory, kNotify, 0));
  ASSERT_OK(fcntl(directory, kNotify, kRename | kMultishot));
  ASSERT_OK(mkdir((dir / "below").c_str(), 0755));
  EXPECT_OK(Fd(open((dir / "one").c_str(), O_CREAT | O_RDWR, 0600)));
  EXPECT_OK(rename((dir / "one").c_str(), (dir / "below/one").c_str()));
  EXPECT_EQ(-1, next());
  EXPECT_OK(rename((dir / "below").c_str(), (dir / "under").c_str()));
  EXPECT_EQ(int(directory), next());
  EXPECT_OK(unlink((dir / "under/one").c_str()));
  EXPECT_OK(rmdir((dir / "under").c_str()));
  // The directory's own attributes count as well as its files'.
  EXPECT_OK(fcntl(directory, kNotify, 0));
  ASSERT_OK(fcntl(directory, kNotify, kAttributes));
  EXPECT_OK(chmod((dir / ".").c_str(), 0755));
  EXPECT_EQ(int(directory), next());
  EXPECT_OK(fcntl(directory, kNotify, 0));
  EXPECT_OK(Fd(open((dir / "one").c_str(), O_CREAT | O_RDWR, 0600)));
  EXPECT_OK(unlink((dir / "one").c_str()));
  EXPECT_EQ(-1, next());
  Fd file(open((dir / "one").c_str(), O_CREAT | O_RDWR, 0600));
  EXPECT_ERRNO(ENOTDIR, fcntl(file, kNotify, kCreate));
}

TEST(InotifyLimits, CanBeSet) {
  for (const char* name : {"max_user_instances", "max_user_watches", "max_queued_events"}) {
    const std::string path = std::string("/proc/sys/fs/inotify/") + name;
    const std::string before = read_file(path);
    EXPECT_LT(0, atoi(before.c_str()));
    Fd file(open(path.c_str(), O_WRONLY));
    if (file < 0) GTEST_SKIP() << "no right to set limits";
    EXPECT_EQ(ssize_t(before.size()), write(file, before.data(), before.size()));
    EXPECT_ERRNO(EINVAL, pwrite(file, "whale", 5, 0));
  }
}

TEST_F(Inotify, RemoveWatch) {
  const int number = watch(dir.path(), IN_CREATE);
  ASSERT_OK(inotify_rm_watch(fd, number));
  EXPECT_EQ("ignored", event_text());
  write_file(dir / "file", "");
  EXPECT_EQ("", event_text());
  EXPECT_ERRNO(EINVAL, inotify_rm_watch(fd, number));
}

TEST_F(Inotify, OneShot) {
  watch(dir.path(), IN_CREATE | IN_ONESHOT);
  write_file(dir / "one", "");
  write_file(dir / "two", "");
  EXPECT_EQ("create:one ignored", event_text());
}

TEST_F(Inotify, SameFileSameWatch) {
  const int first = watch(dir.path(), IN_CREATE);
  EXPECT_EQ(first, watch(dir.path(), IN_DELETE));
  write_file(dir / "file", "");
  EXPECT_EQ("", event_text());
  EXPECT_EQ(first, watch(dir.path(), IN_CREATE | IN_MASK_ADD));
  ASSERT_OK(unlink((dir / "file").c_str()));
  write_file(dir / "file", "");
  EXPECT_EQ("delete:file create:file", event_text());
  EXPECT_ERRNO(EEXIST, inotify_add_watch(fd, dir.path().c_str(), IN_CREATE | IN_MASK_CREATE));
}

TEST_F(Inotify, EqualNeighboursMerge) {
  write_file(dir / "file", "");
  watch(dir / "file", IN_MODIFY);
  Fd file(open((dir / "file").c_str(), O_WRONLY));
  for (int i = 0; i < 5; ++i) ASSERT_EQ(1, write(file, "x", 1));
  EXPECT_EQ("modify", event_text());
}

TEST_F(Inotify, PollAndBytesQueued) {
  watch(dir.path(), IN_CREATE);
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  EXPECT_EQ(0, poll(&entry, 1, 0));
  write_file(dir / "file", "");
  EXPECT_EQ(1, poll(&entry, 1, 0));
  EXPECT_EQ(POLLIN, entry.revents);
  int size = 0;
  ASSERT_OK(ioctl(fd, FIONREAD, &size));
  // A name is padded with NULs, so that the next event is aligned.
  EXPECT_EQ(static_cast<int>(sizeof(inotify_event)) + 16, size);
  char small[sizeof(inotify_event)];
  EXPECT_ERRNO(EINVAL, read(fd, small, sizeof small));
}

TEST_F(Inotify, Errors) {
  write_file(dir / "file", "");
  EXPECT_ERRNO(EINVAL, inotify_init1(1));
  EXPECT_ERRNO(EINVAL, inotify_add_watch(fd, dir.path().c_str(), 0));
  EXPECT_ERRNO(ENOENT, inotify_add_watch(fd, (dir / "nothing").c_str(), IN_CREATE));
  EXPECT_ERRNO(ENOTDIR, inotify_add_watch(fd, (dir / "file").c_str(), IN_CREATE | IN_ONLYDIR));
  EXPECT_ERRNO(EBADF, inotify_add_watch(-1, dir.path().c_str(), IN_CREATE));
  Fd file(open((dir / "file").c_str(), O_RDONLY));
  EXPECT_ERRNO(EINVAL, inotify_add_watch(file, dir.path().c_str(), IN_CREATE));
  EXPECT_ERRNO(EINVAL, inotify_rm_watch(fd, 12345));
  EXPECT_ERRNO(EBADF, write(fd, "x", 1));
}

}  // namespace
}  // namespace compat
