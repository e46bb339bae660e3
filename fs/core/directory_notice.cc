#include "fs/core/directory_notice.h"

namespace narwhal {
namespace {

constexpr u32 wanted_events(u32 mask) {
  using Notice = DirectoryNotice;
  u32 events = 0;
  if (mask & Notice::kAccess) events |= notify::kAccess;
  if (mask & Notice::kModify) events |= notify::kModify;
  if (mask & Notice::kCreate) events |= notify::kCreate | notify::kMovedTo;
  if (mask & Notice::kDelete) events |= notify::kDelete | notify::kMovedFrom;
  if (mask & Notice::kRename) events |= notify::kInsideOnly;
  if (mask & Notice::kAttributes) events |= notify::kAttributes;
  return events;
}

}  // namespace

bool DirectoryNotice::on_event(u32 event, u32, std::string_view) {
  if (!(event & wanted_events(mask_))) return true;
  signals_.post(kNewsMessage);
  return (mask_ & kMultishot) != 0;
}

}  // namespace narwhal
