// For tests: takes QEMU's place and plays a guest on its ports. What it plays is the program's
// first argument, which it reads where the kernel would: in the archive's settings.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/base/files.h"

namespace {

using narwhal::tools::write_all;

std::map<std::string, int> ports;

void say(const std::string& line) {
  write_all(ports.at("control"), line + "\n");
}

// Values of "arg=" in the archive's first member.
std::vector<std::string> arguments_in(const std::string& archive) {
  const std::string bytes = narwhal::tools::read_file(archive).value_or("");
  std::vector<std::string> found;
  const size_t start = bytes.find(".narwhal/boot");
  const size_t end = bytes.find("070701", start);
  for (size_t at = start; (at = bytes.find("arg=", at)) < end; ++at) {
    if (bytes[at - 1] == '\0') found.emplace_back(bytes.c_str() + at + strlen("arg="));
  }
  return found;
}

std::string next_line() {
  std::string line;
  char c;
  while (read(ports.at("control"), &c, 1) == 1 && c != '\n') line += c;
  return line;
}

void copy_input(const std::string& status) {
  char bytes[4096];
  ssize_t got;
  while ((got = read(ports.at("stdin"), bytes, sizeof bytes)) > 0) {
    write_all(ports.at("stdout"), std::string_view(bytes, static_cast<size_t>(got)));
  }
  say("exit " + status);
}

int play(const std::vector<std::string>& arguments) {
  const std::string part = arguments.size() > 1 ? arguments[1] : "";
  const std::string value = arguments.size() > 2 ? arguments[2] : "0";
  if (part == "complain") {
    fputs(arguments.size() > 2 ? (value + "\n").c_str() : "qemu: the cable is not plugged in\n",
          stderr);
    return 1;
  }
  if (part == "vanish") return 3;
  if (part == "stuck") {
    pause();
  } else if (part == "refuse") {
    say("error the program's header is damaged");
    say("exit 126");
    return 0;
  }
  write_all(ports.at("serial"), "[0.000001] narwhal: booted\n");
  say("started");
  if (part == "cat") {
    copy_input(value);
  } else if (part == "speak") {
    write_all(ports.at("stdout"), "to stdout\n");
    write_all(ports.at("stderr"), "to stderr\n");
    say("exit " + value);
  } else if (part == "flood") {
    write_all(ports.at("stdout"), std::string(strtoul(value.c_str(), nullptr, 10), 'x'));
    say("exit 0");
  } else if (part == "signal" || part == "slow") {
    write_all(ports.at("stdout"), "ready\n");
    const std::string line = next_line();
    if (part == "slow") usleep(200000);
    say("killed " + line.substr(line.find(' ') + 1));
  } else if (part == "keys" || part == "quiet") {
    const char ignored = part == "keys" ? 'x' : 'C' - '@';
    write_all(ports.at("stdout"), "ready\r\n");
    char key = 0;
    while (read(ports.at("stdin"), &key, 1) == 1 && key == ignored) {
    }
    say("exit " + std::to_string(key));
  } else if (part == "deaf") {
    write_all(ports.at("stdout"), "ready\n");
    pause();
  } else if (part == "die") {
    say("killed " + value);
  } else if (part == "miss") {
    say("missing frobnicate 999");
    say("exit " + value);
  } else if (part == "lack") {
    say("absent /usr/local/bin/env");
    say("absent /usr/local/bin/no-such-program");
    say("exit " + value);
  } else if (part == "starve") {
    write_all(ports.at("serial"),
              "[1.000002] narwhal: error: out of memory: killed process 1 (glutton)\n");
    say("killed 9");
  } else if (part == "panic") {
    write_all(ports.at("serial"), "[0.000002] narwhal: rax=1\n");
    write_all(ports.at("serial"), "[0.000003] narwhal: error: panic: the books do not balance\n");
  } else if (part == "cut") {
    return 0;
  }
  return 1;  // as isa-debug-exit does: never 0
}

}  // namespace

int main(int argc, char** argv) {
  std::string archive;
  for (int i = 1; i + 1 < argc; ++i) {
    const std::string_view option = argv[i];
    const std::string value = argv[i + 1];
    if (option == "-initrd") archive = value;
    // "socket,id=NAME,fd=NUMBER"
    const size_t name = value.find("id=");
    const size_t number = value.find(",fd=");
    if (option != "-chardev" || name == std::string::npos || number == std::string::npos) continue;
    ports[value.substr(name + 3, number - name - 3)] = atoi(value.c_str() + number + 4);
  }
  return play(arguments_in(archive));
}
