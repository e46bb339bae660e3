#include "fs/p9/node.h"

#include "fs/core/directory_file.h"
#include "fs/p9/p9.h"
#include "fs/p9/regular.h"
#include "kernel/base/format.h"

namespace narwhal::p9 {
namespace {

// The entries of an open directory, read whole when its reader begins: the server's own places in
// it are hashes that leave no room for "." and "..", and what is removed meanwhile must not move
// the others.
class RemoteDirectoryFile final : public DirectoryFile {
 public:
  RemoteDirectoryFile(const Path& path, OpenFlags flags, File9Ref file)
      : DirectoryFile(path, flags), file_(std::move(file)) {}

 protected:
  Result<> visit_names(i64 offset, DirectoryVisitor& visitor) override {
    if (offset == 0 || !filled_) {
      entries_.names = Vector<Entry>();
      TRY(fill());
    }
    const Vector<Entry>& names = entries_.names;
    for (usize i = usize(offset); i < names.size(); ++i)
      if (!visitor.entry(names[i].name.view(), names[i].number, names[i].type, i64(i + 1))) break;
    return {};
  }

 private:
  struct Entry {
    String name;
    u64 number;
    FileType type;
  };
  class Entries final : public EntrySink {
   public:
    Result<> entry(std::string_view name, u64 number, FileType type) override {
      return names.push_back(Entry{TRY(String::copy(name)), number, type});
    }
    Vector<Entry> names;
  };

  Result<> fill() {
    Qid qid;
    const File9 opened(file_->session, TRY(file_->session.walk(file_->fid, "", qid)));
    TRY(open(opened, Open9::kReadOnly | Open9::kDirectory));
    for (u64 cookie = 0; TRY(read_entries(opened, cookie, entries_));) {
    }
    filled_ = true;
    return {};
  }

  const File9Ref file_;
  Entries entries_;
  bool filled_ = false;
};

// Directories, symbolic links, and names of what lives in the guest: devices, FIFOs, sockets.
class RemoteOther final : public RemoteInode<Inode> {
 public:
  RemoteOther(P9FileSystem& file_system, File9Ref file, const Attributes& attributes)
      : RemoteInode(file_system, std::move(file), attributes, attributes.type(),
                    attributes.qid.path, attributes.mode, attributes.uid, attributes.gid) {}

  Result<Ref<Inode>> lookup(std::string_view name) override {
    if (!is_directory()) return Errno::kNotDir;
    Qid qid;
    Fid fid = TRY(remote().session().walk(node().file()->fid, name, qid));
    return remote().inode_of(std::move(fid));
  }

  Result<Ref<Inode>> create(std::string_view name, FileType type, u32 mode, u64 device,
                            const Credentials& who) override {
    const File9Ref directory = node().file();
    if (type != FileType::kRegular) {
      TRY(make_node(*directory, name, type, mode, device, who.fsgid));
      return made(name, who);
    }
    Qid qid;
    Session& session = remote().session();
    File9Ref opened = TRY(make_ref<File9>(session, TRY(session.walk(directory->fid, "", qid))));
    TRY(p9::create(*opened, name, mode, who.fsgid));
    Ref<Inode> inode = TRY(made(name, who));
    if (inode->is_regular()) static_cast<RemoteRegular&>(*inode).set_created(std::move(opened));
    return inode;
  }

  Result<Ref<Inode>> create_symlink(std::string_view name, std::string_view target,
                                    const Credentials& who) override {
    TRY(make_symlink(*node().file(), name, target, who.fsgid));
    return made(name, who);
  }

  Result<> link(std::string_view name, Inode& target) override {
    const File9Ref file = node_of(target).file();
    TRY(p9::link(*node().file(), name, *file));
    target.set_links(target.links() + 1);
    return {};
  }

  Result<> unlink(std::string_view name, Inode& target) override {
    TRY(p9::unlink(*node().file(), name, target.is_directory()));
    // The host may have others of its names removed too; what is asked of it later tells.
    if (target.links() != 0) target.set_links(target.is_directory() ? 0 : target.links() - 1);
    return {};
  }

  Result<> rename(std::string_view name, Inode&, Inode& new_directory, std::string_view new_name,
                  Inode*, u32 flags) override {
    constexpr u32 kExchange = 2;
    if (flags & kExchange) return Errno::kInval;
    return p9::rename(*node().file(), name, *node_of(new_directory).file(), new_name);
  }

  Result<String> read_link() override {
    if (!is_symlink()) return Errno::kInval;
    return p9::read_link(*node().file());
  }

  Result<FileRef> open(const Path& path, OpenFlags flags) override {
    if (!is_directory()) return Inode::open(path, flags);
    return FileRef(TRY(make_ref<RemoteDirectoryFile>(path, flags, node().file())));
  }

