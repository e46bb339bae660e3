// Whole files in, whole buffers out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace narwhal::tools {

// The contents of a file of any kind; nullopt, with errno set, when it cannot be opened or read.
std::optional<std::string> read_file(const std::string& path);

// The same behind what is in `to` already, for a path from an open folder (openat(2)); false, with
// errno set and `to` as it was, when it cannot.
bool append_file(int folder, const std::string& path, std::string& to);

// Writes everything, however many calls that takes; false, with errno set, when it cannot.
bool write_all(int fd, std::string_view data);

// "1.5 MiB", "312 bytes": for messages.
std::string format_size(unsigned long long bytes);

}  // namespace narwhal::tools
