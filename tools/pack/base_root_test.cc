#include "tools/pack/base_root.h"

#include <gtest/gtest.h>

#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

TEST(BaseRoot, LeavesPeopleAtHome) {
  EXPECT_EQ(system_users("root:secret:0:0:root:/root:/bin/bash\n"
                         "www-data:x:33:33::/var/www:/usr/sbin/nologin\n"
                         "alice:x:1000:1000:Alice:/home/alice:/bin/bash\n"
                         "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
                         "broken line\n"),
            "root:x:0:0:root:/root:/bin/bash\n"
            "www-data:x:33:33::/var/www:/usr/sbin/nologin\n"
            "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n");
  EXPECT_EQ(system_users("alice:x:1000:1000::/home/alice:/bin/bash\n", "alice"),
            "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/bash\n");
  EXPECT_EQ(system_groups("root:x:0:\nadm:x:4:alice\nalice:x:1000:\n"), "root:x:0:\nadm:x:4:\n");
}

TEST(BaseRoot, LeavesOutNameServersOfTheMachineItself) {
  EXPECT_EQ(reachable_name_servers("# made by x\nnameserver 127.0.0.53\nnameserver 192.0.2.1\n"
                                   "search example.org\nsortlist 1.2.3.4\n"),
            "nameserver 192.0.2.1\nsearch example.org\n");
}

class BaseRootTest : public testing::Test {
 protected:
  RootTree make(const BaseSettings& settings) {
    const HostView host(root.path());
    RootTree tree;
    Importer importer(host, tree, notes);
    add_base_root(host, settings, importer, tree);
    return tree;
  }
  std::string text(const RootTree& tree, const std::string& path) {
    const RootEntry* const entry = tree.find(path);
    return entry == nullptr ? "(none)" : entry->content;
  }

  TestRoot root;
  std::vector<std::string> notes;
};

TEST_F(BaseRootTest, HasWhatProgramsExpect) {
  root.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
  root.file("/etc/services", "http 80/tcp\n");
  root.file("/usr/share/zoneinfo/UTC", "TZif");
  root.link("/etc/localtime", "/usr/share/zoneinfo/UTC");
  root.file("/etc/ssl/certs/ca-certificates.crt", "PEM");
  root.file("/etc/shadow", "root:hash\n");
  root.folder("/usr/bin");
  root.link("/bin", "usr/bin");
  const RootTree tree = make({.hostname = "guest", .name_servers = {"10.0.2.3"}});
  EXPECT_EQ(text(tree, "/etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
  EXPECT_EQ(text(tree, "/etc/group"), "root:x:0:\n");
  EXPECT_EQ(text(tree, "/etc/hostname"), "guest\n");
  EXPECT_EQ(text(tree, "/etc/resolv.conf"), "nameserver 10.0.2.3\n");
  EXPECT_NE(text(tree, "/etc/hosts").find("127.0.1.1\tguest\n"), std::string::npos);
  EXPECT_NE(text(tree, "/etc/nsswitch.conf").find("hosts: files dns"), std::string::npos);
  ASSERT_NE(tree.find("/etc/localtime"), nullptr);
  EXPECT_TRUE(tree.find("/etc/localtime")->is_link());
  ASSERT_NE(tree.find("/usr/share/zoneinfo/UTC"), nullptr);
  ASSERT_NE(tree.find("/etc/ssl/certs/ca-certificates.crt"), nullptr);
  EXPECT_TRUE(tree.find("/bin")->is_link());
  EXPECT_EQ(tree.find("/tmp")->mode, static_cast<mode_t>(S_IFDIR | 01777));
  EXPECT_EQ(tree.find("/proc")->mode, static_cast<mode_t>(S_IFDIR | 0555));
  EXPECT_EQ(tree.find("/etc/shadow"), nullptr);
}

TEST_F(BaseRootTest, TakesTheMachinesNameServersWhenAsked) {
  root.file("/etc/resolv.conf", "nameserver 127.0.0.53\n");
  root.file("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.7\n");
  EXPECT_EQ(text(make({.hostname = "x", .name_servers = {}, .copy_name_servers = true}),
                 "/etc/resolv.conf"),
            "nameserver 192.0.2.7\n");
}

}  // namespace
}  // namespace narwhal::tools
