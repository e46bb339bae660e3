// What fsopen(2) and fspick(2) open: a file system that is being put together, or changed, one
// parameter after the other (fsconfig(2)), until fsmount(2) makes a mount of it.
#pragma once

#include "fs/core/anonymous_file.h"
#include "fs/core/file_system.h"

namespace narwhal {

class MountContext final : public AnonymousFile {
 public:
  // Of a new file system. ENODEV.
  static Result<Ref<MountContext>> create(std::string_view type);
  // Of the file system of the mount whose root `place` is; the mount may go. EINVAL when it is
  // none's.
  static Result<Ref<MountContext>> pick(const Path& place);

  // Messages of what went wrong are not kept: ENODATA, as on Linux when there are none.
  Result<usize> read(IoBuffer&) override { return Errno::kNoData; }
  Kind kind() const override { return Kind::kMountContext; }

  // FSCONFIG_SET_*: what every file system knows ("ro", "sync"), "source", and the options of this
  // one. EBUSY when it is not the time for it; EINVAL.
  Result<> set(std::string_view key, std::string_view value);
  // Only what every file system knows: paths, descriptors and blobs mean nothing to any other.
  Result<> set_common(std::string_view key);
  Result<> create_file_system();  // FSCONFIG_CMD_CREATE
  Result<> reconfigure();         // FSCONFIG_CMD_RECONFIGURE
  // The root of a new mount, with these and its own flags. EINVAL before it was created, EBUSY the
  // second time.
  Result<Path> mount(u32 flags);

 private:
  enum class Phase : u8 { kCreating, kCreated, kReconfiguring };
  MountContext(const FileSystemType* type, Phase phase)
      : AnonymousFile(OpenFlags::kReadWrite, "anon_inode:[fscontext]", 0600),
        type_(type),
        phase_(phase) {}
  // True when the key was one of those.
  bool take_common(std::string_view key) TA_REQUIRES(lock_);
  Result<> check_settable() TA_REQUIRES(lock_);

  Mutex<LockRank::kMutexOther> lock_;
  const FileSystemType* const type_;  // null when it was picked
  Phase phase_ TA_GUARDED_BY(lock_);
  bool read_only_ TA_GUARDED_BY(lock_) = false;
  String options_ TA_GUARDED_BY(lock_);  // "key=value,key"
  String source_ TA_GUARDED_BY(lock_);
  Ref<FileSystem> file_system_ TA_GUARDED_BY(lock_);  // once created, or picked
};

}  // namespace narwhal
