#include "fs/core/file_system.h"

#include "fs/core/dentry.h"

namespace narwhal {
namespace {

// Minor numbers of anonymous devices; those below are taken by what has no FileSystem object
// (anonymous_file.cc).
constinit Atomic<u32> last_device{20};

constinit SpinLock<LockRank::kSpinOther> types_lock;
[[clang::no_destroy]] constinit List<FileSystemType, &FileSystemType::node> types
    TA_GUARDED_BY(types_lock);

}  // namespace

FileSystem::FileSystem(Names names)
    : device_(make_device(0, last_device.fetch_add(1) + 1)), names_(names) {}

FileSystem::~FileSystem() {
  drop_names();
}

void FileSystem::drop_names() {
  Ref<Dentry> root = Ref<Dentry>::adopt(root_.exchange(nullptr));
  if (root && names_pinned()) DentryTree::drop_all(*root);
}

Result<Ref<Dentry>> FileSystem::root() {
  if (Dentry* root = root_.load(Order::kAcquire)) return Ref<Dentry>(root);
  Ref<Dentry> fresh = TRY(Dentry::create(nullptr, "", root_inode()));
  Dentry* nobody = nullptr;
  fresh->add_ref();  // the one that root_ owns
  if (root_.compare_exchange(nobody, fresh.get(), Order::kAcqRel, Order::kAcquire)) return fresh;
  fresh->drop_ref();
  return Ref<Dentry>(nobody);
}

void register_file_system_type(FileSystemType& type) {
  SpinGuard guard(types_lock);
  types.push_back(type);
}

const FileSystemType* find_file_system_type(std::string_view name) {
  SpinGuard guard(types_lock);
  for (const FileSystemType& type : types)
    if (type.name == name) return &type;
  return nullptr;
}

Result<Ref<FileSystem>> create_file_system(std::string_view name, std::string_view options) {
  const FileSystemType* type = find_file_system_type(name);
  if (!type) return Errno::kNoDev;
  return type->create(options);
}

void for_each_file_system_type(void (*visit)(const FileSystemType& type, void* argument),
                               void* argument) {
  SpinGuard guard(types_lock);
  for (FileSystemType& type : types) visit(type, argument);
}

}  // namespace narwhal
