// Mounts that have descriptors: fsopen(2), fsconfig(2), fsmount(2), move_mount(2), open_tree(2),
// fspick(2), mount_setattr(2); and what /proc/self/mounts says.
#include <dirent.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <vector>

#include "compat_tests/common/expect.h"
#include "compat_tests/common/files.h"

// <sys/mount.h> and <linux/mount.h> can't be had together with every C library.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*);
extern "C" int umount2(const char*, int);

namespace compat {
namespace {

constexpr unsigned long kPrivate = 1 << 18, kRecursive = 0x4000, kReadOnly = 1, kRemount = 32;
constexpr int kDetach = 2;

int fs_open(const char* type, unsigned flags = 0) {
  return int(syscall(SYS_fsopen, type, flags));
}
int fs_config(int fd, unsigned command, const char* key, const void* value, int extra = 0) {
  return int(syscall(SYS_fsconfig, fd, command, key, value, extra));
}
int fs_mount(int fd, unsigned flags = 0, unsigned attributes = 0) {
  return int(syscall(SYS_fsmount, fd, flags, attributes));
}
int move(int from, const char* from_path, int to, const std::string& to_path, unsigned flags) {
  return int(syscall(SYS_move_mount, from, from_path, to, to_path.c_str(), flags));
}
int tree(const std::string& path, unsigned flags) {
  return int(syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags));
}
int set_attributes(int fd, const std::string& path, unsigned flags, mount_attr attributes) {
  return int(syscall(SYS_mount_setattr, fd, path.c_str(), flags, &attributes, sizeof attributes));
}

class Mounts : public testing::Test {
 protected:
  void SetUp() override {
    // On Linux in a name space of our own; Narwhal has but one, which nobody else uses.
    static const bool alone = [] {
      if (unshare(CLONE_NEWNS) != 0) return errno == EINVAL;
      return mount("none", "/", nullptr, kRecursive | kPrivate, nullptr) == 0;
    }();
    if (!alone || geteuid() != 0) GTEST_SKIP() << "no right to mount";
    if (syscall(SYS_fsopen, nullptr, ~0u) < 0 && errno == ENOSYS) GTEST_SKIP() << "before 5.2";
    ASSERT_OK(mkdir(at_.c_str(), 0755));
    ASSERT_OK(mkdir(other_.c_str(), 0755));
  }
  void TearDown() override {
    while (umount2(at_.c_str(), kDetach) == 0) {
    }
    while (umount2(other_.c_str(), kDetach) == 0) {
    }
  }
  // A tmpfs that has no place yet.
  int fresh(unsigned attributes = 0) {
    Fd context(fs_open("tmpfs"));
    EXPECT_OK(fs_config(context, FSCONFIG_SET_STRING, "source", "whale"));
    EXPECT_OK(fs_config(context, FSCONFIG_CMD_CREATE, nullptr, nullptr));
    return fs_mount(context, 0, attributes);
  }
  // The line of /proc/self/mounts about a place; empty when there is none.
  static std::string line_of(const std::string& place) {
    const std::string text = read_file("/proc/self/mounts");
    std::string found;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      if (line.find(" " + place + " ") != std::string::npos) found = line;
      at = end + 1;
    }
    return found;
  }

  TempDir dir_;
  const std::string at_ = dir_ / "at", other_ = dir_ / "other";
};

