#include "tools/narwhal/command_line.h"

#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "tools/base/cli.h"
#include "tools/base/error.h"

namespace narwhal::tools {

namespace {

// As typed; checked one by one afterwards, with messages of our own.
struct RawValues {
  std::vector<std::string> ports;
  std::vector<std::string> volumes;
  std::vector<std::string> disks;
  std::vector<std::string> includes;
  std::vector<std::string> environment;
  std::string memory = "1G";
  std::string network = "user";
  std::string address;
  std::string accelerator = "auto";
  std::string platform = "auto";
  std::string machine;
};

constexpr char kExamples[] =
    "Examples:\n"
    "  narwhal run -p 8080:80 nginx -g 'daemon off;'\n"
    "  narwhal run -p 6379:6379 redis-server --protected-mode no\n"
    "  narwhal run -v ./app.py:/app.py python3 /app.py\n"
    "  narwhal run -it busybox sh\n"
    "Options of narwhal stand before the program's name; everything after it belongs to the "
    "program.\n";

class Formatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string) const override {
    if (app->get_parent() == nullptr) return "Usage: narwhal COMMAND [OPTIONS] ...\n";
    const char* const rest =
        app->get_name() == "version" ? "" : " [OPTIONS] PROGRAM [ARGUMENTS...]";
    return fmt::format("Usage: narwhal {}{}\n", app->get_name(), rest);
  }
};

void add_root_options(CLI::App& app, Options& options, RawValues& raw) {
  const std::string group = "Program and files";
  add_list(app, "-v,--volume", raw.volumes, "HOST:GUEST[:ro]",
           "Show a folder of this machine at a place in the guest, or copy a file there", group);
  add_list(app, "--include", raw.includes, "PATH[:GUEST]",
           "Pack this too, with what its links lead to", group);
  add_list(app, "--package", options.packages, "NAME",
           "Pack this Debian package too, with all that it depends on", group);
  add_list(app, "-e,--env", raw.environment, "NAME[=VALUE]",
           "Set an environment variable (NAME alone: to its value here)", group);
  app.add_option("-w,--workdir", options.working_folder, "Start the program in this folder")
      ->type_name("DIR")
      ->group(group);
  app.add_option("-u,--user", options.user, "Start the program as this user, by number or name")
      ->type_name("UID[:GID]")
      ->group(group);
  app.add_option("--net", raw.network, "user (default), tap:NAME, or none")
      ->type_name("KIND")
      ->group("Network");
  app.add_option("--ip", raw.address, "The guest's address (default: what fits --net)")
      ->type_name("ADDR/PREFIX,GW")
      ->group("Network");
  app.add_flag("--verbose", options.verbose, "Say what is done, and why")->group("Watching");
}

