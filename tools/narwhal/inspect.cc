#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/unique_fd.h"
#include "tools/narwhal/checks.h"
#include "tools/narwhal/plan.h"
#include "tools/narwhal/platform.h"
#include "tools/narwhal/run.h"
#include "tools/pack/archive_writer.h"

namespace narwhal::tools {

namespace {

constexpr char kVersion[] = "0.1.0";
constexpr size_t kBiggestShown = 15;

void show_program(const PackPlan& plan) {
  fmt::print("program      {}\n", plan.program.path);
  for (const std::string& path : plan.program.scripts) fmt::print("  script     {}\n", path);
  for (const std::string& path : plan.program.binaries) fmt::print("  binary     {}\n", path);
  fmt::print("loader       {}\n",
             plan.interpreter.empty() ? "none: a static program" : plan.interpreter);
}

void show_libraries(const PackPlan& plan) {
  if (!plan.libraries.empty()) fmt::print("libraries\n");
  for (const LoadedLibrary& library : plan.libraries) {
    fmt::print("  {:<28} {}  (for {}, through {})\n", library.name, library.path, library.asked_by,
               library.found_through);
  }
  for (const MissingLibrary& library : plan.missing) {
    fmt::print("  {:<28} MISSING, for {}: the program cannot start\n", library.name,
               library.asked_by);
  }
  for (const MissingLibrary& library : plan.missing_extras) {
    fmt::print("  {:<28} missing, for {}: that cannot be loaded\n", library.name, library.asked_by);
  }
}

// The reasons why files are there, with how much each brings.
void show_reasons(const PackPlan& plan) {
  struct Share {
    size_t files = 0;
    uint64_t bytes = 0;
  };
  std::map<std::string, Share> shares;
  for (const auto& [path, entry] : plan.root.entries()) {
    // "library of /usr/bin/x" and "library of /usr/bin/y" are one reason here.
    const std::string reason = entry.why.starts_with("library of ") ? "libraries" : entry.why;
    ++shares[reason].files;
    shares[reason].bytes += entry.size;
  }
  std::vector<std::pair<std::string, Share>> sorted(shares.begin(), shares.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  fmt::print("files and why they are there\n");
  for (const auto& [reason, share] : sorted) {
    fmt::print("  {:>12} in {:>5}  {}\n", format_size(share.bytes), share.files, reason);
  }
}

void show_biggest(const PackPlan& plan) {
  std::vector<std::pair<uint64_t, std::string>> sizes;
  for (const auto& [path, entry] : plan.root.entries()) {
    if (entry.is_regular()) sizes.emplace_back(entry.size, path);
  }
  std::sort(sizes.rbegin(), sizes.rend());
  if (sizes.size() > kBiggestShown) sizes.resize(kBiggestShown);
  fmt::print("biggest files\n");
  for (const auto& [size, path] : sizes) fmt::print("  {:>12}  {}\n", format_size(size), path);
}

std::string type_letters(const RootEntry& entry) {
  switch (entry.mode & S_IFMT) {
    case S_IFDIR:
      return "d";
    case S_IFLNK:
      return "l";
    case S_IFREG:
      return "-";
    case S_IFIFO:
      return "p";
    case S_IFCHR:
      return "c";
    default:
      return "b";
  }
}

void show_entries(const PackPlan& plan) {
  fmt::print("everything\n");
  for (const auto& [path, entry] : plan.root.entries()) {
    fmt::print("  {}{:04o} {:>5}:{:<5} {:>10} {}{}{}  ({})\n", type_letters(entry),
               entry.mode & 07777, entry.uid, entry.gid, entry.size, path,
               entry.is_link() ? " -> " : "", entry.is_link() ? entry.content : "", entry.why);
  }
}

nlohmann::json as_json(const PackPlan& plan) {
  nlohmann::json json;
  json["program"] = plan.program.path;
  json["scripts"] = plan.program.scripts;
  json["binaries"] = plan.program.binaries;
  json["loader"] = plan.interpreter;
  json["packages"] = plan.packages;
  json["notes"] = plan.notes;
  json["size"] = plan.root.total_size();
  json["libraries"] = nlohmann::json::array();
  for (const LoadedLibrary& library : plan.libraries) {
    json["libraries"].push_back({{"name", library.name},
                                 {"path", library.path},
                                 {"for", library.asked_by},
                                 {"through", library.found_through}});
  }
  json["missing"] = nlohmann::json::array();
  for (const auto* const list : {&plan.missing, &plan.missing_extras}) {
    for (const MissingLibrary& library : *list) {
      json["missing"].push_back(
          {{"name", library.name}, {"for", library.asked_by}, {"fatal", list == &plan.missing}});
    }
  }
  json["files"] = nlohmann::json::array();
  for (const auto& [path, entry] : plan.root.entries()) {
    nlohmann::json file = {{"path", path},     {"mode", entry.mode}, {"uid", entry.uid},
                           {"gid", entry.gid}, {"size", entry.size}, {"source", entry.source},
                           {"why", entry.why}};
    if (entry.is_link()) file["target"] = entry.content;
    json["files"].push_back(std::move(file));
  }
  return json;
}

}  // namespace

int inspect(const Options& options) {
  const HostView host;
  const PackPlan plan = plan_for(host, options);
  if (options.as_json) {
    // File names need not be UTF-8.
    fmt::print("{}\n", as_json(plan).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    return plan.missing.empty() ? 0 : kNotExecutable;
  }
  show_program(plan);
  show_libraries(plan);
  if (!plan.packages.empty()) fmt::print("packages     {}\n", fmt::join(plan.packages, " "));
  show_reasons(plan);
  show_biggest(plan);
  if (options.verbose) show_entries(plan);
  for (const std::string& note : plan.notes) fmt::print("note: {}\n", note);
  fmt::print("in all {} in {} files, folders and links{}\n", format_size(plan.root.total_size()),
             plan.root.entries().size(),
             options.verbose ? "" : " (--verbose lists them, --include adds some)");
  return plan.missing.empty() ? 0 : kNotExecutable;
}

int pack(const Options& options) {
  if (options.output.empty()) fail("narwhal pack: write -o FILE before the program's name");
  const HostView host;
  const PackPlan plan = plan_for(host, options);
  require_complete(plan);
  UniqueFd file;
  int output = STDOUT_FILENO;
  if (options.output != "-") {
    file.reset(open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file) fail("cannot write {}: {}", options.output, strerror(errno));
    output = file.get();
  }
  const ArchiveSummary summary = write_archive(plan.root, plan.settings.records(), output);
  for (const auto* const notes : {&plan.notes, &summary.notes}) {
    for (const std::string& note : *notes) {
      if (options.verbose) fmt::print(stderr, "narwhal: {}\n", note);
    }
  }
  if (options.verbose) {
    fmt::print(stderr, "narwhal: {}: {} in {} members\n", options.output,
               format_size(summary.bytes), summary.members);
  }
  return 0;
}

int show_version(const std::string& command_name) {
  fmt::print("narwhal {}\n", kVersion);
  try {
    fmt::print("kernel: {}\n", find_kernel("", command_name, false));
  } catch (const Error& error) {
    fmt::print("kernel: none ({})\n", error.what());
  }
  const Platform platform = choose_platform(Options(), look_at_host(command_name));
  fmt::print("platform: {}{}\n", platform.is_process ? "" : "vm, ", platform.reason);
  return 0;
}

}  // namespace narwhal::tools
