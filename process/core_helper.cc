#include "process/core_helper.h"

#include "kernel/random/random.h"
#include "loader/program.h"
#include "process/core_settings.h"
#include "process/family.h"
#include "process/task_builder.h"

namespace narwhal {
namespace {

// Dumps that go to programs just now.
constinit Atomic<u32> under_way{0};

struct UnderWay : NonCopyable {
  UnderWay() : count(under_way.fetch_add(1) + 1) {}
  ~UnderWay() {
    if (!kept) under_way.fetch_sub(1);
  }
  const u32 count;
  bool kept = false;
};

Result<Ref<FdTable>> make_descriptors(FileRef input) {
  auto files = TRY(make_ref<FdTable>());
  auto number = TRY(files->reserve(1));
  std::move(number).commit(std::move(input), false);
  return files;
}

Result<> run(Vector<String> arguments, FileRef input) {
  const Path root = vfs::root_path();
  FirstProgram first;
  first.fs = TRY(make_ref<FsContext>(root, root, 022));
  first.credentials = CredentialsRef(TRY(make_ref<Credentials>()));
  first.files = TRY(make_descriptors(std::move(input)));
  ProgramArguments given;
  given.argv = std::move(arguments);
  LoadOptions options;
  options.random = fill_random;
  const std::string_view path = given.argv[0];
  auto program = TRY(load_program({*first.fs, *first.credentials}, Path(), path, given, options));
  first.take(program);
  return TaskBuilder::start_helper(std::move(first));
}

}  // namespace

Result<Own<CoreHelper>> CoreHelper::start(Vector<String> arguments) {
  UnderWay place;
  const u32 limit = core_pipe_limit();
  if (limit != 0 && place.count > limit) return Errno::kAgain;
  auto pipe = TRY(Pipe::create());
  auto reader = TRY(make_ref<PipeFile>(pipe, OpenFlags::kReadOnly));
  auto writer = TRY(make_ref<PipeFile>(pipe, OpenFlags::kWriteOnly));
  auto helper = TRY(make_own<CoreHelper>(std::move(pipe), std::move(writer)));
  place.kept = true;
  TRY(run(std::move(arguments), std::move(reader)));
  return helper;
}

CoreHelper::~CoreHelper() {
  under_way.fetch_sub(1);
}

template <typename Attempt>
auto CoreHelper::wait(Attempt attempt) -> decltype(attempt()) {
  ScopedWait wait(pipe_->queue(), PollEvents::kAll);
  for (;;) {
    prepare_to_sleep();
    auto done = attempt();
    const bool abandoned = Family::dump_abandoned(current_process());
    if (!done.failed(Errno::kAgain) || abandoned) {
      cancel_sleep();
      if (done.failed(Errno::kAgain)) return Errno::kIntr;
      return done;
    }
    sleep(Interruptible::kNo).ignore();
  }
}

Result<> CoreHelper::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    IoBuffer from(bytes);
    const usize done = TRY(wait([&] { return pipe_->write(from); }));
    bytes = bytes.subspan(done);
  }
  return {};
}

Result<> CoreHelper::skip(u64 size) {
  static constexpr std::byte kZeros[kPageSize] = {};
  while (size != 0) {
    const usize part = size < sizeof kZeros ? size : sizeof kZeros;
    TRY(write({kZeros, part}));
    size -= part;
  }
  return {};
}

void CoreHelper::end() {
  writer_ = nullptr;
  if (core_pipe_limit() == 0) return;
  wait([&]() -> Result<> {
    if (pipe_->has_readers()) return Errno::kAgain;
    return {};
  }).ignore();
}

}  // namespace narwhal
