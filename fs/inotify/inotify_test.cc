// Expectations are what Linux 6.18 answered to the same steps.
#include "fs/inotify/inotify.h"

#include <algorithm>
#include <cstring>

#include "fs/testing/file_tree.h"
#include "kernel/abi/inotify.h"

namespace narwhal {
namespace {

using testing::kOk;
constexpr u32 kAll = inotify::kAllEvents;

class InotifyTest : public testing::FileTree {
 protected:
  void SetUp() override {
    FileTree::SetUp();
    file_ = InotifyFile::create(OpenFlags::kNonBlock).take();
    ASSERT_EQ(mkdir("/d"), kOk);
  }
  void TearDown() override {
    file_ = nullptr;
    EXPECT_EQ(notify::watch_count.load(), 0u);
    FileTree::TearDown();
  }
  InotifyQueue& queue() { return static_cast<InotifyFile&>(*file_).queue(); }
  i32 watch(std::string_view path, u32 mask = kAll) {
    auto number = queue().add_watch(find(path).take(), mask);
    return number.ok() ? number.value() : -i32(number.error());
  }
  // "1:100:name 2:8000 ", in hexadecimal.
  std::string events() {
    std::string text;
    for (;;) {
      std::byte bytes[600];
      IoBuffer to{std::span<std::byte>(bytes)};
      auto size = file_->read(to);
      if (!size.ok()) {
        EXPECT_EQ(size.error(), Errno::kAgain);
        break;
      }
      for (usize at = 0; at < size.value();) {
        abi::InotifyEvent event;
        std::memcpy(&event, bytes + at, sizeof event);
        const char* name = reinterpret_cast<const char*>(bytes + at + sizeof event);
        char head[40];
        std::snprintf(head, sizeof head, "%d:%x", event.watch, event.mask);
        text += head;
        if (event.length) text += std::string(":") + name;
        text += ' ';
        cookie_ = event.cookie;
        EXPECT_EQ(event.length % 16, 0u);
        at += sizeof event + event.length;
      }
    }
    if (!text.empty()) text.pop_back();
    return text;
  }

