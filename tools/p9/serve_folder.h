// The server as a process of its own.
#pragma once

namespace narwhal::tools {

// `serve-folder SOCKET FOLDER ro|rw`: serves the folder behind one descriptor of this process on
// another until that ends, with no rights but those on the folder's files. What `narwhal run`
// starts for `-v`; not for people. Returns the exit status.
int serve_folder(int argc, const char* const* argv);

}  // namespace narwhal::tools
