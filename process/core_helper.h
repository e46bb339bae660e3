// A program that is given a core dump on its standard input, which is what a core_pattern with '|'
// asks for: core(5).
#pragma once

#include "fs/pipe/pipe.h"
#include "process/core_file.h"

namespace narwhal {

class CoreHelper final : public CoreOutput {
 public:
  // Runs in the machine's root directory, as root, with a pipe and no other descriptor. What
  // execve(2) says of the program; EAGAIN when as many dumps are under way as core_pipe_limit
  // allows; ENOMEM.
  static Result<Own<CoreHelper>> start(Vector<String> arguments);
  CoreHelper(Ref<Pipe> pipe, Ref<PipeFile> writer)
      : pipe_(std::move(pipe)), writer_(std::move(writer)) {}
  ~CoreHelper();

  // Wait for the reader, and nothing but SIGKILL for the dying process ends that early (EINTR).
  // EPIPE when it reads no more.
  Result<> write(std::span<const std::byte> bytes) override;
  Result<> skip(u64 size) override;
  Result<> finish() override { return {}; }

  // The dump is over. Where core_pipe_limit bounds them, the helper is waited for until it has
  // closed its standard input, so that it may look at the dying process in /proc.
  void end();

 private:
  template <typename Attempt>
  auto wait(Attempt attempt) -> decltype(attempt());

  Ref<Pipe> pipe_;
  Ref<PipeFile> writer_;
};

}  // namespace narwhal
