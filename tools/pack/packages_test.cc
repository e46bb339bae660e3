#include "tools/pack/packages.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

constexpr char kStatus[] =
    "Package: server\n"
    "Status: install ok installed\n"
    "Architecture: amd64\n"
    "Depends: libc6 (>= 2.34), server-common | other, gone:any\n"
    "Recommends: extra\n"
    "Description: a server\n"
    " Depends: this line continues the description\n"
    "\n"
    "Package: server-common\n"
    "Status: install ok installed\n"
    "Source: server (1.0)\n"
    "Architecture: all\n"
    "\n"
    "Package: removed\n"
    "Status: deinstall ok config-files\n"
    "\n"
    "Package: libc6\n"
    "Status: install ok installed\n"
    "Source: glibc\n"
    "Architecture: amd64\n";

TEST(Packages, ReadsTheStatusFile) {
  const auto packages = parse_package_status(kStatus);
  EXPECT_EQ(packages.size(), 3u);
  const Package& server = packages.at("server");
  EXPECT_EQ(server.source, "server");
  EXPECT_FALSE(server.is_for_all_machines);
  EXPECT_EQ(server.depends, (std::vector<std::string>{"libc6", "server-common"}));
  EXPECT_TRUE(server.recommends.empty());
  EXPECT_EQ(packages.at("server-common").source, "server");
  EXPECT_TRUE(packages.at("server-common").is_for_all_machines);
  EXPECT_TRUE(parse_package_status("").empty());
  EXPECT_TRUE(parse_package_status("no colon here\n:\n\n\n").empty());
}

class PackageDatabaseTest : public testing::Test {
 protected:
  PackageDatabaseTest() {
    root.file("/var/lib/dpkg/status", kStatus);
    root.file("/var/lib/dpkg/info/server.list", "/.\n/usr\n/usr/sbin\n/usr/sbin/server\n");
    root.file("/var/lib/dpkg/info/server-common.list", "/.\n/usr\n/etc/server\n/bin/tool\n");
    root.file("/var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib/x86_64-linux-gnu/libc.so.6\n");
    root.file("/var/lib/dpkg/info/libc6:i386.list", "/.\n/lib/i386-linux-gnu/libc.so.6\n");
  }

  static std::vector<std::string> names(const std::vector<const Package*>& packages) {
    std::vector<std::string> names;
    for (const Package* const package : packages) names.push_back(package->name);
    return names;
  }

  TestRoot root;
};

TEST_F(PackageDatabaseTest, FindsOwners) {
  const HostView host(root.path());
  PackageDatabase packages(host);
  using Names = std::vector<std::string>;
  EXPECT_TRUE(packages.is_present());
  EXPECT_EQ(names(packages.owners("/usr/sbin/server")), Names{"server"});
  EXPECT_EQ(names(packages.owners("/usr")), (Names{"server", "server-common"}));
  EXPECT_EQ(names(packages.owners("/usr/sbin/serve")), Names{});
  EXPECT_EQ(names(packages.owners("/usr/sbin/server2")), Names{});
  // Listed without /usr, asked for with it, and the other way round.
  EXPECT_EQ(names(packages.owners("/usr/bin/tool")), Names{"server-common"});
  EXPECT_EQ(names(packages.owners("/sbin/server")), Names{"server"});
  EXPECT_EQ(names(packages.owners("/usr/lib/x86_64-linux-gnu/libc.so.6")), Names{"libc6"});
  EXPECT_EQ(names(packages.owners("/lib/i386-linux-gnu/libc.so.6")), Names{});
}

TEST_F(PackageDatabaseTest, KnowsWherePackagesPutNothing) {
  root.file("/var/lib/dpkg/info/server.list",
            "/usr/local/bin/tool\n/home/user/tool\n/opt/server\n/var/lib/server\n");
  const HostView host(root.path());
  PackageDatabase packages(host);
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(packages.owners("/opt/server")), Names{"server"});
  EXPECT_EQ(names(packages.owners("/var/lib/server")), Names{"server"});
  EXPECT_EQ(names(packages.owners("/home/user/tool")), Names{});
  EXPECT_EQ(names(packages.owners("/usr/local/bin/tool")), Names{});
}

TEST_F(PackageDatabaseTest, SurvivesAListThatIsGone) {
  const HostView host(root.path());
  PackageDatabase packages(host);
  std::filesystem::remove(root.path("/var/lib/dpkg/info/server-common.list"));
  EXPECT_EQ(names(packages.owners("/usr")), std::vector<std::string>{"server"});
}

TEST_F(PackageDatabaseTest, ListsFiles) {
  const HostView host(root.path());
  const PackageDatabase packages(host);
  const Package* const server = packages.find("server");
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(packages.files(*server),
            (std::vector<std::string>{"/usr", "/usr/sbin", "/usr/sbin/server"}));
  EXPECT_EQ(packages.find("removed"), nullptr);
}

TEST(PackageDatabase, IsAbsentOnOtherMachines) {
  const TestRoot root;
  const HostView host(root.path());
  PackageDatabase packages(host);
  EXPECT_FALSE(packages.is_present());
  EXPECT_TRUE(packages.owners("/usr").empty());
}

}  // namespace
}  // namespace narwhal::tools
