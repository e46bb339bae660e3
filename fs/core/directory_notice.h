// F_NOTIFY of fcntl(2): a signal when something happens to what a directory holds.
#pragma once

#include "fs/core/async_signals.h"
#include "fs/core/notify.h"

namespace narwhal {

// The watch of one open directory. It is taken off before the file, whose signals it sends, goes.
class DirectoryNotice final : public Watch {
 public:
  // DN_*
  static constexpr u32 kAccess = 1, kModify = 2, kCreate = 4, kDelete = 8, kRename = 0x10,
                       kAttributes = 0x20;
  static constexpr u32 kEvents = 0x3f;
  static constexpr u32 kMultishot = 0x80000000;  // else the first event is the last

  DirectoryNotice(AsyncSignals& signals, u32 mask) : signals_(signals), mask_(mask) {}
  u32 mask() const { return mask_; }
  bool on_event(u32 event, u32 cookie, std::string_view name) override;
  void removed() override {}

 private:
  AsyncSignals& signals_;
  const u32 mask_;
};

}  // namespace narwhal
