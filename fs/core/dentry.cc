#include "fs/core/dentry.h"

#include <cstring>

#include "fs/core/notify.h"
#include "kernel/base/hash_table.h"

namespace narwhal {

constinit NamesLock names_lock;

// The children of a pinned directory, in order of age.
struct Dentry::Children {
  List<Dentry, &Dentry::sibling_> list;
  u64 last_position = 2;  // offsets 0 to 2 stand for the beginning, ".", and ".."
};

namespace {

// The table of all linked names.
constexpr usize kFirstBuckets = 128;
constinit Dentry* first_buckets[kFirstBuckets] = {};
constinit Dentry** buckets TA_GUARDED_BY(names_lock) = first_buckets;
constinit usize bucket_count TA_GUARDED_BY(names_lock) = kFirstBuckets;
constinit usize name_count TA_GUARDED_BY(names_lock) = 0;

usize bucket_index(const Dentry* parent, u32 hash)
    NARWHAL_TSA(requires_shared_capability(names_lock)) {
  // Objects are at least 16 bytes apart; the multiplication spreads directories over the table.
  u64 mixed = hash ^ ((reinterpret_cast<uptr>(parent) >> 4) * 0x9e3779b97f4a7c15 >> 32);
  return mixed & (bucket_count - 1);
}

u64 load_word(const char* at) {
  u64 word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

bool equal_bytes(const char* a, const char* b, usize size) {
  if (size >= 8) {
    for (usize i = 0; i + 8 <= size; i += 8)
      if (load_word(a + i) != load_word(b + i)) return false;
    return load_word(a + size - 8) == load_word(b + size - 8);
  }
  for (usize i = 0; i < size; ++i)
    if (a[i] != b[i]) return false;
  return true;
}

}  // namespace

Dentry::Dentry(Ref<Dentry> parent, std::string_view name, Ref<Inode> inode)
    : parent_(std::move(parent)),
      inode_(std::move(inode)),
      name_(inline_name()),
      name_size_(u8(name.size())),
      inline_capacity_(u8(name.size())) {
  std::memcpy(name_, name.data(), name.size());
}

Dentry::~Dentry() {
  if (name_ != inline_name()) ::operator delete(name_);
  delete children_;
}

Result<Ref<Dentry>> Dentry::create(Ref<Dentry> parent, std::string_view name, Ref<Inode> inode) {
  ASSERT(name.size() <= 255);
  void* memory = ::operator new(sizeof(Dentry) + name.size(), std::nothrow);
  if (!memory) return Errno::kNoMem;
  return Ref<Dentry>::adopt(new (memory) Dentry(std::move(parent), name, std::move(inode)));
}

bool Dentry::has_children() const {
  return children_ && !children_->list.empty();
}

// A name that was only kept while in use leaves the table with its last user. The way up is walked
// in a loop: a chain of removed directories may be longer than a kernel stack.
void Dentry::last_ref_dropped() {
  Dentry* dentry = this;
  while (dentry) {
    Dentry* parent;
    {
      NamesWriteGuard guard;
      if (dentry->linked_) DentryTree::hash_remove(*dentry);
      parent = dentry->parent_.release();
    }
    if (dentry->inode_ && dentry->inode_->links() == 0) notify::inode_gone(*dentry->inode_);
    delete dentry;
    dentry = parent && parent->drop_ref_is_last() ? parent : nullptr;
  }
}

// Eight bytes a step: each word that holds no slash is mixed in whole, the last one cut.
usize DentryTree::scan_component(std::string_view path, u32& hash) {
  constexpr u64 kMultiplier = 0x9ddfea08eb382d69;
  constexpr u64 kOnes = 0x0101010101010101, kHighs = 0x8080808080808080, kSlashes = kOnes * '/';
  const char* bytes = path.data();
  const usize size = path.size();
  u64 mixed = 0;
  usize at = 0;
  for (; at + 8 <= size; at += 8) {
    const u64 word = load_word(bytes + at);
    // The lowest set bit marks the first byte that is a slash (Hacker's Delight, section 6-1).
    const u64 differs = word ^ kSlashes;
    const u64 found = (differs - kOnes) & ~differs & kHighs;
    if (found != 0) {
      const u64 before = ((found & -found) >> 7) - 1;
      hash = u32((mixed ^ (word & before)) * kMultiplier >> 32);
      return at + usize(__builtin_ctzll(found) / 8);
    }
    mixed = (mixed ^ word) * kMultiplier;
    mixed ^= mixed >> 29;
  }
  u64 tail = 0;
  for (unsigned shift = 0; at < size && bytes[at] != '/'; ++at, shift += 8)
    tail |= u64(u8(bytes[at])) << shift;
  hash = u32((mixed ^ tail) * kMultiplier >> 32);
  return at;
}

Dentry* DentryTree::find(const Dentry& parent, std::string_view name, u32 hash) {
  for (Dentry* d = buckets[bucket_index(&parent, hash)]; d; d = d->hash_next_)
    if (d->hash_ == hash && d->parent_ == &parent && d->name_size_ == name.size() &&
        equal_bytes(d->name_, name.data(), name.size()))
      return d;
  return nullptr;
}

void DentryTree::hash_insert(Dentry& dentry) {
  Dentry*& head = buckets[bucket_index(dentry.parent_.get(), dentry.hash_)];
  dentry.hash_next_ = head;
  head = &dentry;
  dentry.linked_ = true;
  ++name_count;
}

void DentryTree::hash_remove(Dentry& dentry) {
  Dentry** link = &buckets[bucket_index(dentry.parent_.get(), dentry.hash_)];
  while (*link != &dentry) link = &(*link)->hash_next_;
  *link = dentry.hash_next_;
  dentry.hash_next_ = nullptr;
  dentry.linked_ = false;
  --name_count;
}

Result<> DentryTree::reserve(Dentry& parent) {
  usize wanted = 0;
  bool needs_list;
  {
    NamesReadGuard guard;
    if (name_count >= bucket_count) wanted = bucket_count * 4;
    needs_list = parent.inode_->file_system().names_pinned() && !parent.children_;
  }
  if (needs_list) {
    auto* children = new (std::nothrow) Dentry::Children();
    if (!children) return Errno::kNoMem;
    NamesWriteGuard guard;
    if (!parent.children_) std::swap(parent.children_, children);
    delete children;
  }
  if (wanted == 0) return {};
  // Without a larger table chains only get longer.
  auto** larger = static_cast<Dentry**>(::operator new(wanted * sizeof(Dentry*), std::nothrow));
  if (!larger) return {};
  std::memset(larger, 0, wanted * sizeof(Dentry*));
  Dentry** old = nullptr;
  {
    NamesWriteGuard guard;
    if (wanted > bucket_count) {
      old = buckets;
      usize old_count = bucket_count;
      buckets = larger;
      bucket_count = wanted;
      larger = nullptr;
      for (usize i = 0; i < old_count; ++i)
        for (Dentry* d = old[i]; d;) {
          Dentry* next = d->hash_next_;
          Dentry*& head = buckets[bucket_index(d->parent_.get(), d->hash_)];
          d->hash_next_ = head;
          head = d;
          d = next;
        }
    }
  }
  ::operator delete(larger);
  if (old != first_buckets) ::operator delete(old);
  return {};
}

void DentryTree::insert_child(Dentry& parent, Dentry& child) {
  child.position_ = ++parent.children_->last_position;
  parent.children_->list.push_back(child);
}

void DentryTree::link(Dentry& dentry) {
  Dentry& parent = *dentry.parent_;
  dentry.hash_ = hash(dentry.name());
  hash_insert(dentry);
  dentry.unlinked_.store(false, Order::kRelease);
  if (!parent.inode_->file_system().names_pinned()) return;
  insert_child(parent, dentry);
  dentry.pinned_ = true;
  dentry.add_ref();
}

Ref<Dentry> DentryTree::unlink(Dentry& dentry) {
  if (!dentry.linked_) return nullptr;
  hash_remove(dentry);
  dentry.mark_unlinked();
  if (!dentry.pinned_) return nullptr;
  dentry.sibling_.unlink();
  dentry.pinned_ = false;
  return Ref<Dentry>::adopt(&dentry);
}

Result<String> DentryTree::prepare_name(const Dentry& dentry, std::string_view name) {
  if (name.size() <= dentry.inline_capacity_) return String();
  return String::copy(name);
}

void DentryTree::set_name(Dentry& dentry, std::string_view name, String& prepared) {
  char* old = dentry.name_;
  if (name.size() <= dentry.inline_capacity_) {
    dentry.name_ = dentry.inline_name();
    std::memmove(dentry.name_, name.data(), name.size());
  } else {
    ASSERT(prepared.size() == name.size());
    dentry.name_ = prepared.release();
  }
  dentry.name_size_ = u8(name.size());
  dentry.hash_ = hash(name);
  if (old != dentry.inline_name() && old != dentry.name_) ::operator delete(old);
}

void DentryTree::move(Dentry& dentry, Ref<Dentry>& new_parent, std::string_view new_name,
                      String& prepared) {
  // A name that is kept elsewhere and was looked up for this alone is in no table.
  const bool linked = dentry.linked_;
  if (linked) hash_remove(dentry);
  if (dentry.pinned_) dentry.sibling_.unlink();
  set_name(dentry, new_name, prepared);
  std::swap(dentry.parent_, new_parent);
  if (linked) hash_insert(dentry);
  if (dentry.pinned_) insert_child(*dentry.parent_, dentry);
}

void DentryTree::exchange(Dentry& first, Dentry& second, String& first_name, String& second_name) {
  char old_name[255];
  const usize old_size = first.name_size_;
  std::memcpy(old_name, first.name_, old_size);
  hash_remove(first);
  hash_remove(second);
  first.sibling_.unlink();
  second.sibling_.unlink();
  set_name(first, second.name(), first_name);
  set_name(second, {old_name, old_size}, second_name);
  std::swap(first.parent_, second.parent_);
  hash_insert(first);
  hash_insert(second);
  insert_child(*first.parent_, first);
  insert_child(*second.parent_, second);
}

Dentry* DentryTree::first_child(const Dentry& parent, u64 after) {
  if (!parent.children_) return nullptr;
  auto& list = parent.children_->list;
  // Most readers continue near the end of what they have seen, or begin; look from the nearer side.
  if (after > parent.children_->last_position / 2) {
    Dentry* found = nullptr;
    for (Dentry* child = list.back(); child && child->position_ > after;
         child = list.previous(*child))
      found = child;
    return found;
  }
  Dentry* child = list.front();
  while (child && child->position_ <= after) child = list.next(*child);
  return child;
}

Dentry* DentryTree::next_child(const Dentry& parent, Dentry& child) {
  return parent.children_->list.next(child);
}

bool DentryTree::is_below(const Dentry& dentry, const Dentry& ancestor) {
  for (const Dentry* d = &dentry; d; d = d->parent_.get())
    if (d == &ancestor) return true;
  return false;
}

void DentryTree::drop_all(Dentry& root) {
  Dentry* at = &root;
  for (;;) {
    Ref<Dentry> dropped;
    {
      NamesWriteGuard guard;
      while (at->has_children()) at = at->children_->list.front();
      if (at == &root) return;
      Dentry* parent = at->parent_.get();
      dropped = unlink(*at);
      at = parent;
    }
  }
}

}  // namespace narwhal
