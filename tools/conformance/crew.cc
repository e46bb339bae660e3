#include "tools/conformance/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <optional>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

constexpr double kSecondsToEnd = 30;  // for a runner whose work is done
constexpr size_t kKeptErrors = 16 << 10;

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;

  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe: {}", strerror(errno));
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
};

// A runner's process. It dies with this one.
class Runner {
 public:
  explicit Runner(const std::vector<std::string>& command) {
    Pipe in;
    Pipe out;
    Pipe error;
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) fail("fork: {}", strerror(errno));
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      setsid();
      signal(SIGPIPE, SIG_DFL);
      dup2(in.read_end.get(), STDIN_FILENO);
      dup2(out.write_end.get(), STDOUT_FILENO);
      dup2(error.write_end.get(), STDERR_FILENO);
      execv(arguments[0], arguments.data());
      fmt::print(stderr, "{}: {}\n", arguments[0], strerror(errno));
      _exit(kNotExecutable);
    }
    in_ = std::move(in.write_end);
    out_ = std::move(out.read_end);
    error_ = std::move(error.read_end);
  }

  ~Runner() { end(); }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void send(const std::string& line) { write_all(in_.get(), line); }
  void finish() { in_.reset(); }
  void kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }

  void add_to(std::vector<pollfd>& polled) const {
    polled.push_back({out_ ? out_.get() : -1, POLLIN, 0});
    polled.push_back({error_ ? error_.get() : -1, POLLIN, 0});
  }

  void read_from(const pollfd* polled) {
    if (polled[0].revents != 0) read_into(out_, lines_);
    if (polled[1].revents != 0) read_into(error_, errors_);
    if (errors_.size() > 2 * kKeptErrors) errors_.erase(0, errors_.size() - kKeptErrors);
  }

  std::optional<std::string> next_line() {
    const size_t end = lines_.find('\n');
    if (end == std::string::npos) return std::nullopt;
    std::string line = lines_.substr(0, end);
    lines_.erase(0, end + 1);
    return line;
  }

  bool is_silent() const { return !out_ && !error_; }

  // Waits for its end; what it said at last.
  std::string end() {
    if (pid_ > 0) {
      kill();
      while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) continue;
      pid_ = -1;
    }
    return last_words(errors_, status_);
  }

  bool was_ready = false;
  std::optional<size_t> job;
  double deadline = 0;
  double job_start = 0;

 private:
  static void read_into(UniqueFd& fd, std::string& text) {
    char buffer[64 << 10];
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got > 0) {
      text.append(buffer, static_cast<size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      fd.reset();
    }
  }

  pid_t pid_ = -1;
  int status_ = 0;
  UniqueFd in_;
  UniqueFd out_;
  UniqueFd error_;
  std::string lines_;
  std::string errors_;
};

class Crew {
 public:
  Crew(const CrewSettings& settings, const RunnerSettings& runner_settings,
       const std::vector<TestJob>& jobs, const TakeResult& take)
      : settings_(settings), runner_settings_(runner_settings), jobs_(jobs), take_(take) {}

  CrewReport run() {
    signal(SIGPIPE, SIG_IGN);
    while (true) {
      while (runners_.size() < settings_.runners && waiting_ + starting() < jobs_.size()) start();
      if (runners_.empty()) return report_;
      wait();
    }
  }

 private:
  // Those that will ask for a job.
  size_t starting() const {
    return static_cast<size_t>(
        std::ranges::count_if(runners_, [](const auto& runner) { return !runner->was_ready; }));
  }

  void start() {
    runners_.push_back(std::make_unique<Runner>(settings_.command));
    Runner& runner = *runners_.back();
    runner.send(to_line(runner_settings_));
    runner.deadline = now() + settings_.seconds_to_start;
  }

  void give_job(Runner& runner) {
    if (waiting_ == jobs_.size()) {
      runner.finish();
      runner.deadline = now() + kSecondsToEnd;
      return;
    }
    runner.job = waiting_++;
    runner.job_start = now();
    runner.deadline = runner.job_start + settings_.seconds_to_answer;
    runner.send(to_line(jobs_[*runner.job]));
  }

  void take_line(Runner& runner, const std::string& line) {
    if (!runner.was_ready) {
      RunnerReady ready = ready_from(line);
      runner.was_ready = true;
      if (report_.started++ == 0) report_.notes = std::move(ready.notes);
      give_job(runner);
    } else if (runner.job) {
      const TestResult result = result_from(line);
      take_(*std::exchange(runner.job, std::nullopt), result);
      // After that it ends, and another one has the rest to do.
      if (!result.left_over) give_job(runner);
    }
  }

  void take_lines(Runner& runner) {
    while (const std::optional<std::string> line = runner.next_line()) {
      try {
        take_line(runner, *line);
      } catch (const Error&) {
        throw;
      } catch (const std::exception&) {
        // A line of somebody else's, such as a test that found the runner's output.
      }
    }
  }

  void end(Runner& runner, const std::string& prefix) {
    const std::string words = prefix + runner.end();
    if (!runner.was_ready) fail("the tests' runner did not start: {}", words);
    if (!runner.job) return;
    TestResult result;
    result.runner_end = words;
    result.seconds = now() - runner.job_start;
    take_(*runner.job, result);
  }

  void wait() {
    std::vector<pollfd> polled;
    double deadline = 1e18;
    for (const auto& runner : runners_) {
      runner->add_to(polled);
      deadline = std::min(deadline, runner->deadline);
    }
    const double left = std::clamp(deadline - now(), 0.0, 1000.0);
    if (poll(polled.data(), polled.size(), static_cast<int>(left * 1000) + 1) < 0) return;
    std::vector<std::unique_ptr<Runner>> staying;
    for (size_t i = 0; i < runners_.size(); ++i) {
      Runner& runner = *runners_[i];
      runner.read_from(&polled[2 * i]);
      take_lines(runner);
      if (runner.is_silent()) {
        end(runner, "");
      } else if (now() > runner.deadline) {
        end(runner, "no answer; ");
      } else {
        staying.push_back(std::move(runners_[i]));
      }
    }
    runners_ = std::move(staying);
  }

  const CrewSettings& settings_;
  const RunnerSettings& runner_settings_;
  const std::vector<TestJob>& jobs_;
  const TakeResult& take_;
  CrewReport report_;
  std::vector<std::unique_ptr<Runner>> runners_;
  size_t waiting_ = 0;  // the first job that nobody has got
};

}  // namespace

std::string last_words(std::string_view errors, int status) {
  std::string last;
  while (!errors.empty()) {
    const size_t end = errors.find('\n');
    const std::string_view line = errors.substr(0, end);
    errors.remove_prefix(end == std::string_view::npos ? errors.size() : end + 1);
    if (line.empty()) continue;
    last = line;
    if (line.find("panic") != std::string_view::npos) break;
  }
  if (!last.empty()) return last;
  if (WIFSIGNALED(status)) return strsignal(WTERMSIG(status));
  return fmt::format("it ended with status {}", WEXITSTATUS(status));
}

CrewReport run_crew(const CrewSettings& settings, const RunnerSettings& runner_settings,
                    const std::vector<TestJob>& jobs, const TakeResult& take) {
  return Crew(settings, runner_settings, jobs, take).run();
}

}  // namespace narwhal::tools