void add_machine_options(CLI::App& app, Options& options, RawValues& raw) {
  add_list(app, "-p,--publish", raw.ports, "[ADDR:]HOST:GUEST[/udp]",
           "Forward a port of this machine (of 127.0.0.1 unless ADDR is given)", "Network");

  const std::string machine = "Machine";
  add_list(
      app, "--disk", raw.disks, "FILE[:ro]",
      "Give the guest a file (or a block device) of this machine as a disk: /dev/vda, vdb, ...",
      machine);
  app.add_option("-m,--memory", raw.memory, "Memory, as in 64M or 2G (default 1G)")
      ->type_name("SIZE")
      ->group(machine);
  app.add_option("--cpus", options.processors, "Number of processors (default 1)")
      ->type_name("N")
      ->check(CLI::Range(1, 255))
      ->group(machine);
  app.add_option("--accel", raw.accelerator, "auto (default), kvm, or tcg (software emulation)")
      ->type_name("KIND")
      ->group(machine);
  app.add_option("--platform", raw.platform,
                 "auto (default), vm (a virtual machine), or process (a Linux process)")
      ->type_name("KIND")
      ->group(machine);
  app.add_option("--machine", raw.machine, "microvm (default) or q35")
      ->type_name("KIND")
      ->group(machine);
  app.add_flag("--icount", options.counts_instructions,
               "Let the guest's clock count instructions: slower, but timings repeat")
      ->group(machine);
  app.add_flag("--no-rewrite", options.leaves_calls,
               "With --platform process: leave the program's system calls as they are, which is "
               "slower")
      ->group(machine);
  app.add_option("--kernel", options.kernel, "The kernel's image (default: as it was built)")
      ->type_name("PATH")
      ->group(machine);
  app.add_option("--qemu", options.qemu, "The QEMU to start (default: qemu-system-x86_64)")
      ->type_name("PATH")
      ->group(machine);

  // Without a group, --help does not show it.
  app.add_option("--linux", options.linux_folder, "Boot the Linux kernel of this folder instead")
      ->type_name("FOLDER")
      ->group("");

  const std::string streams = "Standard streams";
  app.add_flag("-i,--interactive")
      ->description("Keep standard input open (it always is)")
      ->group(streams);
  app.add_flag("-t,--tty", options.wants_terminal,
               "Insist on a terminal (the program has one where standard input is one)")
      ->group(streams);

  const std::string watching = "Watching";
  app.add_flag("--strace", options.traces_calls, "Print every system call, as strace does")
      ->group(watching);
  app.add_flag("--kernel-log{info}", options.kernel_log,
               "Show the kernel's messages (=error, warn, info or debug)")
      ->group(watching);
  app.add_flag("--gdb", options.waits_for_debugger,
               "Wait for gdb before starting, and say how to attach it")
      ->group(watching);
  app.add_option("--profile", options.profile,
                 "Write a flame graph of program and kernel to a file (.svg), by perf; with "
                 "--platform process, as root")
      ->type_name("FILE")
      ->group(watching);
  app.add_option("--keep-root", options.root_copy, "Write the root archive to a file, too")
      ->type_name("FILE")
      ->group(watching);
  app.add_flag("--dry-run", options.dry_run, "Show what would be started, and do not start it")
      ->group(watching);
}

template <typename T>
T choose(const std::string& option, const std::string& value, const std::map<std::string, T>& all) {
  const auto at = all.find(value);
  if (at != all.end()) return at->second;
  std::string names;
  for (const auto& [name, meaning] : all) names += (names.empty() ? "" : ", ") + name;
  fail("{} {}: choose one of {}", option, value, names);
}

void take_values(const RawValues& raw, Options& options) {
  for (const std::string& text : raw.ports) options.ports.push_back(parse_port(text));
  for (const std::string& text : raw.volumes) options.volumes.push_back(parse_volume(text));
  for (const std::string& text : raw.disks) options.disks.push_back(parse_disk(text));
  for (const std::string& text : raw.includes) options.includes.push_back(parse_include(text));
  for (const std::string& text : raw.environment) {
    options.environment.push_back(
        parse_environment(text, [](const char* name) -> const char* { return getenv(name); }));
  }
  options.memory = parse_memory(raw.memory);
  options.network = parse_network(raw.network);
  if (!raw.address.empty()) options.address = parse_address(raw.address);
  options.accelerator = choose<AcceleratorWish>("--accel", raw.accelerator,
                                                {{"auto", AcceleratorWish::kAuto},
                                                 {"kvm", AcceleratorWish::kKvm},
                                                 {"tcg", AcceleratorWish::kTcg}});
  options.platform = choose<PlatformWish>("--platform", raw.platform,
                                          {{"auto", PlatformWish::kAuto},
                                           {"vm", PlatformWish::kVm},
                                           {"process", PlatformWish::kProcess}});
  options.names_board = !raw.machine.empty();
  options.is_q35 = options.names_board &&
                   choose<bool>("--machine", raw.machine, {{"microvm", false}, {"q35", true}});
  if (!options.kernel_log.empty()) {
    choose<int>("--kernel-log", options.kernel_log,
                {{"error", 0}, {"warn", 1}, {"info", 2}, {"debug", 3}});
  }
  if (!options.working_folder.starts_with('/')) {
    fail("-w {}: a folder of the guest starts with /", options.working_folder);
  }
  options.working_folder = clean_path(options.working_folder);
  if (!options.ports.empty() && options.network.kind != Network::Kind::kUser) {
    fail("-p works with --net user only; with a TAP device the guest has an address of its own");
  }
  if (!options.address.empty() && options.network.kind == Network::Kind::kNone) {
    fail("--ip and --net none contradict each other");
  }
  if (options.counts_instructions && options.accelerator == AcceleratorWish::kKvm) {
    fail("--icount works in software emulation only; use --accel tcg");
  }
  if (options.counts_instructions && options.processors > 1) {
    fail("--icount works with one processor only");
  }
}

