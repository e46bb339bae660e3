#include "fs/core/mount_context.h"

#include "fs/core/mount.h"
#include "fs/core/vfs.h"

namespace narwhal {
namespace {

constexpr usize kMaxOptions = kPageSize - 1;

// What Linux's VFS takes for every file system. Only whether it may be written to makes a
// difference in memory.
constexpr std::string_view kWithoutMeaning[] = {"async",      "dirsync", "lazytime", "mand",
                                                "nolazytime", "nomand",  "sync"};

}  // namespace

Result<Ref<MountContext>> MountContext::create(std::string_view type) {
  const FileSystemType* found = find_file_system_type(type);
  if (!found) return Errno::kNoDev;
  auto* context = new (std::nothrow) MountContext(found, Phase::kCreating);
  if (!context) return Errno::kNoMem;
  return Ref<MountContext>::adopt(context);
}

Result<Ref<MountContext>> MountContext::pick(const Path& place) {
  if (place.dentry != place.mount->root()) return Errno::kInval;
  auto* context = new (std::nothrow) MountContext(nullptr, Phase::kReconfiguring);
  if (!context) return Errno::kNoMem;
  auto ref = Ref<MountContext>::adopt(context);
  Guard guard(context->lock_);
  context->file_system_ = place.mount->file_system_ref();
  context->read_only_ = context->file_system_->read_only();
  return ref;
}

Result<> MountContext::check_settable() {
  if (phase_ == Phase::kCreated) return Errno::kBusy;
  return {};
}

bool MountContext::take_common(std::string_view key) {
  if (key == "ro" || key == "rw") {
    read_only_ = key == "ro";
    return true;
  }
  for (const std::string_view known : kWithoutMeaning)
    if (key == known) return true;
  return false;
}

Result<> MountContext::set_common(std::string_view key) {
  Guard guard(lock_);
  TRY(check_settable());
  if (!take_common(key)) return Errno::kInval;
  return {};
}

Result<> MountContext::set(std::string_view key, std::string_view value) {
  Guard guard(lock_);
  TRY(check_settable());
  if (take_common(key)) return {};
  if (key == "source") {
    if (!source_.view().empty()) return Errno::kInval;
    source_ = TRY(String::copy(value));
    return {};
  }
  if (key.empty()) return Errno::kInval;
  const String option = TRY(String::concat(key, value.empty() ? "" : "=", value));
  if (type_ && type_->check) TRY(type_->check(option.view()));
  if (options_.view().size() + 1 + option.view().size() > kMaxOptions) return Errno::kInval;
  options_ =
      TRY(String::concat(options_.view(), options_.view().empty() ? "" : ",", option.view()));
  return {};
}

Result<> MountContext::create_file_system() {
  Guard guard(lock_);
  if (phase_ != Phase::kCreating) return Errno::kBusy;
  file_system_ = TRY(type_->create(options_.view()));
  if (read_only_) file_system_->set_read_only(true);
  options_ = String();
  phase_ = Phase::kCreated;
  return {};
}

Result<> MountContext::reconfigure() {
  Guard guard(lock_);
  if (phase_ != Phase::kReconfiguring) return Errno::kBusy;
  if (!options_.view().empty()) TRY(file_system_->reconfigure(options_.view()));
  options_ = String();
  file_system_->set_read_only(read_only_);
  return {};
}

Result<Path> MountContext::mount(u32 flags) {
  Guard guard(lock_);
  if (!file_system_) return Errno::kInval;
  if (phase_ != Phase::kCreated) return Errno::kBusy;
  phase_ = Phase::kReconfiguring;
  return vfs::make_mount(file_system_, flags, source_.view());
}

}  // namespace narwhal
