#include "tools/narwhal/values.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

std::string port(std::string_view text) {
  try {
    const PortForward forward = parse_port(text);
    return forward.address + " " + std::to_string(forward.host_port) + " " +
           std::to_string(forward.guest_port) + (forward.is_udp ? " udp" : " tcp");
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Values, Ports) {
  EXPECT_EQ(port("8080:80"), "127.0.0.1 8080 80 tcp");
  EXPECT_EQ(port("8080:80/tcp"), "127.0.0.1 8080 80 tcp");
  EXPECT_EQ(port("0.0.0.0:5353:53/udp"), "0.0.0.0 5353 53 udp");
  EXPECT_EQ(port("65535:1"), "127.0.0.1 65535 1 tcp");
  for (const std::string wrong :
       {"", "80", ":", "80:", ":80", "0:80", "80:0", "65536:80", "-1:80", "80:80:80", "a:80",
        "80:80/sctp", "80:80/", "1.2.3:80:80", "1.2.3.4:80:80:80", "80 :80", "+80:80", "08x:80"}) {
    EXPECT_EQ(port(wrong), "-p " + wrong +
                               ": write [ADDRESS:]HOST:GUEST with ports from 1 to 65535, as in "
                               "8080:80 or 0.0.0.0:5353:53/udp");
  }
  EXPECT_NE(port("[::1]:80:80").find("IPv4 addresses only"), std::string::npos);
}

TEST(Values, Volumes) {
  const Volume volume = parse_volume("./site:/var/www//html/:ro");
  EXPECT_EQ(volume.mapping.host, "./site");
  EXPECT_EQ(volume.mapping.guest, "/var/www/html");
  EXPECT_TRUE(volume.read_only);
  EXPECT_FALSE(parse_volume("a:/b").read_only);
  EXPECT_FALSE(parse_volume("a:/b:rw").read_only);
  for (const char* const wrong : {"", "a", "a:", ":/b", "a:b", "a:/b:", "a:/b:rx", "a:/b:ro:x"}) {
    EXPECT_THROW(parse_volume(wrong), Error) << wrong;
  }
}

TEST(Values, Disks) {
  EXPECT_EQ(parse_disk("a.img").path, "a.img");
  EXPECT_FALSE(parse_disk("a.img").read_only);
  EXPECT_FALSE(parse_disk("a.img:rw").read_only);
  EXPECT_TRUE(parse_disk("/x/a.img:ro").read_only);
  EXPECT_EQ(parse_disk("/x/a.img:ro").path, "/x/a.img");
  EXPECT_EQ(parse_disk("with:colon").path, "with:colon");
  for (const char* const wrong : {"", ":ro", ":rw"})
    EXPECT_THROW(parse_disk(wrong), Error) << wrong;
}

TEST(Values, Includes) {
  EXPECT_EQ(parse_include("/a").guest, "");
  EXPECT_EQ(parse_include("a:/b").guest, "/b");
  for (const char* const wrong : {"", ":", "a:b", "a:/b:c"}) {
    EXPECT_THROW(parse_include(wrong), Error) << wrong;
  }
}

TEST(Values, Memory) {
  constexpr uint64_t kMebibyte = 1 << 20;
  EXPECT_EQ(parse_memory("64M"), 64 * kMebibyte);
  EXPECT_EQ(parse_memory("64m"), 64 * kMebibyte);
  EXPECT_EQ(parse_memory("64MiB"), 64 * kMebibyte);
  EXPECT_EQ(parse_memory("64MB"), 64 * kMebibyte);
  EXPECT_EQ(parse_memory("2G"), 2048 * kMebibyte);
  EXPECT_EQ(parse_memory("8192K"), 8 * kMebibyte);
  EXPECT_EQ(parse_memory("8388608"), 8 * kMebibyte);
  for (const char* const wrong : {"", "M", "0", "-1M", "64X", "64MM", "512", "1.5G", " 64M",
                                  "99999999999999999999M", "18446744073709551615G", "65537T"}) {
    EXPECT_THROW(parse_memory(wrong), Error) << wrong;
  }
}

TEST(Values, Environment) {
  const auto have = [](const char* name) -> const char* {
    return std::string_view(name) == "HERE" ? "value" : nullptr;
  };
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(parse_environment("A=b=c", have), (Pair{"A", "b=c"}));
  EXPECT_EQ(parse_environment("A=", have), (Pair{"A", ""}));
  EXPECT_EQ(parse_environment("HERE", have), (Pair{"HERE", "value"}));
  EXPECT_THROW(parse_environment("AWAY", have), Error);
  EXPECT_THROW(parse_environment("=x", have), Error);
  EXPECT_THROW(parse_environment("", have), Error);
}

TEST(Values, Users) {
  const TestRoot root;
  root.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/var/www:/bin/false\n");
  root.file("/etc/group", "adm:x:4:\n");
  const HostView host(root.path());
  const auto user = [&](const char* text) {
    const User user = parse_user(text, host);
    return std::to_string(user.uid) + ":" + std::to_string(user.gid) + " " + user.home;
  };
  EXPECT_EQ(user("www"), "33:34 /var/www");
  EXPECT_EQ(user("33"), "33:34 /var/www");
  EXPECT_EQ(user("www:adm"), "33:4 /var/www");
  EXPECT_EQ(user("1234:7"), "1234:7 /");
  EXPECT_EQ(user("1234"), "1234:0 /");
  for (const char* const wrong : {"", "nobody", "www:none", "-1", "33:", "4294967296"}) {
    EXPECT_THROW(parse_user(wrong, host), Error) << wrong;
  }
}

TEST(Values, Networks) {
  EXPECT_EQ(parse_network("user").kind, Network::Kind::kUser);
  EXPECT_EQ(parse_network("none").kind, Network::Kind::kNone);
  EXPECT_EQ(parse_network("tap:tap0").tap_name, "tap0");
  for (const char* const wrong : {"", "tap", "tap:", "tap:a,b", "tap:sixteen-letters-", "bridge"}) {
    EXPECT_THROW(parse_network(wrong), Error) << wrong;
  }
  EXPECT_EQ(parse_address("192.168.7.2/24,192.168.7.1"), "192.168.7.2/24,192.168.7.1");
  for (const char* const wrong : {"", "1.2.3.4", "1.2.3.4/24", "1.2.3.4/33,1.2.3.1",
                                  "1.2.3/24,1.2.3.1", "1.2.3.4/24,x", "1.2.3.4/24,1.2.3.1,"}) {
    EXPECT_THROW(parse_address(wrong), Error) << wrong;
  }
}

}  // namespace
}  // namespace narwhal::tools
