#include "tools/narwhal/backlog.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/base/unique_fd.h"

namespace narwhal::tools {
namespace {

// A child that has a listening socket with a backlog of one, which this process shares.
class BacklogTest : public testing::Test {
 protected:
  BacklogTest() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_.get(), 1), 0);
    EXPECT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_.host_port = ntohs(address.sin_port);
    child_ = fork();
    if (child_ == 0) {
      pause();
      _exit(0);
    }
  }
  ~BacklogTest() override {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  unsigned backlog() const {
    tcp_info info = {};
    socklen_t size = sizeof info;
    EXPECT_EQ(getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info.tcpi_sacked;  // of a listener: the longest that its queue may be
  }

  UniqueFd socket_;
  PortForward port_;
  pid_t child_ = -1;
};

TEST_F(BacklogTest, GrowsOnForwardedPorts) {
  EXPECT_EQ(backlog(), 1u);
  EXPECT_EQ(lengthen_backlogs(child_, {port_}), 1);
  EXPECT_GE(backlog(), 128u);
}

TEST_F(BacklogTest, LeavesOtherSocketsAlone) {
  PortForward other = port_;
  other.host_port = static_cast<uint16_t>(port_.host_port == 1 ? 2 : 1);
  PortForward datagrams = port_;
  datagrams.is_udp = true;
  EXPECT_EQ(lengthen_backlogs(child_, {other, datagrams}), 0);
  EXPECT_EQ(lengthen_backlogs(child_, {}), 0);
  EXPECT_EQ(backlog(), 1u);
}

TEST(Backlog, DoesNothingForAProcessThatIsGone) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  PortForward port;
  port.host_port = 80;
  EXPECT_EQ(lengthen_backlogs(child, {port}), 0);
}

}  // namespace
}  // namespace narwhal::tools