// The first word that is neither an option nor an option's value: there the program's own command
// line starts.
int find_program(const CLI::App& command, int argc, const char* const* argv, int at) {
  while (at < argc) {
    const std::string word = argv[at];
    if (word == "--") return at;
    if (word.size() < 2 || word[0] != '-') return at;
    ++at;
    const bool is_long = word[1] == '-';
    const std::string name = is_long ? word.substr(0, word.find('=')) : word.substr(0, 2);
    const CLI::Option* const option = command.get_option_no_throw(name);
    const bool takes_value = option != nullptr && option->get_items_expected_min() > 0;
    const bool has_value = is_long ? word.find('=') != std::string::npos : word.size() > 2;
    if (takes_value && !has_value) ++at;
  }
  return argc;
}

}  // namespace

Options parse_command_line(int argc, const char* const* argv) {
  Options options;
  RawValues raw;
  CLI::App app("Runs Linux programs, unmodified, in a virtual machine of their own.", "narwhal");
  app.footer(kExamples);
  app.require_subcommand(0, 1);
  const auto formatter = std::make_shared<Formatter>();
  formatter->column_width(34);
  app.formatter(formatter);

  CLI::App* const run = app.add_subcommand("run", "Run a program in a virtual machine");
  CLI::App* const pack = app.add_subcommand("pack", "Write a program's root archive to a file");
  CLI::App* const inspect =
      app.add_subcommand("inspect", "Show what would be packed for a program, and why");
  // With options of its own: tools/conformance.
  app.add_subcommand("conformance",
                     "Run the Linux Test Project natively and in the guest, and compare");
  CLI::App* const version =
      app.add_subcommand("version", "Show versions, and what this machine has");
  for (CLI::App* const command : {run, pack, inspect}) {
    // Said twice, the last one counts: scripts add options to a user's.
    command->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    add_root_options(*command, options, raw);
  }
  add_machine_options(*run, options, raw);
  run->footer(kExamples);
  pack->add_option("-o,--output", options.output, "Where to write it (- for standard output)")
      ->type_name("FILE")
      ->group("Program and files");
  inspect->add_flag("--json", options.as_json, "For programs to read")->group("Watching");

  // CLI11 sees the options; the program's own words stay as they are.
  CLI::App* command = nullptr;
  int program_at = argc;
  if (argc > 1) {
    for (CLI::App* const each : {run, pack, inspect}) {
      if (each->get_name() == argv[1]) command = each;
    }
  }
  if (command != nullptr) program_at = find_program(*command, argc, argv, 2);
  try {
    app.parse(program_at, argv);
  } catch (const CLI::CallForHelp&) {
    fputs((command != nullptr ? command->help() : app.help()).c_str(), stdout);
    return options;
  } catch (const CLI::ParseError& error) {
    fail("{}; narwhal {}--help shows what there is", complaint(error),
         command != nullptr ? command->get_name() + " " : "");
  }
  if (app.get_subcommands().empty()) {
    fputs(app.help().c_str(), stdout);
    return options;
  }
  if (version->parsed()) {
    options.action = Options::Action::kVersion;
    return options;
  }
  take_values(raw, options);
  if (program_at < argc && std::string_view(argv[program_at]) == "--") ++program_at;
  if (program_at >= argc) {
    fail("narwhal {}: which program? Write narwhal {} [OPTIONS] PROGRAM [ARGUMENTS...]",
         command->get_name(), command->get_name());
  }
  options.program = argv[program_at];
  options.arguments.assign(argv + program_at + 1, argv + argc);
  options.action = command == run    ? Options::Action::kRun
                   : command == pack ? Options::Action::kPack
                                     : Options::Action::kInspect;
  return options;
}

}  // namespace narwhal::tools
