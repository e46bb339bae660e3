#include "tools/narwhal/absent.h"

#include <gtest/gtest.h>

#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

class Absent : public testing::Test {
 protected:
  Absent() {
    machine_.file("/usr/bin/mawk", "", 0755);
    machine_.link("/usr/bin/awk", "mawk");
    machine_.file("/opt/own/bin/tool", "", 0755);
    machine_.file("/usr/bin/notes", "", 0644);
    machine_.file("/srv/data", "");
    machine_.file("/var/lib/dpkg/status",
                  "Package: mawk\nStatus: install ok installed\nArchitecture: amd64\n\n");
    machine_.file("/var/lib/dpkg/info/mawk.list", "/.\n/usr/bin/mawk\n");
    root_.add("/usr/bin/sed", RootEntry::directory(0755, "test"));
    root_.add("/usr/bin/tr", RootEntry::directory(0755, "test"));
  }

  std::string hint(const std::vector<std::string>& absent,
                   const std::vector<std::string>& arguments = {}) {
    return hint_about_absent(absent, HostView(machine_.path()), root_, arguments);
  }

  TestRoot machine_;
  RootTree root_;
};

TEST_F(Absent, NamesProgramsOfThisMachineAndTheirPackages) {
  EXPECT_EQ(hint({"/usr/local/bin/awk", "/usr/bin/awk", "/usr/sbin/awk"}),
            "narwhal: the guest has no awk; --package mawk or --include /usr/bin/awk brings it "
            "along\n");
  EXPECT_EQ(hint({"/opt/own/bin/tool"}),
            "narwhal: the guest has no tool; --include /opt/own/bin/tool brings it along\n");
}

TEST_F(Absent, SaysNothingOfWhatTheGuestHasElsewhereOrThisMachineLacks) {
  EXPECT_EQ(hint({}), "");
  EXPECT_EQ(hint({"/usr/local/bin/sed", "/bin/tr", "/usr/bin/no-such-program"}), "");
  EXPECT_EQ(hint({"/usr/bin/notes"}), "");
}

TEST_F(Absent, NamesFilesThatArgumentsName) {
  EXPECT_EQ(hint({"/srv/data"}), "");
  EXPECT_EQ(hint({"/srv/data"}, {"-c", "/srv/data"}),
            "narwhal: the guest has no /srv/data; --include /srv/data brings it along\n");
  EXPECT_EQ(hint({"/srv/data"}, {"--file=/srv/data"}),
            "narwhal: the guest has no /srv/data; --include /srv/data brings it along\n");
  EXPECT_EQ(hint({"/srv/nothing"}, {"/srv/nothing"}), "");
}

}  // namespace
}  // namespace narwhal::tools
