// The rows of /proc/net, as netstat and its like read them: proc(5).
#include "net/inet/proc_net.h"

#include <gtest/gtest.h>

#include "net/inet/testing/sockets.h"

namespace narwhal {
namespace {

class ProcNetTest : public testing::Sockets {
 protected:
  static std::string text(Result<> (*show)(TextSink&)) {
    Text<16384> out;
    EXPECT_TRUE(show(out).ok());
    EXPECT_FALSE(out.truncated());
    return std::string(out.view());
  }
  static std::string port_hex(Socket& socket) {
    const SocketAddress own = local(socket);
    char digits[5];
    snprintf(digits, sizeof digits, "%04X", inet::parse_address(own.family(), own).value().port);
    return digits;
  }
  static bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(ProcNetTest, Tcp) {
  auto [client, server] = connected();
  auto listening = listener("::");
  send(*client, "12345").ignore();
  const std::string rows = text(inet::show_tcp);
  const std::string inode = " " + std::to_string(server->inode_number()) + " ";
  EXPECT_TRUE(contains(rows, "0100007F:" + port_hex(*server) + " 0100007F:" + port_hex(*client) +
                                 " 01 00000000:00000005 "));
  EXPECT_TRUE(contains(rows, inode));
  EXPECT_EQ(rows.find('\n'), 149u);
  EXPECT_TRUE(
      contains(text(inet::show_tcp6), "00000000000000000000000000000000:" + port_hex(*listening) +
                                          " 00000000000000000000000000000000:0000 0A "));
  EXPECT_FALSE(contains(text(inet::show_tcp6), inode));
  EXPECT_TRUE(contains(text(inet::show_socket_counts), "TCP: inuse 3 orphan 0 "));
}

TEST_F(ProcNetTest, Udp) {
  auto socket = datagram();
  ASSERT_TRUE(socket->bind(testing::address_of("127.0.0.1", 0)).ok());
  EXPECT_TRUE(
      contains(text(inet::show_udp), "0100007F:" + port_hex(*socket) + " 00000000:0000 07 "));
  EXPECT_EQ(text(inet::show_udp6).find("07 "), std::string::npos);
}

TEST_F(ProcNetTest, Interfaces) {
  EXPECT_TRUE(contains(text(inet::show_devices), "\n    lo:"));
  EXPECT_EQ(text(inet::show_ipv6_addresses),
            "00000000000000000000000000000001 01 80 10 80       lo\n");
  EXPECT_EQ(text(inet::show_routes).find('\n'), 127u);
}

}  // namespace
}  // namespace narwhal
