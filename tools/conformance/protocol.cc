#include "tools/conformance/protocol.h"

#include <nlohmann/json.hpp>

namespace narwhal::tools {

namespace {

using Json = nlohmann::json;

// Tests print bytes that are no UTF-8; those become question marks.
std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string to_line(const RunnerSettings& settings) {
  return line_of({{"root", settings.root},
                  {"programs", settings.programs},
                  {"environment", settings.environment},
                  {"seconds", settings.seconds}});
}

std::string to_line(const RunnerReady& ready) {
  return line_of({{"notes", ready.notes}});
}

std::string to_line(const TestJob& job) {
  return line_of({{"tag", job.tag}, {"command", job.command}});
}

std::string to_line(const TestResult& result) {
  return line_of({{"status", result.status},
                  {"time_over", result.time_over},
                  {"left_over", result.left_over},
                  {"seconds", result.seconds},
                  {"output", result.output},
                  {"runner_end", result.runner_end}});
}

RunnerSettings settings_from(std::string_view line) {
  const Json json = Json::parse(line);
  RunnerSettings settings;
  json.at("root").get_to(settings.root);
  json.at("programs").get_to(settings.programs);
  json.at("environment").get_to(settings.environment);
  json.at("seconds").get_to(settings.seconds);
  return settings;
}

RunnerReady ready_from(std::string_view line) {
  RunnerReady ready;
  Json::parse(line).at("notes").get_to(ready.notes);
  return ready;
}

TestJob job_from(std::string_view line) {
  const Json json = Json::parse(line);
  TestJob job;
  json.at("tag").get_to(job.tag);
  json.at("command").get_to(job.command);
  return job;
}

TestResult result_from(std::string_view line) {
  const Json json = Json::parse(line);
  TestResult result;
  json.at("status").get_to(result.status);
  json.at("time_over").get_to(result.time_over);
  json.at("left_over").get_to(result.left_over);
  json.at("seconds").get_to(result.seconds);
  json.at("output").get_to(result.output);
  json.at("runner_end").get_to(result.runner_end);
  return result;
}

}  // namespace narwhal::tools
