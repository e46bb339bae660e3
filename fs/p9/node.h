// Inodes of a 9P file system, and the table by which a file of the server's is one inode here,
// whatever name led to it.
#pragma once

#include "fs/core/regular_file.h"
#include "fs/p9/calls.h"
#include "fs/p9/pages.h"
#include "kernel/base/hash_table.h"

namespace narwhal::p9 {

class P9FileSystem;

// What all inodes share, apart from what they derive from.
class Node : NonCopyable {
 public:
  Node(P9FileSystem& file_system, Inode& inode, File9Ref file, u64 path)
      : file_system_(file_system), inode_(inode), path_(path), file_(std::move(file)) {}
  ~Node();

  Inode& inode() const { return inode_; }
  u64 path() const { return path_; }
  // The number by which names lead to it; renewed as they do, since a server that works by names
  // loses a file that the host renames.
  File9Ref file() const;
  void set_file(File9Ref file);

  HashNode hash_node;  // the table's, under its lock

 private:
  P9FileSystem& file_system_;
  Inode& inode_;
  const u64 path_;  // the server's
  mutable SpinLock<LockRank::kSpinOther> lock_;
  File9Ref file_ TA_GUARDED_BY(lock_);
};

struct NodeTraits {
  static u64 hash(const Node& node) { return mix_hash(node.path()); }
};

class P9FileSystem final : public FileSystem {
 public:
  static Result<Ref<FileSystem>> create(Ref<P9Channel> channel);
  ~P9FileSystem() override;

  std::string_view type_name() const override { return "9p"; }
  Ref<Inode> root_inode() override { return root_; }
  Result<Usage> usage() override { return p9::usage(*root_file_); }
  void describe_options(TextSink& out) const override;

  // The inode of what a number leads to: the one in use, or a new one.
  Result<Ref<Inode>> inode_of(Fid fid);
  Session& session() const { return *session_; }

 private:
  friend class Node;
  explicit P9FileSystem(Ref<Session> session)
      : FileSystem(Names::kRemote), session_(std::move(session)) {}
  Ref<Inode> find(const Attributes& attributes, const File9Ref& file);
  Ref<Inode> find_locked(const Attributes& attributes) TA_REQUIRES(lock_);
  Result<Ref<Inode>> make(const Attributes& attributes, File9Ref file);
  void forget(Node& node);

  const Ref<Session> session_;
  File9Ref root_file_;
  Ref<Inode> root_;
  SpinLock<LockRank::kSpinOther> lock_;
  HashTable<Node, &Node::hash_node, NodeTraits> nodes_ TA_GUARDED_BY(lock_);
};

// Tells an inode what the server says of it.
template <typename Base>
class RemoteInode : public Base {
 public:
  template <typename... Args>
  RemoteInode(P9FileSystem& file_system, File9Ref file, const Attributes& attributes,
              Args&&... args)
      : Base(file_system, std::forward<Args>(args)...),
        node_(file_system, *this, std::move(file), attributes.qid.path) {
    note(attributes);
  }

  Node& node() { return node_; }
  // A number that leads to it; an open one where there is one, since it outlives the name.
  virtual File9Ref any_file() const { return node_.file(); }

  void note(const Attributes& attributes) {
    using Change = AttributeChange;
    Base::apply_attributes({.fields = Change::kMode | Change::kUid | Change::kGid,
                            .mode = attributes.mode,
                            .uid = attributes.uid,
                            .gid = attributes.gid});
    Base::set_links(u32(attributes.links));
    Base::set_special_device(attributes.device);
    Base::set_times(attributes.accessed, attributes.modified, attributes.changed);
    note_size(attributes);
  }
  virtual void note_size(const Attributes&) {}
  Result<Attributes> refresh() {
    const Attributes attributes = TRY(get_attributes(*any_file()));
    note(attributes);
    return attributes;
  }

  Result<> stat(abi::Stat& out) override {
    const Attributes attributes = TRY(refresh());
    TRY(Inode::stat(out));
    out.size = i64(attributes.size);
    out.blocks = i64(attributes.blocks);
    out.block_size = i64(attributes.block_size);
    return {};
  }
  Result<> set_attributes(const AttributeChange& change) override {
    TRY(p9::set_attributes(*any_file(), change));
    TRY(refresh());
    return {};
  }

  Result<usize> get_xattr(std::string_view name, std::span<std::byte> out) override {
    return p9::get_xattr(*node_.file(), name, out);
  }
  Result<> set_xattr(std::string_view name, std::span<const std::byte> value, int flags) override {
    return p9::set_xattr(*node_.file(), name, value, flags);
  }
  // An attribute that is set to nothing goes.
  Result<> remove_xattr(std::string_view name) override {
    constexpr int kReplace = 2;
    return p9::set_xattr(*node_.file(), name, {}, kReplace);
  }
  Result<usize> list_xattr(std::span<char> out, bool) override {
    return p9::get_xattr(*node_.file(), "", std::as_writable_bytes(out));
  }

 protected:
  P9FileSystem& remote() const { return static_cast<P9FileSystem&>(Base::file_system()); }

 private:
  Node node_;
};

}  // namespace narwhal::p9
