#include "tools/p9/server.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace narwhal::tools::p9 {
namespace {

constexpr uint32_t kRoot = 0;
constexpr uint64_t kNoTime = 0;

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "p9XXXXXX";
    base_ = mkdtemp(pattern.data());
    folder_ = base_ + "/folder";
    std::filesystem::create_directory(folder_);
    write_file(base_ + "/secret", "outside");
    start(false);
  }
  void TearDown() override { std::filesystem::remove_all(base_); }

  void start(bool read_only) {
    server_.emplace(UniqueFd(open(folder_.c_str(), O_PATH | O_CLOEXEC)), read_only);
    ASSERT_EQ(ask(MessageType::kVersion, [](Writer& q) { q.put(65536u).put_text("9P2000.L"); }), 0);
    ASSERT_EQ(ask(MessageType::kAttach,
                  [](Writer& q) { q.put(kRoot).put(~0u).put_text("").put_text("").put(0u); }),
              0);
  }

  static void write_file(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  static std::string read_file(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  // Asks, and returns the error number; the answer's fields are then in `answer_`.
  template <typename Fill>
  int ask(MessageType type, Fill fill) {
    std::string question;
    Writer writer(question, static_cast<uint8_t>(type), 7);
    fill(writer);
    writer.finish();
    server_->answer(question, bytes_);
    Reader head(bytes_);
    EXPECT_EQ(head.take<uint32_t>(), bytes_.size());
    const auto got = head.take<uint8_t>();
    EXPECT_EQ(head.take<uint16_t>(), 7);
    if (got == static_cast<uint8_t>(MessageType::kError) + 1)
      return static_cast<int>(head.take<uint32_t>());
    EXPECT_EQ(got, static_cast<uint8_t>(type) + 1);
    return 0;
  }
  Reader fields() const { return Reader(std::string_view(bytes_).substr(kHeadSize)); }

  int walk(uint32_t from, uint32_t to, const std::vector<std::string>& names) {
    const int error = ask(MessageType::kWalk, [&](Writer& q) {
      q.put(from).put(to).put(static_cast<uint16_t>(names.size()));
      for (const std::string& name : names) q.put_text(name);
    });
    if (error != 0) return error;
    return fields().take<uint16_t>() == names.size() ? 0 : ENOENT;
  }
  int open_file(uint32_t fid, uint32_t flags) {
    return ask(MessageType::kOpen, [&](Writer& q) { q.put(fid).put(flags); });
  }
  int create(uint32_t fid, const std::string& name, uint32_t flags = O_RDWR | O_CREAT | O_EXCL) {
    return ask(MessageType::kCreate, [&](Writer& q) {
      q.put(fid).put_text(name).put(flags).put(0644u).put(static_cast<uint32_t>(getegid()));
    });
  }
  int write(uint32_t fid, uint64_t offset, const std::string& text) {
    return ask(MessageType::kWrite, [&](Writer& q) {
      q.put(fid).put(offset).put(static_cast<uint32_t>(text.size()));
      memcpy(q.make_room(text.size()), text.data(), text.size());
    });
  }
  std::string read(uint32_t fid, uint64_t offset = 0, uint32_t count = 1000) {
    if (ask(MessageType::kRead, [&](Writer& q) { q.put(fid).put(offset).put(count); }) != 0)
      return "error";
    Reader answer = fields();
    return std::string(answer.take_bytes(answer.take<uint32_t>()));
  }
  int clunk(uint32_t fid) {
    return ask(MessageType::kClunk, [&](Writer& q) { q.put(fid); });
  }

  std::string base_;
  std::string folder_;
  std::optional<Server> server_;
  std::string bytes_;
};

TEST_F(ServerTest, FilesAreMadeWrittenAndRead) {
  ASSERT_EQ(walk(kRoot, 1, {}), 0);
  ASSERT_EQ(create(1, "new"), 0);
  EXPECT_EQ(write(1, 0, "hello"), 0);
  EXPECT_EQ(write(1, 5, " world"), 0);
  EXPECT_EQ(read(1, 6), "world");
  EXPECT_EQ(clunk(1), 0);
  EXPECT_EQ(clunk(1), EBADF);
  EXPECT_EQ(read_file(folder_ + "/new"), "hello world");
  ASSERT_EQ(walk(kRoot, 2, {"new"}), 0);
  EXPECT_EQ(read(2), "error");
  ASSERT_EQ(open_file(2, O_RDONLY), 0);
  EXPECT_EQ(read(2, 0, 5), "hello");
  EXPECT_EQ(write(2, 0, "x"), EBADF);
}

TEST_F(ServerTest, AFileWithoutANameIsStillThere) {
  ASSERT_EQ(walk(kRoot, 1, {}), 0);
  ASSERT_EQ(create(1, "gone"), 0);
  ASSERT_EQ(ask(MessageType::kUnlinkAt, [](Writer& q) { q.put(kRoot).put_text("gone").put(0u); }),
            0);
  EXPECT_EQ(write(1, 0, "still"), 0);
  EXPECT_EQ(read(1), "still");
  ASSERT_EQ(ask(MessageType::kSetattr,
                [](Writer& q) {
                  constexpr uint32_t kSize = 8;
                  q.put(1u).put(kSize).put(0u).put(0u).put(0u).put(uint64_t{2});
                  for (int i = 0; i < 4; ++i) q.put(kNoTime);
                }),
            0);
  EXPECT_EQ(read(1), "st");
  EXPECT_EQ(ask(MessageType::kGetattr, [](Writer& q) { q.put(1u).put(uint64_t{0x7ff}); }), 0);
}

TEST_F(ServerTest, NothingLeadsOut) {
  std::filesystem::create_directory(folder_ + "/sub");
  std::filesystem::create_symlink("..", folder_ + "/up");
  std::filesystem::create_symlink(base_ + "/secret", folder_ + "/link");
  std::filesystem::create_directory_symlink("/", folder_ + "/top");
  for (const std::vector<std::string>& way : {std::vector<std::string>{".."},
                                              {"sub", "..", ".."},
                                              {"."},
                                              {"/"},
                                              {"sub/../.."},
                                              {""},
                                              {"up", "secret"},
                                              {"top", "etc"},
                                              {std::string("sub\0x", 5)}}) {
    EXPECT_NE(walk(kRoot, 1, way), 0) << way.front();
  }
  // The link itself is a file like others, but it can't be opened.
  ASSERT_EQ(walk(kRoot, 2, {"link"}), 0);
  EXPECT_EQ(open_file(2, O_RDONLY), ELOOP);
  EXPECT_EQ(open_file(2, O_RDWR | O_TRUNC), ELOOP);
  ASSERT_EQ(walk(kRoot, 3, {}), 0);
  EXPECT_NE(create(3, "link", O_RDWR | O_CREAT), 0);
  EXPECT_NE(create(3, "../made"), 0);
  EXPECT_NE(create(3, ".."), 0);
  for (const char* const name : {"../secret", "..", "top/x"}) {
    EXPECT_NE(ask(MessageType::kUnlinkAt, [&](Writer& q) { q.put(kRoot).put_text(name).put(0u); }),
              0);
    EXPECT_NE(ask(MessageType::kMkdir,
                  [&](Writer& q) { q.put(kRoot).put_text(name).put(0755u).put(0u); }),
              0);
    EXPECT_NE(ask(MessageType::kRenameAt,
                  [&](Writer& q) { q.put(kRoot).put_text("sub").put(kRoot).put_text(name); }),
              0);
  }
  // Changes of the link's attributes are not its target's.
  ask(MessageType::kSetattr, [](Writer& q) {
    constexpr uint32_t kModeAndSize = 1 | 8;
    q.put(2u).put(kModeAndSize).put(0777u).put(0u).put(0u).put(uint64_t{0});
    for (int i = 0; i < 4; ++i) q.put(kNoTime);
  });
  EXPECT_EQ(read_file(base_ + "/secret"), "outside");
  struct stat status;
  ASSERT_EQ(stat((base_ + "/secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0022, 0u);
  EXPECT_FALSE(std::filesystem::exists(base_ + "/made"));
}

TEST_F(ServerTest, DevicesAreNeitherMadeNorOpenedAndPipesNotWaitedFor) {
  const auto make = [&](const char* name, uint32_t mode) {
    return ask(MessageType::kMknod, [&](Writer& q) {
      q.put(kRoot).put_text(name).put(mode).put(1u).put(3u).put(static_cast<uint32_t>(getegid()));
    });
  };
  EXPECT_EQ(make("null", S_IFCHR | 0666), EPERM);
  EXPECT_EQ(make("disk", S_IFBLK | 0666), EPERM);
  EXPECT_EQ(make("pipe", S_IFIFO | 0666), 0);
  ASSERT_EQ(walk(kRoot, 1, {"pipe"}), 0);
  EXPECT_EQ(open_file(1, O_RDONLY), ENXIO);
  ASSERT_EQ(walk(kRoot, 2, {}), 0);
  EXPECT_EQ(create(2, "pipe", O_WRONLY | O_CREAT), ENXIO);
}

TEST_F(ServerTest, ADirectoryIsReadInParts) {
  constexpr int kFiles = 300;
  for (int i = 0; i < kFiles; ++i) write_file(folder_ + "/file" + std::to_string(i), "");
  ASSERT_EQ(walk(kRoot, 1, {}), 0);
  ASSERT_EQ(open_file(1, O_RDONLY | O_DIRECTORY), 0);
  std::set<std::string> names;
  int parts = 0;
  for (uint64_t offset = 0;; ++parts) {
    ASSERT_EQ(ask(MessageType::kReaddir, [&](Writer& q) { q.put(1u).put(offset).put(1000u); }), 0);
    Reader answer = fields();
    Reader entries(answer.take_bytes(answer.take<uint32_t>()));
    int count = 0;
    for (; !entries.take_bytes(13).empty(); ++count) {
      offset = entries.take<uint64_t>();
      entries.take<uint8_t>();
      EXPECT_TRUE(names.insert(std::string(entries.take_text())).second);
    }
    if (count == 0) break;
  }
  EXPECT_GT(parts, 5);
  EXPECT_EQ(names.size(), kFiles + 2u);
  EXPECT_EQ(ask(MessageType::kReaddir, [&](Writer& q) { q.put(1u).put(uint64_t{0}).put(5u); }),
            EINVAL);
}

TEST_F(ServerTest, ReadOnlyMeansIt) {
  write_file(folder_ + "/file", "content");
  start(true);
  ASSERT_EQ(walk(kRoot, 1, {"file"}), 0);
  EXPECT_EQ(open_file(1, O_RDWR), EROFS);
  EXPECT_EQ(open_file(1, O_RDONLY | O_TRUNC), EROFS);
  ASSERT_EQ(open_file(1, O_RDONLY), 0);
  EXPECT_EQ(read(1), "content");
  EXPECT_EQ(write(1, 0, "x"), EROFS);
  ASSERT_EQ(walk(kRoot, 2, {}), 0);
  EXPECT_EQ(create(2, "new"), EROFS);
  EXPECT_EQ(ask(MessageType::kUnlinkAt, [](Writer& q) { q.put(kRoot).put_text("file").put(0u); }),
            EROFS);
  EXPECT_EQ(read_file(folder_ + "/file"), "content");
}

TEST_F(ServerTest, CutOffAndUnknownQuestionsAreErrors) {
  for (int type = 0; type < 256; ++type) {
    for (const size_t size : {0, 3, 6, 11}) {
      std::string question;
      Writer writer(question, static_cast<uint8_t>(type), 1);
      memset(writer.make_room(size), 0xff, size);
      writer.finish();
      server_->answer(question, bytes_);
      Reader head(bytes_);
      EXPECT_EQ(head.take<uint32_t>(), bytes_.size());
      if (type != static_cast<int>(MessageType::kFlush))
        EXPECT_EQ(head.take<uint8_t>(), static_cast<int>(MessageType::kError) + 1) << type;
    }
  }
}

TEST_F(ServerTest, AConversationOverASocket) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  bool was_good = false;
  std::thread server([&] { was_good = server_->serve(ends[1]); });
  std::string one;
  Writer first(one, static_cast<uint8_t>(MessageType::kGetattr), 1);
  first.put(kRoot).put(uint64_t{0x7ff}).finish();
  std::string all = one + one + one;
  // In pieces that begin and end anywhere.
  for (size_t at = 0; at < all.size(); at += 5)
    ASSERT_GT(send(ends[0], all.data() + at, std::min<size_t>(5, all.size() - at), 0), 0);
  constexpr size_t kAnswer = kHeadSize + 153;
  std::string answers(3 * kAnswer, '\0');
  EXPECT_EQ(recv(ends[0], answers.data(), answers.size(), MSG_WAITALL),
            static_cast<ssize_t>(answers.size()));
  EXPECT_EQ(answers.substr(0, kAnswer), answers.substr(kAnswer, kAnswer));
  close(ends[0]);
  server.join();
  EXPECT_TRUE(was_good);
  close(ends[1]);
}

}  // namespace
}  // namespace narwhal::tools::p9