TEST_F(Mounts, MadeByParts) {
  Fd context(fs_open("tmpfs", FSOPEN_CLOEXEC));
  ASSERT_OK(context);
  EXPECT_EQ(FD_CLOEXEC, fcntl(context, F_GETFD));
  EXPECT_OK(fs_config(context, FSCONFIG_SET_STRING, "source", "whale"));
  EXPECT_OK(fs_config(context, FSCONFIG_SET_STRING, "mode", "0700"));
  EXPECT_OK(fs_config(context, FSCONFIG_SET_FLAG, "rw", nullptr));
  EXPECT_ERRNO(EINVAL, fs_mount(context));
  EXPECT_OK(fs_config(context, FSCONFIG_CMD_CREATE, nullptr, nullptr));
  EXPECT_ERRNO(EBUSY, fs_config(context, FSCONFIG_CMD_CREATE, nullptr, nullptr));
  EXPECT_ERRNO(EBUSY, fs_config(context, FSCONFIG_SET_FLAG, "ro", nullptr));
  Fd root(fs_mount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
  ASSERT_OK(root);
  EXPECT_ERRNO(EBUSY, fs_mount(context));
  EXPECT_EQ("", line_of(at_));
  // It can be used before it has a place.
  EXPECT_OK(mkdirat(root, "inside", 0755));
  EXPECT_OK(move(root, "", AT_FDCWD, at_, MOVE_MOUNT_F_EMPTY_PATH));
  EXPECT_OK(access((at_ + "/inside").c_str(), F_OK));
  struct stat st;
  EXPECT_OK(stat(at_.c_str(), &st));
  EXPECT_EQ(S_IFDIR | 0700u, st.st_mode);
  EXPECT_EQ(0u, line_of(at_).find("whale " + at_ + " tmpfs rw,nodev,relatime"));
  // The file system is what the context is about; its mount may go.
  root = Fd();
  EXPECT_OK(umount2(at_.c_str(), 0));
}

TEST_F(Mounts, WrongParts) {
  EXPECT_ERRNO(ENODEV, fs_open("no such type"));
  EXPECT_ERRNO(EINVAL, fs_open("tmpfs", 2));
  EXPECT_ERRNO(EFAULT, fs_open(bad_pointer<char>()));
  Fd context(fs_open("tmpfs"));
  EXPECT_ERRNO(EINVAL, fs_config(-1, FSCONFIG_SET_FLAG, "rw", nullptr));
  EXPECT_ERRNO(EBADF, fs_config(1000, FSCONFIG_SET_FLAG, "rw", nullptr));
  Fd file(open("/dev/null", O_RDONLY));
  EXPECT_ERRNO(EINVAL, fs_config(file, FSCONFIG_SET_FLAG, "rw", nullptr));
  EXPECT_ERRNO(EOPNOTSUPP, fs_config(context, 100, "rw", nullptr));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_FLAG, nullptr, nullptr));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_FLAG, "rw", "value"));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_STRING, "mode", nullptr));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_STRING, "mode", "whale"));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_STRING, "whale", "1"));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_BINARY, "mode", "x", 0));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_FD, "mode", nullptr, -1));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_CMD_CREATE, "mode", nullptr));
  EXPECT_ERRNO(EBUSY, fs_config(context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr));
  EXPECT_OK(fs_config(context, FSCONFIG_SET_STRING, "source", "one"));
  EXPECT_ERRNO(EINVAL, fs_config(context, FSCONFIG_SET_STRING, "source", "two"));
  EXPECT_ERRNO(EINVAL, fs_mount(context, 2));
  EXPECT_ERRNO(EINVAL, fs_mount(context, 0, 0x100));
  EXPECT_ERRNO(EINVAL, fs_mount(file));
  EXPECT_ERRNO(EBADF, fs_mount(1000));
}

TEST_F(Mounts, MoveFailures) {
  Fd root(fresh());
  ASSERT_OK(root);
  EXPECT_ERRNO(EINVAL, move(root, "", AT_FDCWD, at_, 8));
  EXPECT_ERRNO(ENOENT, move(root, "", AT_FDCWD, at_, 0));
  EXPECT_ERRNO(ENOENT, move(root, "nothing", AT_FDCWD, at_, 0));
  EXPECT_ERRNO(ENOENT, move(root, "", AT_FDCWD, at_ + "/none", MOVE_MOUNT_F_EMPTY_PATH));
  EXPECT_ERRNO(EBADF, move(1000, "", AT_FDCWD, at_, MOVE_MOUNT_F_EMPTY_PATH));
  ASSERT_OK(mkdirat(root, "inside", 0755));
  EXPECT_ERRNO(EINVAL, move(root, "inside", AT_FDCWD, at_, 0));
  Fd file(open((dir_ / "file").c_str(), O_CREAT | O_RDWR, 0600));
  EXPECT_ERRNO(EINVAL, move(root, "", AT_FDCWD, dir_ / "file", MOVE_MOUNT_F_EMPTY_PATH));
}

