// rename(2), link(2), unlink(2): what may take whose place.
#include "fs/core/dentry.h"
#include "fs/testing/file_tree.h"

namespace narwhal {
namespace {

using testing::kOk;

class RenameTest : public testing::FileTree {
 protected:
  Errno exchange(std::string_view a, std::string_view b) {
    return rename(a, b, vfs::kRenameExchange);
  }
};

TEST_F(RenameTest, FilesAndWhatTheyReplace) {
  ASSERT_EQ(write_file("/one", "1"), kOk);
  ASSERT_EQ(write_file("/two", "2"), kOk);
  FileRef open_two = open("/two").take();
  EXPECT_EQ(rename("/one", "/two"), kOk);
  EXPECT_EQ(find_error("/one"), Errno::kNoEnt);
  EXPECT_EQ(read_file("/two"), "1");
  // What was replaced lives while it is open.
  EXPECT_EQ(read_all(*open_two), "2");
  EXPECT_EQ(open_two->inode()->links(), 0u);
  EXPECT_EQ(rename("/none", "/two"), Errno::kNoEnt);
  EXPECT_EQ(rename("/two", "/none/x"), Errno::kNoEnt);
  EXPECT_EQ(rename("/two", "/two"), kOk);
  EXPECT_EQ(read_file("/two"), "1");
}

TEST_F(RenameTest, TwoNamesOfOneFileStayTwo) {
  ASSERT_EQ(write_file("/one", "1"), kOk);
  ASSERT_EQ(link("/one", "/two"), kOk);
  EXPECT_EQ(rename("/one", "/two"), kOk);
  EXPECT_EQ(stat("/one").links, 2u);
  EXPECT_EQ(stat("/one").inode, stat("/two").inode);
}

TEST_F(RenameTest, Kinds) {
  ASSERT_EQ(mkdir("/dir"), kOk);
  ASSERT_EQ(mkdir("/empty"), kOk);
  ASSERT_EQ(mkdir("/full"), kOk);
  ASSERT_EQ(touch("/full/file"), kOk);
  ASSERT_EQ(touch("/file"), kOk);
  EXPECT_EQ(rename("/file", "/dir"), Errno::kIsDir);
  EXPECT_EQ(rename("/dir", "/file"), Errno::kNotDir);
  EXPECT_EQ(rename("/dir", "/full"), Errno::kNotEmpty);
  EXPECT_EQ(rename("/file", "/other/"), Errno::kNotDir);
  EXPECT_EQ(rename("/file/", "/other"), Errno::kNotDir);
  EXPECT_EQ(rename("/dir/", "/empty/"), kOk);
  EXPECT_EQ(find_error("/dir"), Errno::kNoEnt);
  EXPECT_EQ(rename("/", "/x"), Errno::kBusy);
  EXPECT_EQ(rename("/empty/.", "/x"), Errno::kBusy);
  EXPECT_EQ(rename("/empty", "/full/.."), Errno::kBusy);
}

TEST_F(RenameTest, IntoItself) {
  ASSERT_EQ(mkdir("/a"), kOk);
  ASSERT_EQ(mkdir("/a/b"), kOk);
  ASSERT_EQ(mkdir("/a/b/c"), kOk);
  EXPECT_EQ(rename("/a", "/a/x"), Errno::kInval);
  EXPECT_EQ(rename("/a", "/a/b/c/x"), Errno::kInval);
  EXPECT_EQ(rename("/a/b/c", "/a"), Errno::kNotEmpty);
  EXPECT_EQ(exchange("/a", "/a/b"), Errno::kInval);
  EXPECT_EQ(exchange("/a/b/c", "/a"), Errno::kInval);
}

TEST_F(RenameTest, LinksCountParents) {
  ASSERT_EQ(mkdir("/from"), kOk);
  ASSERT_EQ(mkdir("/to"), kOk);
  ASSERT_EQ(mkdir("/from/dir"), kOk);
  EXPECT_EQ(stat("/from").links, 3u);
  ASSERT_EQ(rename("/from/dir", "/to/dir"), kOk);
  EXPECT_EQ(stat("/from").links, 2u);
  EXPECT_EQ(stat("/to").links, 3u);
  EXPECT_EQ(path_of("/to/dir/.."), "/to");
  ASSERT_EQ(mkdir("/from/dir"), kOk);
  ASSERT_EQ(rename("/from/dir", "/to/dir"), kOk);
  EXPECT_EQ(stat("/to").links, 3u);
  ASSERT_EQ(rmdir("/to/dir"), kOk);
  EXPECT_EQ(stat("/to").links, 2u);
}

TEST_F(RenameTest, Exchange) {
  ASSERT_EQ(write_file("/file", "content"), kOk);
  ASSERT_EQ(mkdir("/dir"), kOk);
  ASSERT_EQ(mkdir("/dir/sub"), kOk);
  ASSERT_EQ(touch("/dir/sub/deep"), kOk);
  EXPECT_EQ(exchange("/file", "/dir/sub"), kOk);
  EXPECT_EQ(read_file("/dir/sub"), "content");
  EXPECT_EQ(path_of("/file/deep"), "/file/deep");
  EXPECT_EQ(path_of("/file/.."), "/");
  EXPECT_EQ(stat("/dir").links, 2u);
  EXPECT_EQ(exchange("/file", "/none"), Errno::kNoEnt);
  EXPECT_EQ(rename("/file", "/dir", vfs::kRenameNoReplace), Errno::kExist);
  EXPECT_EQ(rename("/file", "/new", vfs::kRenameNoReplace), kOk);
  EXPECT_EQ(rename("/new", "/x", vfs::kRenameNoReplace | vfs::kRenameExchange), Errno::kInval);
}

TEST_F(RenameTest, NamesOfEveryLength) {
  std::string old_name(1, 'a');
  ASSERT_EQ(write_file("/" + old_name, "same"), kOk);
  for (usize length : {255, 2, 100, 99, 254, 1, 17, 255, 3}) {
    const std::string name(length, char('b' + length % 20));
    ASSERT_EQ(rename("/" + old_name, "/" + name), kOk) << length;
    EXPECT_EQ(find_error("/" + old_name), Errno::kNoEnt);
    EXPECT_EQ(read_file("/" + name), "same");
    EXPECT_EQ(list("/"), std::vector<std::string>{name});
    old_name = name;
  }
  EXPECT_EQ(rename("/" + old_name, "/" + std::string(256, 'x')), Errno::kNameTooLong);
}

// Places that somebody holds follow the name.
TEST_F(RenameTest, HeldPlacesMoveAlong) {
  ASSERT_EQ(mkdir("/a"), kOk);
  ASSERT_EQ(mkdir("/a/b"), kOk);
  ASSERT_EQ(mkdir("/c"), kOk);
  ASSERT_EQ(chdir("/a/b"), kOk);
  ASSERT_EQ(touch("file"), kOk);
  FileRef file = open("file").take();
  ASSERT_EQ(rename("/a/b", "/c/moved"), kOk);
  EXPECT_EQ(path_of("."), "/c/moved");
  EXPECT_EQ(path_of(".."), "/c");
  EXPECT_EQ(vfs::path_text(*fs_, *file->path()).take().view(), "/c/moved/file");
  ASSERT_EQ(rename("/c/moved/file", "/c/other"), kOk);
  EXPECT_EQ(vfs::path_text(*fs_, *file->path()).take().view(), "/c/other");
  ASSERT_EQ(unlink("/c/other"), kOk);
  EXPECT_EQ(vfs::path_text(*fs_, *file->path()).take().view(), "/c/other (deleted)");
}

// A directory is read while names move in it: what stays is seen once.
TEST_F(RenameTest, ReadingWhileNamesMove) {
  struct Names final : DirectoryVisitor {
    std::vector<std::string> names;
    usize room = 0;
    bool entry(std::string_view name, u64, FileType, i64) override {
      if (room == 0) return false;
      --room;
      names.emplace_back(name);
      return true;
    }
  } seen;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(touch("/n" + std::to_string(i)), kOk);
  FileRef directory = open("/", OpenFlags::kDirectory).take();
  for (int i = 0; i < 20; ++i) {
    seen.room = 2;
    ASSERT_TRUE(directory->read_directory(seen).ok());
    const std::string name = "/n" + std::to_string(i);
    if (i % 2 == 0)
      ASSERT_EQ(unlink(name), kOk);
    else if (i % 3 == 0)
      ASSERT_EQ(rename(name, name + "moved"), kOk);
  }
  for (const std::string& stays : {"n1", "n5", "n7", "n11", "n13", "n17", "n19"})
    EXPECT_EQ(std::count(seen.names.begin(), seen.names.end(), stays), 1) << stays;
}

TEST_F(RenameTest, HardLinks) {
  ASSERT_EQ(write_file("/file", "x"), kOk);
  ASSERT_EQ(mkdir("/dir"), kOk);
  ASSERT_EQ(symlink("file", "/link"), kOk);
  EXPECT_EQ(link("/dir", "/other"), Errno::kPerm);
  EXPECT_EQ(link("/file", "/dir"), Errno::kExist);
  EXPECT_EQ(link("/file", "/new/"), Errno::kNoEnt);
  EXPECT_EQ(link("/link", "/copy"), kOk);
  EXPECT_EQ(stat("/copy", LookupFlags::kNone).inode, stat("/link", LookupFlags::kNone).inode);
  // A name that is gone does not come back through an open file.
  FileRef file = open("/file").take();
  ASSERT_EQ(unlink("/file"), kOk);
  EXPECT_EQ(vfs::link(actor(), *file->path(), Path(), "/back").error(), Errno::kNoEnt);
}

}  // namespace
}  // namespace narwhal
