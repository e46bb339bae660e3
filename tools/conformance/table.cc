#include "tools/conformance/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace narwhal::tools {

namespace {

constexpr std::array kVerdicts = {Verdict::kPass,          Verdict::kFail,      Verdict::kBroken,
                                  Verdict::kNotConfigured, Verdict::kWarning,   Verdict::kCrash,
                                  Verdict::kTimeOver,      Verdict::kMachineEnd};

std::string_view name_of(const std::optional<Judgement>& judgement) {
  return judgement ? tools::name_of(judgement->verdict) : "-";
}

// The guest's, and where that has nothing to say, the native run's.
std::string reason_of(const Row& row) {
  if (row.guest && !row.guest->reason.empty()) return row.guest->reason;
  return row.native ? row.native->reason : "";
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '|' || letter == '<' || letter == '*' || letter == '_' || letter == '`') {
      out += '\\';
    }
    out += letter;
  }
  return out;
}

size_t count(const std::vector<Row>& rows, Verdict verdict,
             std::optional<Judgement> Row::* judgement) {
  return static_cast<size_t>(std::ranges::count_if(rows, [&](const Row& row) {
    return (row.*judgement).has_value() && (row.*judgement)->verdict == verdict;
  }));
}

std::string summary_of(const Totals& totals) {
  return fmt::format("{} tests; {} pass natively, and of these {} pass in the guest: {:.1f} %.",
                     totals.tests, totals.native_passes, totals.both_pass, totals.percent());
}

nlohmann::json json_of(const std::optional<Judgement>& judgement) {
  if (!judgement) return nullptr;
  return {{"verdict", tools::name_of(judgement->verdict)},
          {"reason", judgement->reason},
          {"seconds", judgement->seconds}};
}

bool passes(const std::optional<Judgement>& judgement) {
  return judgement.has_value() && judgement->verdict == Verdict::kPass;
}

void add_rows(std::string& text, const std::vector<Row>& rows, bool (*chosen)(const Row&)) {
  text += "\n| test | native | guest | differs | reason |\n|---|---|---|---|---|\n";
  for (const Row& row : rows) {
    if (!chosen(row)) continue;
    text += fmt::format("| {} | {} | {} | {} | {} |\n", escaped(row.test.tag), name_of(row.native),
                        name_of(row.guest), row.differs() ? "yes" : "", escaped(reason_of(row)));
  }
}

}  // namespace

double Totals::percent() const {
  if (native_passes == 0) return 100;
  return 100.0 * static_cast<double>(both_pass) / static_cast<double>(native_passes);
}

Totals Table::totals() const {
  Totals totals;
  totals.tests = rows.size();
  for (const Row& row : rows) {
    if (row.differs()) ++totals.differ;
    if (!passes(row.native) || !row.guest) continue;
    ++totals.native_passes;
    if (passes(row.guest)) ++totals.both_pass;
  }
  return totals;
}

std::string Table::as_markdown() const {
  std::string text = fmt::format("# LTP in Narwhal and natively\n\n{}\n", summary_of(totals()));
  if (!notes.empty()) text += "\n";
  for (const std::string& note : notes) text += fmt::format("- {}\n", note);
  text += "\n| verdict | native | guest |\n|---|---:|---:|\n";
  for (const Verdict verdict : kVerdicts) {
    text += fmt::format("| {} | {} | {} |\n", tools::name_of(verdict),
                        count(rows, verdict, &Row::native), count(rows, verdict, &Row::guest));
  }
  text += fmt::format("| different from Linux | | {} |\n", totals().differ);
  text += "\n## Passes natively, not in the guest\n";
  add_rows(text, rows, [](const Row& row) { return passes(row.native) && row.differs(); });
  text += "\n## All tests\n";
  add_rows(text, rows, [](const Row&) { return true; });
  return text;
}

std::string Table::as_json() const {
  nlohmann::json tests = nlohmann::json::array();
  for (const Row& row : rows) {
    tests.push_back({{"suite", row.test.suite},
                     {"tag", row.test.tag},
                     {"command", row.test.command},
                     {"native", json_of(row.native)},
                     {"guest", json_of(row.guest)},
                     {"differs", row.differs()}});
  }
  const Totals sums = totals();
  const nlohmann::json whole = {{"tests", std::move(tests)},
                                {"notes", notes},
                                {"totals",
                                 {{"tests", sums.tests},
                                  {"native passes", sums.native_passes},
                                  {"both pass", sums.both_pass},
                                  {"different", sums.differ},
                                  {"percent", sums.percent()}}}};
  return whole.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string Table::as_text() const {
  size_t width = 4;
  for (const Row& row : rows) width = std::max(width, row.test.tag.size());
  std::string text = fmt::format("{:{}}  {:14}  {:14}  {:7}  {}\n", "test", width, "native",
                                 "guest", "differs", "reason");
  for (const Row& row : rows) {
    std::string line =
        fmt::format("{:{}}  {:14}  {:14}  {:7}  {}", row.test.tag, width, name_of(row.native),
                    name_of(row.guest), row.differs() ? "yes" : "", reason_of(row));
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  text += "\n";
  for (const Verdict verdict : kVerdicts) {
    text += fmt::format("{:14}  native {:5}  guest {:5}\n", tools::name_of(verdict),
                        count(rows, verdict, &Row::native), count(rows, verdict, &Row::guest));
  }
  text += fmt::format("{:14}  {:12}  guest {:5}\n\n", "different", "", totals().differ);
  text += summary_of(totals()) + "\n";
  return text;
}

}  // namespace narwhal::tools
