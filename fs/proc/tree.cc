#include "fs/proc/tree.h"

namespace narwhal {
namespace {

constexpr i64 kProcMagic = 0x9fa0;  // PROC_SUPER_MAGIC

constinit ProcProcessSource process_source{};
constinit GeneratedFileSystem* the_file_system = nullptr;  // lives as long as the machine

class ProcRoot final : public GeneratedDirectory {
 public:
  explicit ProcRoot(GeneratedFileSystem& fs) : GeneratedDirectory(fs, 0555) {}

 protected:
  Result<Ref<Inode>> lookup_changing(std::string_view name) override {
    if (!process_source.lookup) return Errno::kNoEnt;
    return process_source.lookup(name);
  }
  Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) override {
    if (!process_source.read) return {};
    return process_source.read(offset, base, visitor);
  }
};

Result<Ref<FileSystem>> create_proc(std::string_view) {
  return Ref<FileSystem>(the_file_system);
}
[[clang::no_destroy]] constinit FileSystemType proc_type{{}, "proc", create_proc};

}  // namespace

GeneratedFileSystem& proc_file_system() {
  return *the_file_system;
}
void proc_set_process_source(const ProcProcessSource& source) {
  process_source = source;
}

Result<> proc_add(std::string_view directory, std::string_view name, Ref<Inode> inode) {
  return generated_add(*the_file_system, directory, name, std::move(inode));
}
Result<> proc_add_text(std::string_view directory, std::string_view name, ShowFunction show,
                       StoreFunction store) {
  return proc_add(directory, name, TRY(make_text_file(*the_file_system, show, store)));
}
Result<> proc_add_constant(std::string_view directory, std::string_view name,
                           std::string_view text) {
  return proc_add(directory, name, TRY(make_constant_file(*the_file_system, text)));
}

Result<> proc_make_tree() {
  auto fs = TRY(
      make_ref<GeneratedFileSystem>("proc", kProcMagic, GeneratedFileSystem::Creation::kNoEntry));
  fs->set_root(TRY(make_ref<ProcRoot>(*fs)));
  the_file_system = fs.release();
  register_file_system_type(proc_type);
  return {};
}

}  // namespace narwhal
