#include "net/core/ip_address.h"

#include <gtest/gtest.h>

#include <string>

namespace narwhal {
namespace {

std::string text(const IpAddress& address) {
  Text<64> out;
  out << address;
  return std::string(out.view());
}
std::string round_trip(std::string_view in) {
  auto parsed = parse_ip_address(in);
  return parsed.ok() ? text(parsed.value()) : "EINVAL";
}

TEST(IpAddressTest, Version4RoundTrips) {
  for (auto address : {"0.0.0.0", "127.0.0.1", "10.0.2.15", "255.255.255.255"})
    EXPECT_EQ(round_trip(address), address);
}

TEST(IpAddressTest, Version6IsShortenedAsRfc5952Says) {
  EXPECT_EQ(round_trip("::"), "::");
  EXPECT_EQ(round_trip("::1"), "::1");
  EXPECT_EQ(round_trip("2001:0DB8:0:0:0:0:0:1"), "2001:db8::1");
  EXPECT_EQ(round_trip("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");
  EXPECT_EQ(round_trip("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");
  EXPECT_EQ(round_trip("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");
  EXPECT_EQ(round_trip("fe80::"), "fe80::");
  EXPECT_EQ(round_trip("::ffff:192.0.2.1"), "::ffff:192.0.2.1");
  EXPECT_EQ(round_trip("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
}

TEST(IpAddressTest, WhatIsNoAddressIsRefused) {
  for (auto bad : {"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "1.2.3.4 ", "a.b.c.d",
                   ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "1:",
                   "1:2:3:4:5:6:7:8::", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0"})
    EXPECT_EQ(round_trip(bad), "EINVAL") << bad;
}

TEST(IpAddressTest, MappedAddressesComeBack) {
  const IpAddress address = IpAddress::v4(192, 0, 2, 1);
  EXPECT_TRUE(address.mapped().is_mapped());
  EXPECT_EQ(address.mapped().unmapped(), address);
  EXPECT_FALSE(IpAddress::loopback(IpVersion::k6).is_mapped());
}

TEST(IpAddressTest, ZonesTellLinkLocalAddressesApart) {
  IpAddress a = parse_ip_address("fe80::1").take();
  IpAddress b = a;
  EXPECT_EQ(a, b);
  a.zone = 2;
  EXPECT_EQ(a, b);
  b.zone = 3;
  EXPECT_FALSE(a == b);
}

}  // namespace
}  // namespace narwhal