TEST_F(Mounts, TakenAwayStaysAway) {
  Fd root(fresh());
  ASSERT_OK(move(root, "", AT_FDCWD, at_, MOVE_MOUNT_F_EMPTY_PATH));
  ASSERT_OK(umount2(at_.c_str(), kDetach));
  EXPECT_ERRNO(EINVAL, move(root, "", AT_FDCWD, at_, MOVE_MOUNT_F_EMPTY_PATH));
}

TEST_F(Mounts, ClonedTree) {
  ASSERT_OK(mount("whale", at_.c_str(), "tmpfs", 0, nullptr));
  ASSERT_OK(mkdir((at_ + "/inside").c_str(), 0755));
  Fd clone(tree(at_, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  ASSERT_OK(clone);
  EXPECT_OK(move(clone, "", AT_FDCWD, other_, MOVE_MOUNT_F_EMPTY_PATH));
  EXPECT_OK(access((other_ + "/inside").c_str(), F_OK));
  EXPECT_EQ(0u, line_of(other_).find("whale "));
  // Without OPEN_TREE_CLONE it is the place itself, as O_PATH opens it.
  Fd place(tree(at_, 0));
  EXPECT_OK(faccessat(place, "inside", F_OK, 0));
  EXPECT_ERRNO(EBADF, fsync(place));
  EXPECT_ERRNO(EINVAL, tree(at_, 0xffffffff));
  EXPECT_ERRNO(EINVAL, tree(at_, 0x8000));
  EXPECT_ERRNO(ENOENT, tree(at_ + "/none", OPEN_TREE_CLONE));
}

TEST_F(Mounts, Attributes) {
  Fd root(fresh(MOUNT_ATTR_NOATIME));
  ASSERT_OK(root);
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
  EXPECT_OK(set_attributes(root, "", AT_EMPTY_PATH, attributes));
  EXPECT_OK(move(root, "", AT_FDCWD, at_, MOVE_MOUNT_F_EMPTY_PATH));
  struct statvfs status;
  EXPECT_OK(statvfs(at_.c_str(), &status));
  EXPECT_EQ(unsigned(ST_RDONLY | ST_NOSUID | ST_NOATIME),
            status.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOATIME));
  EXPECT_ERRNO(EROFS, mkdir((at_ + "/x").c_str(), 0755));
  attributes = {};
  attributes.attr_clr = MOUNT_ATTR_RDONLY;
  EXPECT_OK(set_attributes(AT_FDCWD, at_, 0, attributes));
  EXPECT_OK(mkdir((at_ + "/x").c_str(), 0755));
  // How times of access are kept is one choice of several: it is changed as a whole.
  attributes.attr_clr = MOUNT_ATTR_NOATIME;
  EXPECT_ERRNO(EINVAL, set_attributes(AT_FDCWD, at_, 0, attributes));
  attributes.attr_clr = MOUNT_ATTR__ATIME;
  attributes.attr_set = MOUNT_ATTR_STRICTATIME;
  EXPECT_OK(set_attributes(AT_FDCWD, at_, 0, attributes));
  EXPECT_EQ(0u, line_of(at_).find("whale " + at_ + " tmpfs rw,nosuid"));
  EXPECT_EQ(std::string::npos, line_of(at_).find("noatime"));
  attributes = {};
  attributes.attr_set = 0x100;
  EXPECT_ERRNO(EINVAL, set_attributes(AT_FDCWD, at_, 0, attributes));
  attributes.attr_set = MOUNT_ATTR_NODEV;
  EXPECT_ERRNO(EINVAL, set_attributes(AT_FDCWD, at_ + "/x", 0, attributes));
  EXPECT_ERRNO(EINVAL, syscall(SYS_mount_setattr, AT_FDCWD, at_.c_str(), 0, &attributes, 8));
}

TEST_F(Mounts, Picked) {
  ASSERT_OK(mount("whale", at_.c_str(), "tmpfs", 0, nullptr));
  Fd context(int(syscall(SYS_fspick, AT_FDCWD, at_.c_str(), FSPICK_CLOEXEC)));
  ASSERT_OK(context);
  EXPECT_OK(fs_config(context, FSCONFIG_SET_FLAG, "ro", nullptr));
  EXPECT_OK(fs_config(context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr));
  EXPECT_ERRNO(EROFS, mkdir((at_ + "/x").c_str(), 0755));
  EXPECT_OK(fs_config(context, FSCONFIG_SET_FLAG, "rw", nullptr));
  EXPECT_OK(fs_config(context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr));
  EXPECT_OK(mkdir((at_ + "/x").c_str(), 0755));
  // It is the file system that can't be written to, by none of its mounts.
  ASSERT_OK(mount(at_.c_str(), other_.c_str(), nullptr, 0x1000, nullptr));
  EXPECT_OK(fs_config(context, FSCONFIG_SET_FLAG, "ro", nullptr));
  EXPECT_OK(fs_config(context, FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr));
  EXPECT_ERRNO(EROFS, mkdir((other_ + "/y").c_str(), 0755));
  EXPECT_ERRNO(EINVAL, syscall(SYS_fspick, AT_FDCWD, (at_ + "/x").c_str(), 0));
  EXPECT_ERRNO(EINVAL, syscall(SYS_fspick, AT_FDCWD, at_.c_str(), 0x10));
  EXPECT_ERRNO(ENOENT, syscall(SYS_fspick, AT_FDCWD, (at_ + "/none").c_str(), 0));
}

TEST_F(Mounts, Beneath) {
  ASSERT_OK(mount("top", at_.c_str(), "tmpfs", 0, nullptr));
  ASSERT_OK(mkdir((at_ + "/top").c_str(), 0755));
  Fd root(fresh());
  ASSERT_OK(mkdirat(root, "beneath", 0755));
  constexpr unsigned kBeneath = 0x200;
  if (move(root, "", AT_FDCWD, at_, MOVE_MOUNT_F_EMPTY_PATH | kBeneath) != 0)
    GTEST_SKIP() << "before Linux 6.5";
  root = Fd();
  EXPECT_OK(access((at_ + "/top").c_str(), F_OK));
  ASSERT_OK(umount2(at_.c_str(), 0));
  EXPECT_OK(access((at_ + "/beneath").c_str(), F_OK));
  Fd other(fresh());
  EXPECT_ERRNO(EINVAL, move(other, "", AT_FDCWD, other_, MOVE_MOUNT_F_EMPTY_PATH | kBeneath));
}

// statmount(2) and listmount(2), since Linux 6.8.
struct Request {
  uint32_t size = 24, spare = 0;
  uint64_t mount = 0, parameter = 0;
};
struct Answer {
  uint32_t size, spare1;
  uint64_t mask;
  uint32_t major, minor;
  uint64_t magic;
  uint32_t flags, type;
  uint64_t mount, parent;
  uint32_t old_mount, old_parent;
  uint64_t attributes, propagation, peer_group, master, propagate_from;
  uint32_t root, point;
  uint64_t spare2[50];
  char text[512];
};
constexpr uint64_t kListFromRoot = ~uint64_t{0};

long stat_mount(uint64_t mount, uint64_t mask, Answer* answer, size_t size = sizeof(Answer)) {
  Request request;
  request.mount = mount;
  request.parameter = mask;
  return syscall(457, &request, answer, size, 0);
}
std::vector<uint64_t> list_mounts(uint64_t mount, uint64_t after = 0, size_t limit = 1000) {
  Request request;
  request.mount = mount;
  request.parameter = after;
  std::vector<uint64_t> ids(limit);
  const long count = syscall(458, &request, ids.data(), ids.size(), 0);
  EXPECT_OK(count);
  ids.resize(count < 0 ? 0 : size_t(count));
  return ids;
}
uint64_t number_of(const std::string& place, unsigned mask) {
  struct statx status{};
  EXPECT_OK(statx(AT_FDCWD, place.c_str(), 0, mask, &status));
  EXPECT_NE(0u, status.stx_mask & mask);
  return status.stx_mnt_id;
}

class MountQuery : public Mounts {
 protected:
  void SetUp() override {
    Mounts::SetUp();
    if (IsSkipped()) return;
    if (syscall(457, nullptr, nullptr, 0, 0) < 0 && errno == ENOSYS) GTEST_SKIP() << "before 6.8";
    ASSERT_OK(mount("whale", at_.c_str(), "tmpfs", kReadOnly | 8, nullptr));
    unique_ = number_of(at_, 0x4000);
  }
  uint64_t unique_ = 0;
};

TEST_F(MountQuery, Basics) {
  Answer answer{};
  ASSERT_OK(stat_mount(unique_, 3, &answer));
  EXPECT_EQ(3u, answer.mask);
  EXPECT_EQ(512u, answer.size);
  EXPECT_EQ(unique_, answer.mount);
  EXPECT_EQ(number_of(at_, 0x1000), answer.old_mount);
  EXPECT_EQ(number_of(dir_ / ".", 0x4000), answer.parent);
  EXPECT_EQ(uint64_t(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC), answer.attributes);
  EXPECT_EQ(1u, answer.flags);
  EXPECT_EQ(0x01021994u, answer.magic);
  struct stat st;
  ASSERT_OK(stat(at_.c_str(), &st));
  EXPECT_EQ(gnu_dev_minor(st.st_dev), answer.minor);
}

TEST_F(MountQuery, Texts) {
  Answer answer{};
  ASSERT_OK(stat_mount(unique_, 0x38, &answer));
  EXPECT_EQ(0x38u, answer.mask);
  EXPECT_STREQ("/", answer.text + answer.root);
  EXPECT_EQ(at_, answer.text + answer.point);
  EXPECT_STREQ("tmpfs", answer.text + answer.type);
  EXPECT_ERRNO(EOVERFLOW, stat_mount(unique_, 0x20, &answer, 512));
}

TEST_F(MountQuery, Refused) {
  Answer answer{};
  EXPECT_ERRNO(ENOENT, stat_mount(unique_ + 1'000'000, 0, &answer));
  EXPECT_ERRNO(EINVAL, stat_mount(1, 0, &answer));
  Request request;
  request.mount = unique_;
  EXPECT_ERRNO(EINVAL, syscall(457, &request, &answer, sizeof answer, 1));
  EXPECT_ERRNO(EFAULT, syscall(457, &request, bad_pointer<Answer>(), sizeof answer, 0));
  request.size = 16;
  EXPECT_ERRNO(EINVAL, syscall(457, &request, &answer, sizeof answer, 0));
  EXPECT_ERRNO(EFAULT, syscall(458, bad_pointer<Request>(), &answer, 1, 0));
}

TEST_F(MountQuery, Lists) {
  ASSERT_OK(mount(at_.c_str(), other_.c_str(), nullptr, 0x1000, nullptr));
  const uint64_t second = number_of(other_, 0x4000);
  const auto all = list_mounts(kListFromRoot);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(1, std::count(all.begin(), all.end(), unique_));
  EXPECT_EQ(1, std::count(all.begin(), all.end(), second));
  EXPECT_EQ(std::vector<uint64_t>{second}, list_mounts(kListFromRoot, unique_, 1));
  // Below a mount without mounts there is nothing.
  EXPECT_TRUE(list_mounts(unique_).empty());
}

TEST_F(Mounts, TimesOfAccess) {
  const auto accessed = [](const std::string& path) {
    struct stat st{};
    EXPECT_OK(stat(path.c_str(), &st));
    return st.st_atim;
  };
  // Whether a second reading moves the time: it is young then, and nothing was changed since.
  const auto read_moves = [&](const std::string& path) {
    const auto read_it = [&] {
      if (DIR* directory = opendir(path.c_str())) {
        readdir(directory);
        closedir(directory);
      } else {
        read_file(path);
      }
    };
    usleep(20'000);
    read_it();
    const timespec before = accessed(path);
    usleep(20'000);
    read_it();
    const timespec after = accessed(path);
    return after.tv_sec != before.tv_sec || after.tv_nsec != before.tv_nsec;
  };
  constexpr unsigned long kNoAccess = 1 << 10, kNoDirectoryAccess = 1 << 11, kStrict = 1 << 24;
  for (const unsigned long flags : {0ul, kNoAccess, kStrict, kStrict | kNoDirectoryAccess}) {
    SCOPED_TRACE(flags);
    ASSERT_OK(mount("whale", at_.c_str(), "tmpfs", flags, nullptr));
    ASSERT_OK(mkdir((at_ + "/directory").c_str(), 0755));
    Fd file(open((at_ + "/file").c_str(), O_CREAT | O_RDWR, 0600));
    ASSERT_EQ(1, write(file, "x", 1));
    EXPECT_EQ(bool(flags & kStrict), read_moves(at_ + "/file"));
    EXPECT_EQ(flags == kStrict, read_moves(at_ + "/directory"));
    ASSERT_OK(umount2(at_.c_str(), kDetach));
  }
}

// poll(2) on the list of mounts tells of each change, once.
TEST_F(Mounts, ChangesCanBePolled) {
  for (const char* name : {"/proc/self/mounts", "/proc/self/mountinfo"}) {
    Fd list(open(name, O_RDONLY));
    const auto events = [&] {
      pollfd polled{list, POLLPRI, 0};
      EXPECT_LE(0, poll(&polled, 1, 0));
      return polled.revents;
    };
    EXPECT_EQ(0, events());
    ASSERT_OK(mount("whale", at_.c_str(), "tmpfs", 0, nullptr));
    EXPECT_EQ(POLLPRI | POLLERR, events());
    EXPECT_EQ(0, events());
    Fd epoll(epoll_create1(0));
    epoll_event wanted{EPOLLPRI, {}}, got{};
    ASSERT_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, list, &wanted));
    ASSERT_OK(umount2(at_.c_str(), 0));
    EXPECT_EQ(1, epoll_wait(epoll, &got, 1, 0));
    EXPECT_EQ(0, epoll_wait(epoll, &got, 1, 0));
  }
}

// MNT_EXPIRE: twice without a use in between.
TEST_F(Mounts, Expires) {
  constexpr int kExpire = 4, kForce = 1;
  ASSERT_OK(mount("whale", at_.c_str(), "tmpfs", 0, nullptr));
  EXPECT_ERRNO(EINVAL, umount2(at_.c_str(), kExpire | kForce));
  EXPECT_ERRNO(EINVAL, umount2(at_.c_str(), kExpire | kDetach));
  {
    Fd inside(open(at_.c_str(), O_RDONLY));
    EXPECT_ERRNO(EBUSY, umount2(at_.c_str(), kExpire));
  }
  EXPECT_ERRNO(EAGAIN, umount2(at_.c_str(), kExpire));
  EXPECT_OK(access(at_.c_str(), F_OK));
  EXPECT_ERRNO(EAGAIN, umount2(at_.c_str(), kExpire));
  EXPECT_OK(umount2(at_.c_str(), kExpire));
  EXPECT_EQ("", line_of(at_));
}

TEST_F(Mounts, NotUponALink) {
  Fd file(open((dir_ / "file").c_str(), O_CREAT | O_RDWR, 0600));
  const std::string link = "/proc/self/fd/" + std::to_string(int(file));
  Fd place(open(link.c_str(), O_PATH | O_NOFOLLOW));
  ASSERT_OK(place);
  const std::string at = "/proc/self/fd/" + std::to_string(int(place));
  EXPECT_ERRNO(ENOENT, mount((dir_ / "file").c_str(), at.c_str(), "", 0x1000, nullptr));
}

// df(1) and its like leave out what is called "rootfs".
TEST_F(Mounts, RootIsListed) {
  EXPECT_NE("", line_of("/"));
  EXPECT_EQ(std::string::npos, line_of("/").find("rootfs"));
}

TEST_F(Mounts, SourceIsShown) {
  ASSERT_OK(mount("a whale", at_.c_str(), "tmpfs", kReadOnly, "mode=0750"));
  EXPECT_EQ(0u, line_of(at_).find("a\\040whale " + at_ + " tmpfs ro,relatime"));
  EXPECT_OK(mount("other", at_.c_str(), "tmpfs", kRemount, nullptr));
  EXPECT_EQ(0u, line_of(at_).find("a\\040whale " + at_ + " tmpfs rw,relatime"));
}

}  // namespace
}  // namespace compat
