// An open namespace: what a link of /proc/PID/ns opens, for setns(2). There is one of each kind.
#pragma once

#include "fs/core/file.h"
#include "process/task_builder.h"

namespace narwhal {

// Its name in texts, its CLONE_NEW* bit, and the number that Linux gives the first one.
struct NamespaceKind {
  std::string_view name;
  CloneFlags flag;
  u64 inode;

  Result<String> text() const;  // "mnt:[4026531841]"
};
inline constexpr NamespaceKind kNamespaceKinds[] = {
    {"net", CloneFlags::kNewNet, 4026531840},       {"uts", CloneFlags::kNewUts, 4026531838},
    {"ipc", CloneFlags::kNewIpc, 4026531839},       {"pid", CloneFlags::kNewPid, 4026531836},
    {"user", CloneFlags::kNewUser, 4026531837},     {"mnt", CloneFlags::kNewNs, 4026531841},
    {"cgroup", CloneFlags::kNewCgroup, 4026531835}, {"time", CloneFlags::kNewTime, 4026531834},
};

class NamespaceFile final : public File {
 public:
  NamespaceFile(const Path& path, const NamespaceKind& kind)
      : File(OpenFlags::kReadOnly), path_(path), kind_(kind) {}

  CloneFlags type() const { return kind_.flag; }
  Result<> stat(abi::Stat& out) override;
  // ioctl_ns(2). What the namespace belongs to, and its parent, are not to be had: EPERM.
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  const Path* path() const override { return &path_; }
  Result<String> link_text() const override { return kind_.text(); }
  Kind kind() const override { return Kind::kNamespace; }

 private:
  const Path path_;
  const NamespaceKind& kind_;
};

}  // namespace narwhal
