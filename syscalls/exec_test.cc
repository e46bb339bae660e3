// execve(2) of files that are no good, under the sanitizers: each ends in an error and leaves the
// caller as it was, or becomes a program.
#include <fcntl.h>

#include "loader/testing/malformed.h"
#include "syscalls/testing/file_program.h"

namespace narwhal {
namespace {

using namespace testing;

class ExecTest : public FileProgram {
 protected:
  // What execve(2) says to a child; 0 when it goes through.
  i64 execute(std::string_view path) {
    i64 result = 1;
    const i32 pid = test_program::fork([&] { result = call(SYS_execve, path, 0, 0); });
    EXPECT_GT(pid, 0);
    EXPECT_EQ(test_program::wait_for(pid), 0);
    return result;
  }
  i64 execute_bytes(std::string_view bytes) {
    EXPECT_CALL_IS(0, SYS_close, make_file("program", bytes));
    EXPECT_CALL_IS(0, SYS_chmod, "program", 0755);
    const i64 result = execute("program");
    EXPECT_CALL_IS(0, SYS_unlink, "program");
    return result;
  }
};

TEST_F(ExecTest, MalformedFilesAreRefused) {
  for (const MalformedFile& file : malformed_files()) {
    SCOPED_TRACE(file.name);
    const i64 result = execute_bytes(file.bytes);
    switch (file.on_linux.kind) {
      case ExecOutcome::kError:
        // There is no /proc and no /dev here.
        if (file.bytes.find("/proc") == file.bytes.npos &&
            file.bytes.find("/dev") == file.bytes.npos)
          EXPECT_EQ(Outcome{-file.on_linux.value}, Outcome{result});
        break;
      case ExecOutcome::kExited:
        EXPECT_EQ(Outcome{0}, Outcome{result});
        break;
      default:
        EXPECT_LE(result, 0);
    }
  }
}

TEST_F(ExecTest, ScriptsThatLeadNowhere) {
  EXPECT_EQ(Outcome{-ENOENT}, Outcome{execute_bytes("#!/no/such/interpreter\n")});
  EXPECT_EQ(Outcome{-ENOEXEC}, Outcome{execute_bytes("#!\n")});
  EXPECT_EQ(Outcome{-ELOOP}, Outcome{execute_bytes("#!program\n")});
  EXPECT_EQ(Outcome{-EACCES}, Outcome{execute_bytes("#!/t\n")});
}

TEST_F(ExecTest, AProgramCannotBeWrittenWhileItRuns) {
  EXPECT_CALL_IS(0, SYS_close, make_file("program", ProgramImage().build()));
  EXPECT_CALL_IS(0, SYS_chmod, "program", 0755);
  i64 opened = 0;
  const i32 pid = test_program::fork([&] {
    ASSERT_CALL_IS(0, SYS_execve, "program", 0, 0);
    test_program::let_others_run();
  });
  test_program::let_others_run();
  opened = call(SYS_open, "program", O_WRONLY);
  EXPECT_EQ(Outcome{-ETXTBSY}, Outcome{opened});
  EXPECT_EQ(test_program::wait_for(pid), 0);
  EXPECT_GE(call(SYS_open, "program", O_WRONLY), 0);
}

}  // namespace
}  // namespace narwhal
