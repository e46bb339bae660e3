// Moving data into and out of sockets without the program touching it.
#include <sys/sendfile.h>

#include "compat_tests/common/signals.h"
#include "compat_tests/sockets/sockets.h"

namespace compat {
namespace {

class Transfer : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { pair_ = stream_pair(GetParam()); }
  Fd file_with(const std::string& data) {
    write_file(dir_ / "file", data);
    return open((dir_ / "file").c_str(), O_RDONLY);
  }
  TempDir dir_;
  Pair pair_;
};
INSTANTIATE_TEST_SUITE_P(Family, Transfer, testing::Values(AF_INET, AF_UNIX), family_name);

TEST_P(Transfer, SendfileMovesThePosition) {
  const Fd file = file_with("0123456789");
  EXPECT_EQ(4, sendfile(pair_.client, file, nullptr, 4));
  EXPECT_EQ(4, position(file));
  EXPECT_EQ(6, sendfile(pair_.client, file, nullptr, 100));
  EXPECT_EQ(0, sendfile(pair_.client, file, nullptr, 100));
  EXPECT_EQ("0123456789", read_exactly(pair_.server, 10));
}

TEST_P(Transfer, SendfileWithAnOffsetLeavesThePosition) {
  const Fd file = file_with("0123456789");
  off_t offset = 3;
  EXPECT_EQ(4, sendfile(pair_.client, file, &offset, 4));
  EXPECT_EQ(7, offset);
  EXPECT_EQ(0, position(file));
  EXPECT_EQ("3456", read_exactly(pair_.server, 4));
  offset = 100;
  EXPECT_EQ(0, sendfile(pair_.client, file, &offset, 4));
}

TEST_P(Transfer, SendfileOfMuchBlocksUntilItIsTaken) {
  const std::string data = pattern(3 << 20);
  const Fd file = file_with(data);
  std::string got;
  std::thread reading([&] { got = read_exactly(pair_.server, data.size()); });
  size_t sent = 0;
  while (sent < data.size()) {
    const ssize_t count = sendfile(pair_.client, file, nullptr, data.size() - sent);
    ASSERT_GT(count, 0);
    sent += size_t(count);
  }
  reading.join();
  EXPECT_TRUE(data == got);
}

TEST_P(Transfer, SendfileToAFullSocketIsAgain) {
  const Fd file = file_with(pattern(1 << 20));
  set_nonblocking(pair_.client);
  ssize_t count = 0;
  for (int i = 0; i < 100 && count >= 0; ++i) {
    off_t offset = 0;
    count = sendfile(pair_.client, file, &offset, 1 << 20);
  }
  EXPECT_EQ(-1, count);
  EXPECT_EQ(EAGAIN, errno);
}

// What was taken for sending is sent, whatever becomes of the file.
TEST_P(Transfer, SendfileOfAFileThatGoesAway) {
  const std::string data = pattern(1 << 20);
  Fd file = file_with(data);
  set_nonblocking(pair_.client);
  const ssize_t sent = sendfile(pair_.client, file, nullptr, data.size());
  ASSERT_GT(sent, 0);
  const std::string path = dir_ / "file";
  ASSERT_OK(truncate(path.c_str(), 0));
  ASSERT_OK(unlink(path.c_str()));
  file.reset();
  // Others use the memory meanwhile.
  write_file(dir_ / "another", std::string(data.size(), 'x'));
  EXPECT_TRUE(data.substr(0, size_t(sent)) == read_exactly(pair_.server, size_t(sent)));
}

TEST_P(Transfer, SendfileToAClosedSocketIsEpipe) {
  const ScopedAction action(SIGPIPE, record_signal);
  record.count = 0;
  const Fd file = file_with("0123456789");
  ASSERT_OK(shutdown(pair_.client, SHUT_WR));
  EXPECT_ERRNO(EPIPE, sendfile(pair_.client, file, nullptr, 4));
  EXPECT_EQ(1u, record.count);
  EXPECT_EQ(0, position(file));
}

TEST_P(Transfer, SocketIsNoSourceForSendfile) {
  const Fd null = open("/dev/null", O_WRONLY);
  EXPECT_ERRNO(EINVAL, sendfile(null, pair_.client, nullptr, 4));
}

TEST_P(Transfer, SpliceFromAPipeAndToAPipe) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  const Fd reading = ends[0], writing = ends[1];
  EXPECT_EQ(5, write(writing, "hello", 5));
  EXPECT_EQ(5, splice(reading, nullptr, pair_.client, nullptr, 100, 0));
  poll_until(pair_.server, POLLIN);
  EXPECT_EQ(5, splice(pair_.server, nullptr, writing, nullptr, 100, 0));
  EXPECT_EQ("hello", read_exactly(reading, 5));
}

TEST_P(Transfer, SpliceOfAnEndedStreamIsNothing) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  const Fd reading = ends[0], writing = ends[1];
  pair_.client.reset();
  EXPECT_EQ(0, splice(pair_.server, nullptr, writing, nullptr, 100, 0));
}

TEST_P(Transfer, SpliceDoesNotWaitWhenAskedNotTo) {
  int ends[2];
  ASSERT_OK(pipe(ends));
  const Fd reading = ends[0], writing = ends[1];
  set_nonblocking(pair_.server);
  EXPECT_ERRNO(EAGAIN, splice(pair_.server, nullptr, writing, nullptr, 100, SPLICE_F_NONBLOCK));
  off_t offset = 0;
  EXPECT_ERRNO(EINVAL, splice(pair_.server, &offset, writing, nullptr, 100, 0));
}

TEST_P(Transfer, DuplicatedDescriptorKeepsTheConnection) {
  Fd copy = dup(pair_.client);
  pair_.client.reset();
  EXPECT_EQ(2, send_text(copy, "ok"));
  EXPECT_EQ("ok", receive(pair_.server));
  copy.reset();
  EXPECT_EQ("", receive(pair_.server));
}

}  // namespace
}  // namespace compat