  FileRef file_;
  u32 cookie_ = 0;
};

TEST_F(InotifyTest, FilesAndTheirDirectory) {
  EXPECT_EQ(watch("/d"), 1);
  EXPECT_EQ(write_file("/d/g", "x"), kOk);
  EXPECT_EQ(events(), "1:100:g 1:20:g 1:2:g 1:8:g");
  EXPECT_EQ(link("/d/g", "/d/h"), kOk);
  EXPECT_EQ(events(), "1:100:h");
  EXPECT_EQ(chmod("/d/g", 0600), kOk);
  EXPECT_EQ(events(), "1:4:g");
  EXPECT_EQ(write_file("/d/g", "y"), kOk);
  EXPECT_EQ(events(), "1:20:g 1:2:g 1:8:g") << "truncating and writing are one change";
  EXPECT_EQ(read_file("/d/g"), "y");
  EXPECT_EQ(events(), "1:20:g 1:1:g 1:10:g");
  list("/d");
  EXPECT_EQ(events(), "1:40000020 1:40000001 1:40000010");
  EXPECT_EQ(symlink("g", "/d/s"), kOk);
  EXPECT_EQ(mkdir("/d/sub"), kOk);
  EXPECT_EQ(events(), "1:100:s 1:40000100:sub");
}

TEST_F(InotifyTest, NamesMoveAndGo) {
  ASSERT_EQ(mkdir("/d/sub"), kOk);
  EXPECT_EQ(watch("/d"), 1);
  EXPECT_EQ(watch("/d/sub"), 2);
  EXPECT_EQ(rename("/d/sub", "/d/sub2"), kOk);
  EXPECT_EQ(events(), "1:40000040:sub 1:40000080:sub2 2:800");
  EXPECT_EQ(rmdir("/d/sub2"), kOk);
  EXPECT_EQ(events(), "2:400 2:8000 1:40000200:sub2");
  EXPECT_EQ(queue().remove_watch(2).error(), Errno::kInval);
}

TEST_F(InotifyTest, CookiesPairMoves) {
  ASSERT_EQ(touch("/d/a"), kOk);
  watch("/d", notify::kMovedFrom);
  i32 to = watch("/", notify::kMovedTo);
  EXPECT_EQ(rename("/d/a", "/b"), kOk);
  EXPECT_EQ(events(), "1:40:a " + std::to_string(to) + ":80:b");
  EXPECT_NE(cookie_, 0u);
}

TEST_F(InotifyTest, AnOpenFileLivesOn) {
  ASSERT_EQ(touch("/d/f"), kOk);
  watch("/d");
  EXPECT_EQ(watch("/d/f"), 2);
  FileRef open_file = open("/d/f").take();
  EXPECT_EQ(events(), "1:20:f 2:20");
  EXPECT_EQ(unlink("/d/f"), kOk);
  EXPECT_EQ(events(), "2:4 1:200:f");
  open_file = nullptr;
  EXPECT_EQ(events(), "1:10:f 2:10 2:400 2:8000");
}

TEST_F(InotifyTest, ReplacedFilesEnd) {
  ASSERT_EQ(touch("/d/old"), kOk);
  ASSERT_EQ(touch("/d/new"), kOk);
  EXPECT_EQ(watch("/d/old"), 1);
  EXPECT_EQ(watch("/d/new"), 2);
  EXPECT_EQ(rename("/d/new", "/d/old"), kOk);
  const std::string text = events();
  EXPECT_NE(text.find("2:800"), std::string::npos) << text;
  EXPECT_NE(text.find("1:400 1:8000"), std::string::npos) << text;
}

TEST_F(InotifyTest, OneShot) {
  ASSERT_EQ(touch("/d/g"), kOk);
  EXPECT_EQ(watch("/d/g", notify::kModify | inotify::kOneShot), 1);
  EXPECT_EQ(write_file("/d/g", "1"), kOk);
  EXPECT_EQ(write_file("/d/g", "2"), kOk);
  EXPECT_EQ(events(), "1:2 1:8000");
}

TEST_F(InotifyTest, WatchesChangeAndGo) {
  EXPECT_EQ(watch("/d", notify::kCreate), 1);
  EXPECT_EQ(watch("/d", notify::kDelete | inotify::kMaskCreate), -i32(Errno::kExist));
  EXPECT_EQ(watch("/d", notify::kDelete), 1) << "the same watch with another mask";
  EXPECT_EQ(touch("/d/x"), kOk);
  EXPECT_EQ(events(), "");
  EXPECT_EQ(watch("/d", notify::kCreate | inotify::kMaskAdd), 1);
  EXPECT_EQ(unlink("/d/x"), kOk);
  EXPECT_EQ(touch("/d/x"), kOk);
  EXPECT_EQ(events(), "1:200:x 1:100:x");
  EXPECT_TRUE(queue().remove_watch(1).ok());
  EXPECT_EQ(events(), "1:8000");
  EXPECT_EQ(queue().remove_watch(1).error(), Errno::kInval);
  EXPECT_EQ(watch("/d"), 2) << "numbers are not used again";
}

TEST_F(InotifyTest, ReadsAreWholeEvents) {
  watch("/d", notify::kCreate);
  EXPECT_EQ(touch("/d/a-name-of-twenty-ch"), kOk);
  EXPECT_EQ(touch("/d/b"), kOk);
  EXPECT_EQ(file_->poll(), kPollReadable);
  EXPECT_EQ(queue().bytes_ready(), 48u + 32u);
  std::byte bytes[79];
  {
    IoBuffer to{std::span<std::byte>(bytes, 40)};
    EXPECT_EQ(file_->read(to).error(), Errno::kInval);
  }
  {
    IoBuffer to{std::span<std::byte>(bytes)};
    EXPECT_EQ(file_->read(to).value(), 48u);
  }
  EXPECT_EQ(events(), "1:100:b");
  EXPECT_EQ(file_->poll(), PollEvents::kNone);
}

TEST_F(InotifyTest, TooManyEventsAreToldAsOne) {
  watch("/d", notify::kCreate | notify::kDelete);
  for (u32 i = 0; i < inotify::max_events.load() / 2 + 10; ++i) {
    ASSERT_EQ(touch("/d/x"), kOk);
    ASSERT_EQ(unlink("/d/x"), kOk);
  }
  const std::string text = events();
  EXPECT_EQ(text.substr(text.rfind(' ') + 1), "-1:4000");
  EXPECT_EQ(usize(std::count(text.begin(), text.end(), ' ')), inotify::max_events.load());
}

TEST_F(InotifyTest, InstancesAreLimited) {
  std::vector<FileRef> files;
  for (u32 i = 1; i < inotify::max_instances.load(); ++i)
    files.push_back(InotifyFile::create(OpenFlags::kReadOnly).take());
  EXPECT_EQ(InotifyFile::create(OpenFlags::kReadOnly).error(), Errno::kMFile);
  files.pop_back();
  EXPECT_TRUE(InotifyFile::create(OpenFlags::kReadOnly).ok());
}

}  // namespace
}  // namespace narwhal
