#include "kernel/uts/uts.h"

#include <cstring>

#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

constinit SpinLock<LockRank::kSpinOther> names_lock;
constinit HostName the_host_name TA_GUARDED_BY(names_lock) = {"narwhal", 7};
constinit HostName the_domain_name TA_GUARDED_BY(names_lock) = {"(none)", 6};

Result<HostName> make_name(std::string_view text) {
  if (text.size() > kMaxHostName) return Errno::kInval;
  HostName name;
  if (!text.empty()) std::memcpy(name.text, text.data(), text.size());
  name.size = u8(text.size());
  return name;
}

}  // namespace

HostName host_name() {
  SpinGuard guard(names_lock);
  return the_host_name;
}

HostName domain_name() {
  SpinGuard guard(names_lock);
  return the_domain_name;
}

Result<> set_host_name(std::string_view name) {
  const HostName wanted = TRY(make_name(name));
  SpinGuard guard(names_lock);
  the_host_name = wanted;
  return {};
}

Result<> set_domain_name(std::string_view name) {
  const HostName wanted = TRY(make_name(name));
  SpinGuard guard(names_lock);
  the_domain_name = wanted;
  return {};
}

}  // namespace narwhal