 private:
  static Node& node_of(Inode& inode) {
    if (inode.is_regular()) return static_cast<RemoteRegular&>(inode).node();
    return static_cast<RemoteOther&>(inode).node();
  }

  // The inode of a name that was made just now. The server made it as who it is; the guest's user
  // gets it where the server may give it away.
  Result<Ref<Inode>> made(std::string_view name, const Credentials& who) {
    Ref<Inode> inode = TRY(lookup(name));
    if (inode->uid() != who.fsuid || inode->gid() != who.fsgid)
      inode
          ->set_attributes({.fields = AttributeChange::kUid | AttributeChange::kGid,
                            .uid = who.fsuid,
                            .gid = who.fsgid})
          .ignore();
    return inode;
  }
};

}  // namespace

Node::~Node() {
  file_system_.forget(*this);
}

File9Ref Node::file() const {
  SpinGuard guard(lock_);
  return file_;
}

void Node::set_file(File9Ref file) {
  SpinGuard guard(lock_);
  std::swap(file_, file);
}

Result<Ref<FileSystem>> P9FileSystem::create(Ref<P9Channel> channel) {
  Ref<Session> session = TRY(Session::start(std::move(channel)));
  auto file_system = Ref<P9FileSystem>::adopt(new (std::nothrow) P9FileSystem(std::move(session)));
  if (!file_system) return Errno::kNoMem;
  Qid qid;
  Fid fid = TRY(file_system->session_->attach(qid));
  file_system->root_file_ = TRY(make_ref<File9>(*file_system->session_, std::move(fid)));
  Fid again = TRY(file_system->session_->walk(file_system->root_file_->fid, "", qid));
  file_system->root_ = TRY(file_system->inode_of(std::move(again)));
  if (!file_system->root_->is_directory()) return Errno::kNotDir;
  return Ref<FileSystem>(file_system);
}

P9FileSystem::~P9FileSystem() {
  drop_names();
  root_ = nullptr;
  root_file_ = nullptr;
}

void P9FileSystem::describe_options(TextSink& out) const {
  out << "trans=virtio,version=9p2000.L,cache=none";
}

Result<Ref<Inode>> P9FileSystem::inode_of(Fid fid) {
  File9Ref file = TRY(make_ref<File9>(*session_, std::move(fid)));
  const Attributes attributes = TRY(get_attributes(*file));
  if (Ref<Inode> known = find(attributes, file)) return known;
  return make(attributes, file);
}

Ref<Inode> P9FileSystem::find(const Attributes& attributes, const File9Ref& file) {
  Ref<Inode> found;
  {
    SpinGuard guard(lock_);
    found = find_locked(attributes);
  }
  if (!found) return nullptr;
  if (found->is_regular()) {
    auto& regular = static_cast<RemoteRegular&>(*found);
    regular.node().set_file(file);
    regular.note(attributes);
  } else {
    auto& other = static_cast<RemoteOther&>(*found);
    other.node().set_file(file);
    other.note(attributes);
  }
  return found;
}

Result<Ref<Inode>> P9FileSystem::make(const Attributes& attributes, File9Ref file) {
  Ref<Inode> inode;
  Node* node;
  switch (attributes.type()) {
    case FileType::kRegular: {
      Ref<RemoteRegular> regular = TRY(RemoteRegular::make(*this, std::move(file), attributes));
      node = &regular->node();
      inode = std::move(regular);
      break;
    }
    case FileType::kDirectory:
    case FileType::kSymlink:
    case FileType::kFifo:
    case FileType::kSocket:
    case FileType::kCharacterDevice:
    case FileType::kBlockDevice: {
      Ref<RemoteOther> other = TRY(make_ref<RemoteOther>(*this, std::move(file), attributes));
      node = &other->node();
      inode = std::move(other);
      break;
    }
    default:
      return Errno::kIo;
  }
  Ref<Inode> faster;  // of two who look the same file up at once, the second takes the first's
  SpinGuard guard(lock_);
  faster = find_locked(attributes);
  if (faster) return faster;
  TRY(nodes_.insert(*node));
  return inode;
}

Ref<Inode> P9FileSystem::find_locked(const Attributes& attributes) {
  Node* node = nodes_.find(mix_hash(attributes.qid.path), [&](const Node& each) {
    // A number of the server's may come back with another kind of file.
    return each.path() == attributes.qid.path && each.inode().type() == attributes.type();
  });
  return node && node->inode().try_add_ref() ? Ref<Inode>::adopt(&node->inode()) : nullptr;
}

void P9FileSystem::forget(Node& node) {
  SpinGuard guard(lock_);
  if (node.hash_node.linked) nodes_.remove(node);
}

}  // namespace narwhal::p9

namespace narwhal {

Result<Ref<FileSystem>> create_p9_file_system(Ref<P9Channel> channel) {
  return p9::P9FileSystem::create(std::move(channel));
}

}  // namespace narwhal
