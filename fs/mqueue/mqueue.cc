// The file system of queues, their names and what they may take.
#include "fs/mqueue/mqueue.h"

#include "fs/core/clock.h"
#include "fs/core/create.h"

namespace narwhal::mqueue {

constinit Settings settings;

namespace {

// What Linux lets even CAP_SYS_RESOURCE ask for.
constexpr u64 kMostMessages = 65536, kLargestMessage = 16 * kMiB;
// What Linux takes for a message beside its text (struct msg_msg), and for each priority in use.
constexpr u64 kMessageHeader = 48, kPriorityNode = 48;

// --- who has how much

struct User {
  u32 uid;
  u64 bytes;
};
constinit Mutex<LockRank::kFileLocks> users_mutex;
[[clang::no_destroy]] constinit Vector<User> users TA_GUARDED_BY(users_mutex);

u64 cost(const Attributes& attributes) {
  const u64 nodes =
      attributes.max_messages < kMaxPriorities ? attributes.max_messages : u64{kMaxPriorities};
  return attributes.max_messages * (kMessageHeader + attributes.max_size) + nodes * kPriorityNode;
}

// --- the file system

// What the mq_open(2) that runs wants for a queue that it may make.
struct Request {
  Attributes attributes;
  u64 limit;
};
// One mq_open(2) at a time; it is the only one that finds its own request.
constinit Mutex<LockRank::kMutexOther> open_mutex;
constinit Atomic<Thread*> opening{nullptr};
constinit const Request* request_of_opening = nullptr;

Result<Attributes> check(const Attributes& wanted, const Credentials& who) {
  if (i64(wanted.max_messages) <= 0 || i64(wanted.max_size) <= 0) return Errno::kInval;
  const bool privileged = who.capable(Capability::kSysResource);
  const u64 messages = privileged ? kMostMessages : settings.max_messages.load();
  const u64 size = privileged ? kLargestMessage : settings.max_size.load();
  if (wanted.max_messages > messages || wanted.max_size > size) return Errno::kInval;
  return wanted;
}

class QueueDirectory final : public Inode {
 public:
  explicit QueueDirectory(FileSystem& fs) : Inode(fs, FileType::kDirectory, 1, 01777) {
    const abi::TimeSpec now = current_file_time();
    set_times(now, now, now);
    set_links(2);
  }

  Result<Ref<Inode>> create(std::string_view, FileType type, u32 mode, u64,
                            const Credentials& who) override {
    if (type != FileType::kRegular) return Errno::kPerm;
    const bool privileged = who.capable(Capability::kSysResource);
    if (queues_.load() >= settings.max_queues.load() && !privileged) return Errno::kNoSpc;
    // open(2) of a new name asks for nothing.
    const Request* request = opening.load() == current_thread() ? request_of_opening : nullptr;
    const u32 messages = settings.default_messages.load(), size = settings.default_size.load();
    Attributes wanted{
        messages < settings.max_messages.load() ? messages : settings.max_messages.load(),
        size < settings.max_size.load() ? size : settings.max_size.load()};
    if (request && request->attributes.max_messages != kDefault)
      wanted = TRY(check(request->attributes, who));
    TRY(charge(who.uid, wanted, request ? request->limit : ~u64{0}));
    const auto owner = vfs::new_inode_owner(*this, who, type, mode);
    auto* queue = new (std::nothrow) Queue(file_system(), last_number_.fetch_add(1) + 2, owner.mode,
                                           owner.uid, owner.gid, wanted, who.uid);
    if (!queue) {
      release(who.uid, wanted);
      return Errno::kNoMem;
    }
    queues_.fetch_add(1);
    set_modified(current_file_time());
    return Ref<Inode>::adopt(queue);
  }
  Result<> unlink(std::string_view, Inode& target) override {
    target.set_links(0);
    target.set_changed(current_file_time());
    queues_.fetch_sub(1);
    set_modified(current_file_time());
    return {};
  }

  static constexpr u64 kDefault = ~u64{0};

