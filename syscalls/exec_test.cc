// execve(2) of files that are no good, under the sanitizers: each ends in an error and leaves the
// caller as it was.
#include <fcntl.h>

#include "loader/testing/byte_string_source.h"
#include "loader/testing/malformed.h"
#include "syscalls/testing/file_program.h"

namespace narwhal {
namespace {

using namespace testing;

class ExecTest : public FileProgram {
 protected:
  // What execve(2) says to a child.
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

// Programs that start cannot be tried here: there is no processor that would run them.
TEST_F(ExecTest, MalformedFilesAreRefused) {
  int tried = 0;
  for (const MalformedFile& file : malformed_files()) {
    SCOPED_TRACE(file.name);
    const bool needs_proc = file.bytes.find("/proc") != file.bytes.npos;
    const bool needs_dev = file.bytes.find("/dev") != file.bytes.npos;
    if (file.on_linux.kind == ExecOutcome::kError && !needs_proc && !needs_dev) {
      EXPECT_EQ(Outcome{-file.on_linux.value}, Outcome{execute_bytes(file.bytes)});
      ++tried;
    }
    ByteStringSource source(file.bytes);
    if (file.on_linux.kind == ExecOutcome::kKilled && !read_elf(source).ok()) {
      EXPECT_EQ(Outcome{-ENOEXEC}, Outcome{execute_bytes(file.bytes)});
      ++tried;
    }
  }
  EXPECT_GT(tried, 30);
}

TEST_F(ExecTest, ScriptsThatLeadNowhere) {
  EXPECT_EQ(Outcome{-ENOENT}, Outcome{execute_bytes("#!/no/such/interpreter\n")});
  EXPECT_EQ(Outcome{-ENOEXEC}, Outcome{execute_bytes("#!\n")});
  EXPECT_EQ(Outcome{-ELOOP}, Outcome{execute_bytes("#!program\n")});
  EXPECT_EQ(Outcome{-EACCES}, Outcome{execute_bytes("#!/t\n")});
}

}  // namespace
}  // namespace narwhal
