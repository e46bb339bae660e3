// A folder of this machine behind a server of our own: what is done on one side is seen on the
// other.
#include "fs/p9/p9.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "fs/core/file_mapping.h"
#include "fs/p9/test_server.h"
#include "fs/testing/file_tree.h"

namespace narwhal {
namespace {

using testing::FileTree;
using testing::kOk;
using Fault = p9::TestServer::Fault;

class P9Test : public FileTree {
 protected:
  void SetUp() override {
    FileTree::SetUp();
    std::string name = ::testing::TempDir() + "p9XXXXXX";
    host_ = mkdtemp(name.data());
    server_ = Ref<p9::TestServer>::adopt(new p9::TestServer(host_));
    ASSERT_EQ(mkdir("/shared"), kOk);
    auto made = create_p9_file_system(server_);
    ASSERT_TRUE(made.ok());
    ASSERT_EQ(vfs::mount(actor(), "/shared", made.take(), 0).error(), kOk);
  }
  void TearDown() override {
    FileTree::TearDown();
    std::filesystem::remove_all(host_);
  }

  std::string host(const std::string& name) const { return host_ + "/" + name; }
  void host_write(const std::string& name, const std::string& content) const {
    std::ofstream(host(name)) << content;
  }
  std::string host_read(const std::string& name) const {
    std::ifstream in(host(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  struct stat host_stat(const std::string& name) const {
    struct stat status = {};
    EXPECT_EQ(lstat(host(name).c_str(), &status), 0) << name;
    return status;
  }

  std::string host_;
  Ref<p9::TestServer> server_;
};

TEST_F(P9Test, BothSidesSeeContent) {
  host_write("from_host", "one");
  EXPECT_EQ(read_file("/shared/from_host"), "one");
  host_write("from_host", "longer now");
  EXPECT_EQ(read_file("/shared/from_host"), "longer now");
  EXPECT_EQ(write_file("/shared/from_guest", "two"), kOk);
  EXPECT_EQ(host_read("from_guest"), "two");
  EXPECT_EQ(stat("/shared/from_guest").size, 3);
  EXPECT_EQ(u64(host_stat("from_guest").st_ino), stat("/shared/from_guest").inode);
}

TEST_F(P9Test, ContentLongerThanAMessage) {
  std::string content;
  for (int i = 0; content.size() < 1'000'000; ++i) content += std::to_string(i) + " ";
  EXPECT_EQ(write_file("/shared/long", content), kOk);
  EXPECT_EQ(host_read("long"), content);
  EXPECT_EQ(read_file("/shared/long"), content);
}

TEST_F(P9Test, AnOpenFileSeesWhatTheHostAppends) {
  host_write("log", "a");
  FileRef file = open("/shared/log").take();
  EXPECT_EQ(read_all(*file), "a");
  std::ofstream(host("log"), std::ios::app) << "b";
  EXPECT_EQ(read_all(*file), "b");
  EXPECT_EQ(file->seek(0, 2).value(), 2);
}

TEST_F(P9Test, AppendingGoesToTheEndAsItIs) {
  host_write("log", "a");
  FileRef file = open("/shared/log", OpenFlags::kWriteOnly | OpenFlags::kAppend).take();
  std::ofstream(host("log"), std::ios::app) << "b";
  ASSERT_TRUE(write_all(*file, "c").ok());
  EXPECT_EQ(host_read("log"), "abc");
}

TEST_F(P9Test, NamesComeAndGoOnBothSides) {
  EXPECT_EQ(open_error("/shared/x"), Errno::kNoEnt);
  host_write("x", "1");
  Path kept = find("/shared/x").take();
  ASSERT_EQ(::unlink(host("x").c_str()), 0);
  EXPECT_EQ(open_error("/shared/x"), Errno::kNoEnt);
  // The old name is still in use here, and may be made anew.
  EXPECT_EQ(mkdir("/shared/x"), kOk);
  EXPECT_TRUE(S_ISDIR(host_stat("x").st_mode));
  EXPECT_EQ(mkdir("/shared/x"), Errno::kExist);
  EXPECT_EQ(rmdir("/shared/x"), kOk);
  EXPECT_FALSE(std::filesystem::exists(host("x")));
}

TEST_F(P9Test, AFileThatTheHostReplacedIsAnother) {
  host_write("config", "old");
  FileRef before = open("/shared/config").take();
  host_write("config.new", "new");
  std::filesystem::rename(host("config.new"), host("config"));
  EXPECT_EQ(read_file("/shared/config"), "new");
  EXPECT_EQ(read_all(*before), "old");
}

TEST_F(P9Test, OneFileIsOneInode) {
  host_write("a", "1");
  EXPECT_EQ(link("/shared/a", "/shared/b"), kOk);
  Path a = find("/shared/a").take(), b = find("/shared/b").take();
  EXPECT_EQ(&a.dentry->inode(), &b.dentry->inode());
  EXPECT_EQ(stat("/shared/a").links, 2u);
  EXPECT_EQ(unlink("/shared/a"), kOk);
  EXPECT_EQ(stat("/shared/b").links, 1u);
}

TEST_F(P9Test, Renames) {
  host_write("a", "content");
  EXPECT_EQ(mkdir("/shared/d"), kOk);
  FileRef file = open("/shared/a", OpenFlags::kReadWrite).take();
  EXPECT_EQ(rename("/shared/a", "/shared/d/b"), kOk);
  EXPECT_EQ(host_read("d/b"), "content");
  EXPECT_EQ(read_all(*file), "content");
  EXPECT_EQ(rename("/shared/d", "/shared/e"), kOk);
  EXPECT_EQ(path_of("/shared/e/b"), "/shared/e/b");
  EXPECT_EQ(read_file("/shared/e/b"), "content");
  EXPECT_EQ(rename("/shared/e", "/outside"), Errno::kXDev);
}

TEST_F(P9Test, Directories) {
  EXPECT_EQ(list("/shared"), std::vector<std::string>());
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) {
    names.push_back("f" + std::to_string(i));
    host_write(names.back(), "");
  }
  auto seen = list("/shared");
  std::ranges::sort(seen);
  std::ranges::sort(names);
  EXPECT_EQ(seen, names);
  EXPECT_EQ(rmdir("/shared"), Errno::kBusy);
  EXPECT_EQ(mkdir("/shared/d"), kOk);
  host_write("d/x", "");
  EXPECT_EQ(rmdir("/shared/d"), Errno::kNotEmpty);
}

TEST_F(P9Test, LinksAndAttributes) {
  EXPECT_EQ(symlink("target", "/shared/link"), kOk);
  host_write("target", "behind");
  EXPECT_EQ(read_file("/shared/link"), "behind");
  EXPECT_EQ(chmod("/shared/target", 0640), kOk);
  EXPECT_EQ(host_stat("target").st_mode & 07777, 0640u);
  ASSERT_EQ(::chmod(host("target").c_str(), 0600), 0);
  EXPECT_EQ(stat("/shared/target").mode & 07777, 0600u);
  auto file = open("/shared/target", OpenFlags::kReadWrite).take();
  EXPECT_TRUE(file->truncate(3).ok());
  EXPECT_EQ(host_read("target"), "beh");
  EXPECT_TRUE(file->sync(false).ok());
  EXPECT_EQ(file->allocate(0, 0, 100).error(), Errno::kOpNotSupp);
}

TEST_F(P9Test, MappedPagesAndCallsAgree) {
  host_write("m", std::string(3 * kPageSize, 'a'));
  FileRef file = open("/shared/m", OpenFlags::kReadWrite).take();
  Ref<MemoryObject> pages = file->inode()->memory_object().take();
  ASSERT_TRUE(pages->notes_writes());
  using Access = MemoryObject::Access;
  EXPECT_EQ(char(*pages->page(1, Access::kRead).value().data()), 'a');
  ASSERT_TRUE(file->seek(i64(kPageSize), 0).ok());
  ASSERT_TRUE(write_all(*file, "bb").ok());
  EXPECT_EQ(char(pages->page(1, Access::kRead).value().data()[1]), 'b');
  // A page changed through a mapping is what read(2) sees, and reaches the host when asked to.
  std::memcpy(pages->page(2, Access::kWrite).value().data(), "mapped", 6);
  EXPECT_EQ(read_file("/shared/m").substr(2 * kPageSize, 7), "mappeda");
  EXPECT_EQ(host_read("m").substr(2 * kPageSize, 7), "aaaaaaa");
  EXPECT_TRUE(pages->write_back().ok());
  EXPECT_EQ(host_read("m").substr(2 * kPageSize, 7), "mappeda");
  EXPECT_EQ(host_read("m").size(), 3 * kPageSize);
}

TEST_F(P9Test, TheLastWriterUnmappedWritesBack) {
  host_write("m", "0123456789");
  {
    FileRef file = open("/shared/m", OpenFlags::kReadWrite).take();
    auto& inode = static_cast<DataInode&>(*file->inode());
    auto mapping = make_ref<FileMapping>(file, &inode, true).take();
    Ref<MemoryObject> pages = inode.memory_object().take();
    std::memcpy(pages->page(0, MemoryObject::Access::kWrite).value().data() + 8, "xyz", 3);
  }
  EXPECT_EQ(host_read("m"), "01234567xy");
}

TEST_F(P9Test, PagesAreForgottenWhenTheHostChangesTheFile) {
  host_write("m", "old content");
  FileRef first = open("/shared/m").take();
  Ref<MemoryObject> pages = first->inode()->memory_object().take();
  ASSERT_TRUE(pages->page(0, MemoryObject::Access::kRead).ok());
  host_write("m", "new");
  FileRef second = open("/shared/m").take();
  EXPECT_EQ(std::memcmp(pages->page(0, MemoryObject::Access::kRead).value().data(), "new\0", 4), 0);
}

TEST_F(P9Test, NumbersAreGivenBack) {
  const usize before = server_->numbers_in_use();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(write_file("/shared/f", "x"), kOk);
    EXPECT_EQ(list("/shared").size(), 1u);
    EXPECT_EQ(unlink("/shared/f"), kOk);
  }
  // The last ones go with the next message.
  find_error("/shared/none");
  find_error("/shared/none");
  EXPECT_LE(server_->numbers_in_use(), before + 2);
}

TEST_F(P9Test, AServerThatMakesNoSenseIsAnError) {
  host_write("f", "content");
  FileRef file = open("/shared/f").take();
  std::byte bytes[100];
  for (Fault fault : {Fault::kCutShort, Fault::kWrongTag, Fault::kWrongType, Fault::kNoError,
                      Fault::kHugeCount}) {
    server_->fault = fault;
    IoBuffer buffer{std::span<std::byte>(bytes)};
    EXPECT_EQ(file->read_at(buffer, 0).error(), Errno::kIo) << int(fault);
  }
  IoBuffer buffer{std::span<std::byte>(bytes)};
  EXPECT_EQ(file->read_at(buffer, 0).value(), 7u);
}

TEST_F(P9Test, ErrorsAreTheServers) {
  host_write("f", "");
  EXPECT_EQ(open_error("/shared/f/x"), Errno::kNotDir);
  EXPECT_EQ(mkdir("/shared/f"), Errno::kExist);
  EXPECT_EQ(symlink("a", "/shared/f"), Errno::kExist);
  EXPECT_EQ(unlink("/shared/none"), Errno::kNoEnt);
  EXPECT_EQ(open_error("/shared/" + std::string(300, 'n')), Errno::kNameTooLong);
}

}  // namespace
}  // namespace narwhal
