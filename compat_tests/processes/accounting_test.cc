// Process accounting: acct(2), acct(5).
#include <sys/acct.h>
#include <sys/stat.h>

#include "compat_tests/common/files.h"
#include "compat_tests/processes/again.h"

namespace compat {
namespace {

class Accounting : public testing::Test {
 protected:
  void SetUp() override {
    if (acct(nullptr) != 0) GTEST_SKIP() << "no right to account, or nothing to do it";
    write_file(path, "");
  }
  void TearDown() override { acct(nullptr); }
  // The records of `pid`.
  std::vector<acct_v3> records(pid_t pid) {
    const std::string all = read_file(path);
    EXPECT_EQ(0u, all.size() % sizeof(acct_v3));
    std::vector<acct_v3> found;
    for (size_t at = 0; at + sizeof(acct_v3) <= all.size(); at += sizeof(acct_v3)) {
      acct_v3 record;
      memcpy(&record, all.data() + at, sizeof record);
      if (pid_t(record.ac_pid) == pid) found.push_back(record);
    }
    return found;
  }

  TempDir dir;
  const std::string path = dir / "records";
};

TEST_F(Accounting, RecordsWhatEnds) {
  ASSERT_OK(acct(path.c_str()));
  const time_t before = time(nullptr);
  const pid_t pid = spawn([] { return 7; });
  ASSERT_EQ(7, outcome(pid));
  const auto found = records(pid);
  ASSERT_EQ(1u, found.size()) << "when its parent hears of the end";
  const acct_v3& record = found[0];
  EXPECT_EQ(3, record.ac_version & 0xf);
  EXPECT_EQ(7u << 8, record.ac_exitcode);
  EXPECT_EQ(AFORK, record.ac_flag & (AFORK | ACORE | AXSIG));
  EXPECT_EQ(getuid(), record.ac_uid);
  EXPECT_EQ(getgid(), record.ac_gid);
  EXPECT_EQ(getpid(), pid_t(record.ac_ppid));
  EXPECT_NEAR(double(before), double(record.ac_btime), 5);
  EXPECT_LT(record.ac_etime, 100 * 60);
  EXPECT_GT(record.ac_mem, 0);
  std::string name = read_file("/proc/self/comm");
  name.pop_back();
  EXPECT_EQ(name, record.ac_comm);
}

TEST_F(Accounting, RecordsSignals) {
  ASSERT_OK(acct(path.c_str()));
  const pid_t pid = spawn_sleeper();
  end_child(pid);
  const auto found = records(pid);
  ASSERT_EQ(1u, found.size());
  EXPECT_EQ(unsigned(SIGKILL), found[0].ac_exitcode);
  EXPECT_EQ(AFORK | AXSIG, found[0].ac_flag & (AFORK | ACORE | AXSIG));
}

TEST_F(Accounting, KnowsProgramsFromTheirMakers) {
  ASSERT_OK(acct(path.c_str()));
  const pid_t pid = spawn([] {
    execl("/proc/self/exe", "again", "--gtest_list_tests", "--gtest_filter=None.*", nullptr);
    return 1;
  });
  outcome(pid);
  const auto found = records(pid);
  ASSERT_EQ(1u, found.size());
  EXPECT_EQ(0, found[0].ac_flag & (AFORK | AXSIG));
}

TEST_F(Accounting, Appends) {
  ASSERT_OK(acct(path.c_str()));
  const pid_t one = spawn([] { return 0; });
  outcome(one);
  const pid_t two = spawn([] { return 0; });
  outcome(two);
  EXPECT_EQ(1u, records(one).size());
  EXPECT_EQ(1u, records(two).size());
  ASSERT_OK(acct(nullptr));
  const pid_t three = spawn([] { return 0; });
  outcome(three);
  EXPECT_EQ(0u, records(three).size());
}

TEST_F(Accounting, Refuses) {
  EXPECT_ERRNO(ENOENT, acct((dir / "none").c_str()));
  EXPECT_ERRNO(EISDIR, acct(dir.path().c_str()));
  EXPECT_ERRNO(EACCES, acct("/dev/null"));
  EXPECT_ERRNO(ENOTDIR, acct((path + "/x").c_str()));
  EXPECT_ERRNO(EFAULT, acct(bad_pointer<char>()));
  EXPECT_EQ(EPERM, run_child([&] {
              if (setuid(4711) != 0) return 0;
              return acct(path.c_str()) == -1 ? errno : 0;
            }));
}

}  // namespace
}  // namespace compat
