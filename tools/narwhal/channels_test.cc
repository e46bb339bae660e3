#include "tools/narwhal/channels.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

namespace narwhal::tools {
namespace {

bool blocks(int fd) {
  return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

TEST(StreamOfOurs, PipesGetADescriptionThatDoesNotBlock) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  const UniqueFd own_reader = stream_of_ours(reader.get()),
                 own_writer = stream_of_ours(writer.get());
  ASSERT_TRUE(own_reader && own_writer);
  EXPECT_FALSE(blocks(own_reader.get()));
  EXPECT_FALSE(blocks(own_writer.get()));
  EXPECT_TRUE(blocks(reader.get())) << "others may hold it";
  EXPECT_TRUE(blocks(writer.get()));
  ASSERT_EQ(write(own_writer.get(), "x", 1), 1);
  char byte;
  EXPECT_EQ(read(reader.get(), &byte, 1), 1);
  EXPECT_EQ(read(own_reader.get(), &byte, 1), -1);
  EXPECT_EQ(read(own_writer.get(), &byte, 1), -1) << "each way only where it was open";
}

TEST(StreamOfOurs, FilesKeepTheirPosition) {
  char name[] = "/tmp/narwhal-stream-XXXXXX";
  const UniqueFd file(mkstemp(name));
  ASSERT_TRUE(file);
  unlink(name);
  const UniqueFd own = stream_of_ours(file.get());
  ASSERT_TRUE(own);
  ASSERT_EQ(write(own.get(), "abc", 3), 3);
  EXPECT_EQ(lseek(file.get(), 0, SEEK_CUR), 3);
}

TEST(StreamOfOurs, OthersArePassedOn) {
  const SocketPair pair = make_socket_pair();
  EXPECT_FALSE(stream_of_ours(pair.ours.get()));
  const UniqueFd terminal(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(terminal);
  EXPECT_FALSE(stream_of_ours(terminal.get()));
  EXPECT_FALSE(stream_of_ours(-1));
}

}  // namespace
}  // namespace narwhal::tools
