#include "process/absent.h"

#include <cstring>

#include "kernel/base/types.h"
#include "kernel/sync/spinlock.h"

namespace narwhal {
namespace {

struct Name {
  char text[111];
  u8 length = 0;

  std::string_view view() const { return {text, length}; }
};

// The last names, each once: a ring.
template <usize kSize>
class Names {
 public:
  void add(std::string_view name) {
    Name& slot = names_[next_];
    if (name.size() > sizeof slot.text) return;
    for (const Name& known : names_)
      if (known.view() == name) return;
    std::memcpy(slot.text, name.data(), name.size());
    slot.length = u8(name.size());
    next_ = (next_ + 1) % kSize;
  }
  // By number, from the oldest; empty: there is none.
  Name at(usize i) const { return names_[(next_ + i) % kSize]; }

 private:
  Name names_[kSize] = {};
  usize next_ = 0;
};

constexpr usize kPrograms = 24, kFiles = 8;

struct Absent {
  Names<kPrograms> executed, asked;
  Names<kFiles> opened;
  bool unknown_command = false;
};

constinit SpinLock<LockRank::kSpinOther> absent_lock;
constinit Absent absent TA_GUARDED_BY(absent_lock);

// Whether a path is /.../bin/NAME or /.../sbin/NAME.
bool is_in_program_folder(std::string_view path) {
  const usize slash = path.rfind('/');
  return path.starts_with('/') && path.substr(0, slash).ends_with("bin");
}

// One name at a time: whoever is told may sleep.
template <usize kSize>
void visit_all(const Names<kSize>& names, void (*visit)(std::string_view)) {
  for (usize i = 0; i < kSize; ++i) {
    Name name;
    {
      SpinGuard guard(absent_lock);
      name = names.at(i);
    }
    if (name.length != 0) visit(name.view());
  }
}

}  // namespace

void note_absent(Lookup lookup, std::string_view path) {
  if (path.empty() || (lookup == Lookup::kStatus && !is_in_program_folder(path))) return;
  SpinGuard guard(absent_lock);
  switch (lookup) {
    case Lookup::kStatus:
      return absent.asked.add(path);
    case Lookup::kExecute:
      return absent.executed.add(path);
    case Lookup::kOpen:
      return absent.opened.add(path);
  }
}

void note_unknown_command() {
  SpinGuard guard(absent_lock);
  absent.unknown_command = true;
}

void for_each_absent(void (*visit)(std::string_view path)) TA_NO_ANALYSIS {
  bool unknown_command;
  {
    SpinGuard guard(absent_lock);
    unknown_command = absent.unknown_command;
  }
  if (unknown_command) visit_all(absent.asked, visit);
  visit_all(absent.executed, visit);
  visit_all(absent.opened, visit);
}

}  // namespace narwhal
