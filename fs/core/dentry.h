// Dentry: a name in a directory that leads to an inode.
//
// Names form a tree, upwards by references, downwards by one hash table for all of them, keyed by
// directory and name. A file system that lives in memory keeps its dentries pinned, and lists each
// directory's children; others let them go when unused.
//
// names_lock guards where a dentry is and what it is called. Its inode never changes.
#pragma once

#include "fs/core/inode.h"
#include "fs/core/mount.h"
#include "fs/core/names_lock.h"

namespace narwhal {

class Dentry final : public RefCounted {
 public:
  // A name that is not linked yet: nobody finds it. Without a parent: the root of a file system, or
  // what has no place among names at all. ENOMEM.
  static Result<Ref<Dentry>> create(Ref<Dentry> parent, std::string_view name,
                                    Ref<Inode> inode = nullptr);
  // For one that was made without: before it is linked, so that only what can't fail is left.
  void set_inode(Ref<Inode> inode) { inode_ = std::move(inode); }

  Inode& inode() const { return *inode_; }
  const Ref<Inode>& inode_ref() const { return inode_; }

  // Both change under rename(2).
  const Ref<Dentry>& parent() const NARWHAL_TSA(requires_shared_capability(names_lock)) {
    return parent_;
  }
  std::string_view name() const NARWHAL_TSA(requires_shared_capability(names_lock)) {
    return {name_, name_size_};
  }
  // Its name is gone: unlink(2), rmdir(2). Made by O_TMPFILE: it never had one.
  bool unlinked() const { return unlinked_.load(Order::kAcquire); }
  void mark_unlinked() { unlinked_.store(true, Order::kRelease); }
  // Something may be mounted on it.
  bool covered() const { return covers_.load(Order::kRelaxed) != 0; }
  bool has_children() const NARWHAL_TSA(requires_shared_capability(names_lock));

  static void operator delete(void* memory) { ::operator delete(memory); }

 private:
  friend class DentryTree;
  friend class MountTree;
  struct Children;

  Dentry(Ref<Dentry> parent, std::string_view name, Ref<Inode> inode);
  ~Dentry() override;
  void last_ref_dropped() override;
  char* inline_name() { return reinterpret_cast<char*>(this + 1); }

  u32 hash_ TA_GUARDED_BY(names_lock) = 0;
  Ref<Dentry> parent_ TA_GUARDED_BY(names_lock);
  Ref<Inode> inode_;
  Dentry* hash_next_ TA_GUARDED_BY(names_lock) = nullptr;
  char* name_ TA_GUARDED_BY(names_lock);  // behind this object, or on the heap after a rename
  u8 name_size_ TA_GUARDED_BY(names_lock);
  u8 inline_capacity_;
  bool linked_ TA_GUARDED_BY(names_lock) = false;
  bool pinned_ TA_GUARDED_BY(names_lock) = false;
  Atomic<bool> unlinked_{false};
  Atomic<u16> covers_{0};                                   // mounts on it
  ListNode sibling_;                                        // in its parent's Children
  u64 position_ TA_GUARDED_BY(names_lock) = 0;              // among them: getdents' offset
  Children* children_ TA_GUARDED_BY(names_lock) = nullptr;  // of a pinned directory, once needed
};

// The operations on the tree.
class DentryTree {
 public:
  // Of one name, for find() and link().
  static u32 hash(std::string_view name) {
    u32 hash;
    scan_component(name, hash);
    return hash;
  }
  // The length of a path's first component, up to a slash or the end, and its hash.
  static usize scan_component(std::string_view path, u32& hash);

  static Dentry* find(const Dentry& parent, std::string_view name, u32 hash)
      NARWHAL_TSA(requires_shared_capability(names_lock));

  // Makes room for one more child, so that link() can't fail. ENOMEM.
  static Result<> reserve(Dentry& parent) TA_EXCLUDES(names_lock);
  // Makes a name visible below its parent. In a pinned file system the tree keeps it alive.
  static void link(Dentry& dentry) TA_REQUIRES(names_lock);
  // Takes a name out of the tree. What is returned must be dropped after the lock.
  static Ref<Dentry> unlink(Dentry& dentry) TA_REQUIRES(names_lock);

  // A name's new text, when it may not fit where the old one is. ENOMEM.
  static Result<String> prepare_name(const Dentry& dentry, std::string_view name);
  // rename(2): what must be dropped after the lock is left in the arguments.
  static void move(Dentry& dentry, Ref<Dentry>& new_parent, std::string_view new_name,
                   String& prepared) TA_REQUIRES(names_lock);
  // RENAME_EXCHANGE. `first_name` was prepared for `first` with the name of `second`, and the other
  // way round.
  static void exchange(Dentry& first, Dentry& second, String& first_name, String& second_name)
      TA_REQUIRES(names_lock);

  // The children of a pinned directory in order of their offsets, from the first whose offset is
  // greater than `after`.
  static Dentry* first_child(const Dentry& parent, u64 after)
      NARWHAL_TSA(requires_shared_capability(names_lock));
  static Dentry* next_child(const Dentry& parent, Dentry& child)
      NARWHAL_TSA(requires_shared_capability(names_lock));
  static u64 offset(const Dentry& child) NARWHAL_TSA(requires_shared_capability(names_lock)) {
    return child.position_;
  }
  // True when `dentry` is `ancestor` or below it, mounts not crossed.
  static bool is_below(const Dentry& dentry, const Dentry& ancestor)
      NARWHAL_TSA(requires_shared_capability(names_lock));

  // Takes apart all that is below a root; for the end of a file system in memory.
  static void drop_all(Dentry& root) TA_EXCLUDES(names_lock);

 private:
  friend class Dentry;
  static void insert_child(Dentry& parent, Dentry& child) TA_REQUIRES(names_lock);
  static void hash_insert(Dentry& dentry) TA_REQUIRES(names_lock);
  static void hash_remove(Dentry& dentry) TA_REQUIRES(names_lock);
  static void set_name(Dentry& dentry, std::string_view name, String& prepared)
      TA_REQUIRES(names_lock);
};

}  // namespace narwhal
