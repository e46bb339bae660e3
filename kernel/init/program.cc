#include "kernel/init/program.h"

#include "fs/tty/terminal_file.h"
#include "kernel/random/random.h"
#include "loader/program.h"
#include "loader/vdso/vdso.h"
#include "process/task_builder.h"

namespace narwhal {
namespace {

Result<CredentialsRef> make_credentials(const BootSettings& settings) {
  auto who = TRY(make_ref<Credentials>());
  if (settings.uid == 0 && settings.gid == 0) return CredentialsRef(std::move(who));
  who->uid = who->euid = who->suid = who->fsuid = settings.uid;
  who->gid = who->egid = who->sgid = who->fsgid = settings.gid;
  if (settings.uid != 0) who->effective = who->permitted = 0;
  return CredentialsRef(std::move(who));
}

Result<ProgramArguments> make_arguments(const BootSettings& settings) {
  ProgramArguments arguments;
  for (std::string_view text : settings.arguments)
    TRY(arguments.argv.push_back(TRY(String::copy(text))));
  if (settings.arguments.empty())
    TRY(arguments.argv.push_back(TRY(String::copy(settings.program))));
  for (std::string_view text : settings.environment)
    TRY(arguments.envp.push_back(TRY(String::copy(text))));
  return arguments;
}

std::string_view explain(Errno error) {
  switch (error) {
    case Errno::kNoEnt:
      return "it, or its interpreter, is not in the root file system";
    case Errno::kAcces:
      return "it is no file that may be executed";
    case Errno::kNoExec:
      return "it is no x86-64 ELF program and no script";
    case Errno::kLibBad:
      return "its ELF interpreter is malformed";
    case Errno::kNoMem:
      return "there is too little memory; give the machine more (-m)";
    case Errno::kTooBig:
      return "its arguments and environment are too long";
    case Errno::kIo:
      return "its file is shorter than its headers say";
    default:
      return "";
  }
}

}  // namespace

Result<> start_program(const BootSettings& settings, Ref<FdTable> files, TextSink& problem) {
  const Path root = vfs::root_path();
  FirstProgram first;
  first.fs = TRY(make_ref<FsContext>(root, root, 022));
  first.credentials = TRY(make_credentials(settings));
  first.files = std::move(files);
  const vfs::Actor actor{*first.fs, *first.credentials};
  auto directory = vfs::lookup(actor, Path(), settings.working_directory,
                               LookupFlags::kFollow | LookupFlags::kDirectory);
  if (!directory.ok()) {
    problem << "cannot enter the working directory '" << settings.working_directory
            << "': " << directory.error();
    return directory.error();
  }
  first.fs->set_working_directory(directory.take());

  TRY(vdso_init());
  auto arguments = TRY(make_arguments(settings));
  LoadOptions options;
  options.randomize = settings.randomize_programs;
  options.random = fill_random;
  auto loaded = load_program(actor, Path(), settings.program, arguments, options);
  if (!loaded.ok()) {
    problem << "cannot run '" << settings.program << "': " << loaded.error();
    if (const auto why = explain(loaded.error()); !why.empty()) problem << " (" << why << ")";
    return loaded.error();
  }
  LoadedProgram program = loaded.take();
  first.take(program);
  auto task = TRY(TaskBuilder::start_first(std::move(first)));
  // It has not run yet: the kernel is not preempted.
  if (settings.trace_calls) task->set_user_work(UserWork::kTrace);
  const Process& process = task->process();
  if (auto terminal = console_terminal())
    TRY(terminal->set_session(process.session_id(), process.group_id()));
  return {};
}

u8 start_failure_status(Errno error) {
  constexpr u8 kNotFound = 127, kNotExecutable = 126;
  return error == Errno::kNoEnt ? kNotFound : kNotExecutable;
}

}  // namespace narwhal