 private:
  Atomic<u32> queues_{0};
  Atomic<u64> last_number_{0};
};

class QueueFileSystem final : public FileSystem {
 public:
  QueueFileSystem() : FileSystem(Names::kPinned) {}
  std::string_view type_name() const override { return "mqueue"; }
  Ref<Inode> root_inode() override { return std::move(first_); }
  Result<Usage> usage() override {
    constexpr i64 kMagic = 0x19800202;  // MQUEUE_MAGIC
    return Usage{kMagic, i64(kPageSize), 0, 0, 0, 0};
  }
  Result<> prepare() {
    first_ = TRY(make_ref<QueueDirectory>(*this));
    TRY(root());
    return {};
  }

 private:
  Ref<Inode> first_;
};

constinit QueueFileSystem* the_file_system = nullptr;  // lives as long as the machine
constinit Mount* the_mount = nullptr;                  // the kernel's own

Result<Ref<FileSystem>> create_for_mount(std::string_view) {
  return Ref<FileSystem>(the_file_system);
}
[[clang::no_destroy]] constinit FileSystemType mqueue_type{{}, "mqueue", create_for_mount};

Path root_path() {
  return Path{Ref<Mount>(the_mount), the_mount->root()};
}

// A name as the calls want it: one component.
Result<> check_name(std::string_view name) {
  if (name.empty()) return Errno::kNoEnt;
  if (name.size() > kMaxName) return Errno::kNameTooLong;
  if (name == "." || name == ".." || name.find('/') != std::string_view::npos) return Errno::kAcces;
  return {};
}

}  // namespace

Result<> charge(u32 user, const Attributes& attributes, u64 limit) {
  const u64 bytes = cost(attributes);
  Guard guard(users_mutex);
  User* found = nullptr;
  for (User& each : users)
    if (each.uid == user) found = &each;
  if (bytes > limit || (found && found->bytes + bytes > limit)) return Errno::kMFile;
  if (found)
    found->bytes += bytes;
  else
    TRY(users.push_back({user, bytes}));
  return {};
}

void release(u32 user, const Attributes& attributes) {
  Guard guard(users_mutex);
  for (usize i = 0; i < users.size(); ++i) {
    if (users[i].uid != user) continue;
    users[i].bytes -= cost(attributes);
    if (users[i].bytes == 0) users.erase(i);
    return;
  }
}

Result<> init() {
  auto fs = TRY(make_ref<QueueFileSystem>());
  TRY(fs->prepare());
  the_file_system = fs.release();
  the_mount = TRY(make_ref<Mount>(Ref<FileSystem>(the_file_system), TRY(the_file_system->root()),
                                  MountFlags::kInternal))
                  .release();
  register_file_system_type(mqueue_type);
  return {};
}

Result<QueueFile*> queue_file(File& file) {
  Inode* inode = file.inode();
  if (!inode || &inode->file_system() != the_file_system || !inode->is_regular() ||
      has(file.flags(), OpenFlags::kPath))
    return Errno::kBadF;
  return static_cast<QueueFile*>(&file);
}

Result<FileRef> open(const vfs::Actor& actor, std::string_view name, OpenFlags flags, u32 mode,
                     const std::optional<Attributes>& requested, u64 limit) {
  TRY(check_name(name));
  constexpr OpenFlags kUsed =
      OpenFlags::kAccessMode | OpenFlags::kCreate | OpenFlags::kExclusive | OpenFlags::kNonBlock;
  if ((raw(flags) & raw(OpenFlags::kAccessMode)) == raw(OpenFlags::kAccessMode))
    return Errno::kInval;
  Request request{{QueueDirectory::kDefault, 0}, limit};
  if (requested) request.attributes = *requested;
  // A size of its own that is the mark for "none" is refused as any other that is too large.
  if (requested && requested->max_messages == QueueDirectory::kDefault)
    request.attributes.max_messages = 0;
  Guard guard(open_mutex);
  opening.store(current_thread());
  request_of_opening = &request;
  auto opened = vfs::open(actor, root_path(), name, flags & kUsed, mode);
  opening.store(nullptr);
  request_of_opening = nullptr;
  return opened;
}

Result<> unlink(const vfs::Actor& actor, std::string_view name) {
  TRY(check_name(name));
  return vfs::unlink(actor, root_path(), name);
}

}  // namespace narwhal::mqueue
