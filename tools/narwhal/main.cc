// The narwhal command: see README.md, or narwhal --help.
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <exception>
#include <string_view>

#include "tools/base/error.h"
#include "tools/conformance/conformance.h"
#include "tools/disk/serve_disk.h"
#include "tools/narwhal/command_line.h"
#include "tools/narwhal/profile.h"
#include "tools/narwhal/run.h"
#include "tools/p9/serve_folder.h"

namespace {

// A descriptor that we open must not become somebody's standard output because that one was closed.
void open_standard_streams() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

int act(int argc, char** argv) {
  using narwhal::tools::Options;
  if (argc > 1 && std::string_view(argv[1]) == "conformance") {
    return narwhal::tools::conformance(argv[0], argc - 1, argv + 1);
  }
  if (argc > 1 && std::string_view(argv[1]) == "serve-folder")
    return narwhal::tools::serve_folder(argc - 1, argv + 1);
  if (argc > 1 && std::string_view(argv[1]) == "serve-disk")
    return narwhal::tools::serve_disk(argc - 1, argv + 1);
  const Options options = narwhal::tools::parse_command_line(argc, argv);
  switch (options.action) {
    case Options::Action::kRun:
      if (!options.profile.empty()) narwhal::tools::profile(options, argc, argv);
      return narwhal::tools::run(options, argv[0]);
    case Options::Action::kPack:
      return narwhal::tools::pack(options);
    case Options::Action::kInspect:
      return narwhal::tools::inspect(options);
    case Options::Action::kVersion:
      return narwhal::tools::show_version(argv[0]);
    case Options::Action::kNothing:
      return 0;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  try {
    return act(argc, argv);
  } catch (const narwhal::tools::Error& error) {
    fmt::print(stderr, "narwhal: {}\n", error.what());
    return error.status();
  } catch (const std::exception& error) {
    fmt::print(stderr, "narwhal: {}\n", error.what());
    return narwhal::tools::kFailed;
  }
}
