#include "tools/conformance/kernel_settings.h"

#include <gtest/gtest.h>

#include "tools/base/files.h"
#include "tools/base/test_root.h"

namespace narwhal::tools {
namespace {

TEST(KernelSettings, PutsBackWhatWasChanged) {
  const TestRoot root;
  root.file("/kernel/pid_max", "32768\n");
  root.file("/vm/swappiness", "60\n");
  const KernelSettings settings(root.path());
  root.file("/kernel/pid_max", "400\n");
  settings.restore();
  EXPECT_EQ(read_file(root.path("/kernel/pid_max")), "32768\n");
  EXPECT_EQ(read_file(root.path("/vm/swappiness")), "60\n");
}

TEST(KernelSettings, LeavesAloneWhatChangesByItselfAndWhatCannotBeWritten) {
  const TestRoot root;
  root.file("/kernel/random/entropy_avail", "256\n");
  root.file("/kernel/ns_last_pid", "100\n");
  root.file("/kernel/osrelease", "6.1\n", 0444);
  const KernelSettings settings(root.path());
  for (const char* const name : {"/random/entropy_avail", "/ns_last_pid", "/osrelease"}) {
    root.file(std::string("/kernel") + name, "changed\n", 0644);
  }
  settings.restore();
  for (const char* const name : {"/random/entropy_avail", "/ns_last_pid", "/osrelease"}) {
    EXPECT_EQ(read_file(root.path(std::string("/kernel") + name)), "changed\n") << name;
  }
}

}  // namespace
}  // namespace narwhal::tools
