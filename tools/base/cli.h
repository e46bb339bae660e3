// What the parsers of narwhal's commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace narwhal::tools {

// An option that may be repeated, with one value each: "-e A=1 program" must not take "program" as a
// second value.
inline void add_list(CLI::App& app, const std::string& name, std::vector<std::string>& values,
                     const std::string& form, const std::string& help, const std::string& group) {
  app.add_option(name, values, help)
      ->type_name(form)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(group);
}

// What the library says is wrong, as part of a sentence of ours.
inline std::string complaint(const CLI::ParseError& error) {
  std::string text = error.what();
  while (text.ends_with('\n') || text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace narwhal::tools
