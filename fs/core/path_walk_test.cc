// path_resolution(7), against what Linux answers.
#include "fs/core/path_walk.h"

#include "fs/testing/file_tree.h"

namespace narwhal {
namespace {

using testing::kOk;

class PathWalkTest : public testing::FileTree {
 protected:
  Errno open2(const Path& start, std::string_view path, ResolveFlags resolve,
              OpenFlags flags = OpenFlags::kReadOnly) {
    return vfs::open(actor(), start, path, flags, 0, resolve).error();
  }
};

TEST_F(PathWalkTest, Components) {
  ASSERT_EQ(mkdir("/a"), kOk);
  ASSERT_EQ(mkdir("/a/b"), kOk);
  ASSERT_EQ(touch("/a/b/file"), kOk);
  EXPECT_EQ(path_of("/a/b/file"), "/a/b/file");
  EXPECT_EQ(path_of("//a///b//file"), "/a/b/file");
  EXPECT_EQ(path_of("/a/./b/../b/file"), "/a/b/file");
  EXPECT_EQ(path_of("/../../a"), "/a");
  EXPECT_EQ(path_of("/a/b/"), "/a/b");
  EXPECT_EQ(path_of("/"), "/");
  EXPECT_EQ(path_of("////"), "/");
  EXPECT_EQ(find_error(""), Errno::kNoEnt);
  EXPECT_EQ(find_error("/a/none"), Errno::kNoEnt);
  EXPECT_EQ(find_error("/none/none"), Errno::kNoEnt);
  EXPECT_EQ(find_error("/a/b/file/"), Errno::kNotDir);
  EXPECT_EQ(find_error("/a/b/file/x"), Errno::kNotDir);
  EXPECT_EQ(find_error("/a/b/file/."), Errno::kNotDir);
  EXPECT_EQ(find_error("/a/b/file/.."), Errno::kNotDir);
  ASSERT_EQ(chdir("/a/b"), kOk);
  EXPECT_EQ(path_of("file"), "/a/b/file");
  EXPECT_EQ(path_of("../b/./file"), "/a/b/file");
  EXPECT_EQ(path_of(".."), "/a");
}

// Names of every length around the eight-byte steps of the hash, told apart by each of their bytes.
TEST_F(PathWalkTest, NamesOfAllLengths) {
  for (usize length = 1; length <= 40; ++length) {
    const std::string name(length, 'x');
    ASSERT_EQ(touch("/" + name), kOk) << length;
    for (usize i = 0; i < length; ++i) {
      std::string other = name;
      other[i] = 'y';
      EXPECT_EQ(find_error("/" + other), Errno::kNoEnt) << other;
      ASSERT_EQ(touch("/" + other), kOk);
      EXPECT_EQ(path_of("/" + other), "/" + other);
      EXPECT_EQ(path_of("/./" + other), "/" + other);
    }
  }
  EXPECT_EQ(list("/").size(), 40u + 40 * 41 / 2);
}

TEST_F(PathWalkTest, Limits) {
  const std::string longest(255, 'n');
  EXPECT_EQ(touch("/" + longest), kOk);
  EXPECT_EQ(path_of("/" + longest), "/" + longest);
  EXPECT_EQ(touch("/" + longest + "n"), Errno::kNameTooLong);
  EXPECT_EQ(find_error("/" + longest + "n"), Errno::kNameTooLong);
  EXPECT_EQ(mkdir("/" + longest + "n"), Errno::kNameTooLong);
  EXPECT_EQ(unlink("/" + longest + "n"), Errno::kNameTooLong);
  std::string path;
  while (path.size() < 4093) path += "/.";
  EXPECT_EQ(path_of(path), "/");
  while (path.size() < 4096) path += "/";
  EXPECT_EQ(find_error(path), Errno::kNameTooLong);
}

TEST_F(PathWalkTest, Symlinks) {
  ASSERT_EQ(mkdir("/dir"), kOk);
  ASSERT_EQ(mkdir("/dir/sub"), kOk);
  ASSERT_EQ(touch("/dir/file"), kOk);
  ASSERT_EQ(symlink("dir", "/rel"), kOk);
  ASSERT_EQ(symlink("/dir/sub/", "/abs"), kOk);
  ASSERT_EQ(symlink("../file", "/dir/sub/up"), kOk);
  ASSERT_EQ(symlink("none", "/dangling"), kOk);
  ASSERT_EQ(symlink("loop2", "/loop1"), kOk);
  ASSERT_EQ(symlink("loop1", "/loop2"), kOk);
  EXPECT_EQ(path_of("/rel/file"), "/dir/file");
  EXPECT_EQ(path_of("/abs/up"), "/dir/file");
  EXPECT_EQ(path_of("/rel/sub/up"), "/dir/file");
  EXPECT_EQ(path_of("/abs/../file"), "/dir/file");
  EXPECT_EQ(find_error("/dangling"), Errno::kNoEnt);
  EXPECT_EQ(find_error("/dangling", LookupFlags::kNone), kOk);
  EXPECT_EQ(find_error("/loop1"), Errno::kLoop);
  EXPECT_EQ(find_error("/loop1/x"), Errno::kLoop);
  // A slash behind makes the walk follow even where the last component is not to be followed.
  EXPECT_EQ(stat("/rel", LookupFlags::kNone).mode & kFileTypeMask, u32(FileType::kSymlink));
  EXPECT_EQ(stat("/rel/", LookupFlags::kNone).mode & kFileTypeMask, u32(FileType::kDirectory));
  EXPECT_EQ(open_error("/rel", OpenFlags::kNoFollow), Errno::kLoop);
  EXPECT_EQ(open_error("/rel", OpenFlags::kNoFollow | OpenFlags::kDirectory), Errno::kNotDir);
  EXPECT_EQ(open_error("/rel", OpenFlags::kNoFollow | OpenFlags::kPath), kOk);
  EXPECT_EQ(open_error("/rel/", OpenFlags::kNoFollow), kOk);
}

TEST_F(PathWalkTest, FortyLinksAndNoMore) {
  ASSERT_EQ(touch("/l0"), kOk);
  for (int i = 1; i <= 41; ++i)
    ASSERT_EQ(symlink("l" + std::to_string(i - 1), "/l" + std::to_string(i)), kOk);
  EXPECT_EQ(find_error("/l40"), kOk);
  EXPECT_EQ(find_error("/l41"), Errno::kLoop);
  // The same with paths that go on behind every link, so that all are open at once.
  ASSERT_EQ(mkdir("/d"), kOk);
  ASSERT_EQ(symlink("d", "/m1"), kOk);
  for (int i = 2; i <= 41; ++i)
    ASSERT_EQ(symlink("m" + std::to_string(i - 1) + "/.", "/m" + std::to_string(i)), kOk);
  EXPECT_EQ(path_of("/m40/."), "/d");
  EXPECT_EQ(find_error("/m41/."), Errno::kLoop);
}

TEST_F(PathWalkTest, SearchPermission) {
  ASSERT_EQ(mkdir("/open", 0711), kOk);
  ASSERT_EQ(mkdir("/closed", 0700), kOk);
  ASSERT_EQ(touch("/open/file"), kOk);
  ASSERT_EQ(touch("/closed/file"), kOk);
  become(1000, 1000);
  EXPECT_EQ(find_error("/open/file"), kOk);
  EXPECT_EQ(find_error("/closed/file"), Errno::kAcces);
  EXPECT_EQ(find_error("/closed/none"), Errno::kAcces);
  EXPECT_EQ(find_error("/closed"), kOk);
  EXPECT_EQ(find_error("/closed/."), Errno::kAcces);
  EXPECT_EQ(open_error("/open", OpenFlags::kDirectory), Errno::kAcces);
}

TEST_F(PathWalkTest, GroupsAndOwners) {
  ASSERT_EQ(touch("/file", 0640), kOk);
  ASSERT_EQ(chown("/file", 1, 50), kOk);
  become(1, 1);
  EXPECT_EQ(open_error("/file", OpenFlags::kReadWrite), kOk);
  become(2, 50);
  EXPECT_EQ(open_error("/file"), kOk);
  EXPECT_EQ(open_error("/file", OpenFlags::kWriteOnly), Errno::kAcces);
  become(2, 2, {7, 50});
  EXPECT_EQ(open_error("/file"), kOk);
  become(2, 2, {7});
  EXPECT_EQ(open_error("/file"), Errno::kAcces);
  // The first class that fits decides, even when a later one would allow.
  become_root();
  ASSERT_EQ(chmod("/file", 0077), kOk);
  become(1, 50);
  EXPECT_EQ(open_error("/file"), Errno::kAcces);
}

TEST_F(PathWalkTest, OpenFlagsOnKinds) {
  ASSERT_EQ(mkdir("/dir"), kOk);
  ASSERT_EQ(touch("/file"), kOk);
  ASSERT_EQ(symlink("file", "/link"), kOk);
  ASSERT_EQ(symlink("new", "/tonew"), kOk);
  EXPECT_EQ(open_error("/dir", OpenFlags::kWriteOnly), Errno::kIsDir);
  EXPECT_EQ(open_error("/dir", OpenFlags::kReadOnly | OpenFlags::kTruncate), Errno::kIsDir);
  EXPECT_EQ(open_error("/dir", OpenFlags::kCreate), Errno::kIsDir);
  EXPECT_EQ(open_error("/dir/", OpenFlags::kCreate), Errno::kIsDir);
  EXPECT_EQ(open_error("/none/", OpenFlags::kCreate), Errno::kIsDir);
  EXPECT_EQ(open_error("/", OpenFlags::kCreate), Errno::kIsDir);
  EXPECT_EQ(open_error("/.", OpenFlags::kCreate), Errno::kIsDir);
  EXPECT_EQ(open_error("/dir/..", OpenFlags::kCreate | OpenFlags::kExclusive), Errno::kExist);
  EXPECT_EQ(open_error("/file", OpenFlags::kDirectory), Errno::kNotDir);
  EXPECT_EQ(open_error("/file", OpenFlags::kCreate | OpenFlags::kExclusive), Errno::kExist);
  EXPECT_EQ(open_error("/link", OpenFlags::kCreate | OpenFlags::kExclusive), Errno::kExist);
  EXPECT_EQ(open_error("/tonew", OpenFlags::kCreate | OpenFlags::kExclusive), Errno::kExist);
  EXPECT_EQ(find_error("/new"), Errno::kNoEnt);
  EXPECT_EQ(open_error("/tonew", OpenFlags::kCreate | OpenFlags::kNoFollow), Errno::kLoop);
  EXPECT_EQ(open_error("/tonew", OpenFlags::kCreate | OpenFlags::kWriteOnly), kOk);
  EXPECT_EQ(find_error("/new"), kOk);
}

TEST_F(PathWalkTest, CreationModeAndUmask) {
  ASSERT_EQ(touch("/file", 0666), kOk);
  EXPECT_EQ(stat("/file").mode, u32(FileType::kRegular) | 0644u);
  ASSERT_EQ(mkdir("/dir", 01777), kOk);
  EXPECT_EQ(stat("/dir").mode, u32(FileType::kDirectory) | 01755u);
  // Opened for writing although its own mode forbids it: only the opener who makes it may.
  become(1000, 1000);
  EXPECT_EQ(touch("/mine"), Errno::kAcces);
  become_root();
  ASSERT_EQ(chmod("/", 0777), kOk);
  become(1000, 1000);
  EXPECT_EQ(open_error("/mine", OpenFlags::kCreate | OpenFlags::kReadWrite, 0), kOk);
  EXPECT_EQ(open_error("/mine", OpenFlags::kReadWrite), Errno::kAcces);
}

TEST_F(PathWalkTest, SetGroupIdDirectories) {
  ASSERT_EQ(mkdir("/shared"), kOk);
  ASSERT_EQ(chown("/shared", 0, 77), kOk);
  ASSERT_EQ(chmod("/shared", 02777), kOk);
  become(1000, 1000);
  ASSERT_EQ(touch("/shared/file"), kOk);
  ASSERT_EQ(mkdir("/shared/dir"), kOk);
  EXPECT_EQ(stat("/shared/file").gid, 77u);
  EXPECT_EQ(stat("/shared/dir").gid, 77u);
  EXPECT_EQ(stat("/shared/dir").mode & 07777, 02755u);
}

TEST_F(PathWalkTest, StickyDirectories) {
  ASSERT_EQ(mkdir("/tmp"), kOk);
  ASSERT_EQ(chmod("/tmp", 01777), kOk);
  become(1, 1);
  ASSERT_EQ(touch("/tmp/one"), kOk);
  become(2, 2);
  EXPECT_EQ(unlink("/tmp/one"), Errno::kPerm);
  EXPECT_EQ(rename("/tmp/one", "/tmp/two"), Errno::kPerm);
  ASSERT_EQ(touch("/tmp/mine"), kOk);
  EXPECT_EQ(rename("/tmp/mine", "/tmp/one"), Errno::kPerm);
  become(1, 1);
  EXPECT_EQ(unlink("/tmp/one"), kOk);
}

TEST_F(PathWalkTest, OpenatTwoResolveFlags) {
  ASSERT_EQ(mkdir("/jail"), kOk);
  ASSERT_EQ(mkdir("/jail/in"), kOk);
  ASSERT_EQ(touch("/jail/in/file"), kOk);
  ASSERT_EQ(touch("/file"), kOk);
  ASSERT_EQ(symlink("/file", "/jail/abs"), kOk);
  ASSERT_EQ(symlink("../file", "/jail/up"), kOk);
  ASSERT_EQ(symlink("in/file", "/jail/fine"), kOk);
  const Path jail = find("/jail").take();
  EXPECT_EQ(open2(jail, "in/file", ResolveFlags::kBeneath), kOk);
  EXPECT_EQ(open2(jail, "in/../in/file", ResolveFlags::kBeneath), kOk);
  EXPECT_EQ(open2(jail, "fine", ResolveFlags::kBeneath), kOk);
  EXPECT_EQ(open2(jail, "../file", ResolveFlags::kBeneath), Errno::kXDev);
  EXPECT_EQ(open2(jail, "/file", ResolveFlags::kBeneath), Errno::kXDev);
  EXPECT_EQ(open2(jail, "abs", ResolveFlags::kBeneath), Errno::kXDev);
  EXPECT_EQ(open2(jail, "up", ResolveFlags::kBeneath), Errno::kXDev);
  // In a root of its own, the same paths stay inside.
  EXPECT_EQ(open2(jail, "/in/file", ResolveFlags::kInRoot), kOk);
  EXPECT_EQ(open2(jail, "../../in/file", ResolveFlags::kInRoot), kOk);
  EXPECT_EQ(open2(jail, "abs", ResolveFlags::kInRoot), Errno::kNoEnt);
  EXPECT_EQ(open2(jail, "fine", ResolveFlags::kNoSymlinks), Errno::kLoop);
  EXPECT_EQ(open2(jail, "in/file", ResolveFlags::kNoSymlinks), kOk);
}

TEST_F(PathWalkTest, MountsAreCrossedBothWays) {
  ASSERT_EQ(mkdir("/mnt"), kOk);
  ASSERT_EQ(touch("/mnt/below"), kOk);
  const Path below = find("/mnt").take();
  TmpFs::Options options;
  ASSERT_TRUE(vfs::mount(actor(), "/mnt", TmpFs::create(options).take(), 0).ok());
  EXPECT_EQ(find_error("/mnt/below"), Errno::kNoEnt);
  ASSERT_EQ(touch("/mnt/above"), kOk);
  EXPECT_EQ(path_of("/mnt/above"), "/mnt/above");
  EXPECT_EQ(path_of("/mnt/.."), "/");
  EXPECT_EQ(path_of("/mnt/../mnt/above"), "/mnt/above");
  EXPECT_NE(stat("/mnt").device, stat("/").device);
  EXPECT_EQ(open2(Path(), "/mnt/above", ResolveFlags::kNoXdev), Errno::kXDev);
  // A name that a mount covers is busy, and links and renames stay in one mount.
  EXPECT_EQ(rmdir("/mnt"), Errno::kBusy);
  EXPECT_EQ(rename("/mnt", "/other"), Errno::kBusy);
  EXPECT_EQ(rename("/mnt/above", "/above"), Errno::kXDev);
  EXPECT_EQ(link("/mnt/above", "/above"), Errno::kXDev);
  {
    const Path inside = find("/mnt/above").take();
    EXPECT_EQ(vfs::unmount(actor(), "/mnt", vfs::Unmounting::kIfUnused, true).error(),
              Errno::kBusy);
  }
  EXPECT_EQ(vfs::unmount(actor(), "/mnt/above", vfs::Unmounting::kIfUnused, true).error(),
            Errno::kInval);
  EXPECT_EQ(vfs::unmount(actor(), "/mnt", vfs::Unmounting::kIfUnused, true).error(), kOk);
  EXPECT_EQ(find_error("/mnt/below"), kOk);
}

TEST_F(PathWalkTest, ReadOnlyMounts) {
  ASSERT_EQ(mkdir("/mnt"), kOk);
  ASSERT_TRUE(vfs::mount(actor(), "/mnt", TmpFs::create({}).take(), 0).ok());
  ASSERT_EQ(touch("/mnt/file"), kOk);
  find("/mnt").take().mount->set_flags(MountFlags::kReadOnly);
  EXPECT_EQ(open_error("/mnt/file"), kOk);
  EXPECT_EQ(open_error("/mnt/file", OpenFlags::kWriteOnly), Errno::kRoFs);
  EXPECT_EQ(touch("/mnt/new"), Errno::kRoFs);
  EXPECT_EQ(mkdir("/mnt/new"), Errno::kRoFs);
  EXPECT_EQ(mkdir("/mnt/file"), Errno::kExist);
  EXPECT_EQ(unlink("/mnt/file"), Errno::kRoFs);
  EXPECT_EQ(chmod("/mnt/file", 0600), Errno::kRoFs);
  EXPECT_EQ(rename("/mnt/file", "/mnt/other"), Errno::kRoFs);
}

TEST_F(PathWalkTest, BindMounts) {
  ASSERT_EQ(mkdir("/from"), kOk);
  ASSERT_EQ(mkdir("/from/sub"), kOk);
  ASSERT_EQ(mkdir("/to"), kOk);
  ASSERT_TRUE(vfs::mount(actor(), "/from/sub", TmpFs::create({}).take(), 0).ok());
  ASSERT_EQ(touch("/from/sub/deep"), kOk);
  ASSERT_TRUE(vfs::bind_mount(actor(), find("/from").take(), "/to", true).ok());
  EXPECT_EQ(path_of("/to/sub/deep"), "/to/sub/deep");
  EXPECT_EQ(stat("/to").inode, stat("/from").inode);
  EXPECT_EQ(path_of("/to/sub/../.."), "/");
  ASSERT_EQ(touch("/to/new"), kOk);
  EXPECT_EQ(find_error("/from/new"), kOk);
}

TEST_F(PathWalkTest, ChangedRoots) {
  ASSERT_EQ(mkdir("/jail"), kOk);
  ASSERT_EQ(touch("/jail/file"), kOk);
  ASSERT_EQ(symlink("/file", "/jail/link"), kOk);
  ASSERT_EQ(mkdir("/outside"), kOk);
  ASSERT_EQ(chdir("/outside"), kOk);
  fs_->set_root(find("/jail").take());
  EXPECT_EQ(path_of("/file"), "/file");
  EXPECT_EQ(path_of("/link"), "/file");
  EXPECT_EQ(path_of("/../file"), "/file");
  EXPECT_EQ(path_of("."), "(unreachable)/outside");
  EXPECT_FALSE(vfs::is_reachable(*fs_, fs_->working_directory()));
}

TEST_F(PathWalkTest, RemovedWorkingDirectory) {
  ASSERT_EQ(mkdir("/gone"), kOk);
  ASSERT_EQ(chdir("/gone"), kOk);
  ASSERT_EQ(rmdir("/gone"), kOk);
  EXPECT_EQ(touch("file"), Errno::kNoEnt);
  EXPECT_EQ(mkdir("dir"), Errno::kNoEnt);
  EXPECT_EQ(find_error("."), kOk);
  EXPECT_EQ(path_of(".."), "/");
  EXPECT_EQ(path_of("."), "/gone (deleted)");
  ASSERT_EQ(chdir("/"), kOk);
}

// A chain of removed directories longer than any stack comes apart when its last user leaves.
TEST_F(PathWalkTest, DeepChainsOfRemovedDirectories) {
  constexpr int kDepth = 20000;
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(mkdir("d"), kOk);
    ASSERT_EQ(chdir("d"), kOk);
  }
  const Path bottom = fs_->working_directory();
  for (int i = 0; i < kDepth; ++i) {
    ASSERT_EQ(chdir(".."), kOk);
    ASSERT_EQ(rmdir("d"), kOk);
  }
}

TEST_F(PathWalkTest, UnnamedFiles) {
  ASSERT_EQ(mkdir("/tmp"), kOk);
  const OpenFlags flags = OpenFlags::kTemporary | OpenFlags::kReadWrite;
  EXPECT_EQ(open_error("/none", flags), Errno::kNoEnt);
  FileRef file = open("/tmp", flags, 0600).take();
  EXPECT_TRUE(list("/tmp").empty());
  abi::Stat status;
  ASSERT_TRUE(file->stat(status).ok());
  EXPECT_EQ(status.links, 0u);
  ASSERT_TRUE(write_all(*file, "content").ok());
  ASSERT_TRUE(vfs::link(actor(), *file->path(), Path(), "/tmp/named").ok());
  EXPECT_EQ(read_file("/tmp/named"), "content");
  EXPECT_EQ(stat("/tmp/named").links, 1u);
}

TEST_F(PathWalkTest, ExecutedFilesAreNotWritten) {
  ASSERT_EQ(touch("/program", 0755), kOk);
  Inode& inode = find("/program").take().dentry->inode();
  ASSERT_TRUE(inode.deny_writing().ok());
  EXPECT_EQ(open_error("/program", OpenFlags::kWriteOnly), Errno::kTxtBsy);
  EXPECT_EQ(open_error("/program", OpenFlags::kReadOnly | OpenFlags::kTruncate), Errno::kTxtBsy);
  inode.allow_writing();
  FileRef writer = open("/program", OpenFlags::kWriteOnly).take();
  EXPECT_EQ(inode.deny_writing().error(), Errno::kTxtBsy);
  writer = nullptr;
  EXPECT_TRUE(inode.deny_writing().ok());
}

}  // namespace
}  // namespace narwhal
