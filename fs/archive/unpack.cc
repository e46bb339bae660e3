#include "fs/archive/unpack.h"

#include "fs/archive/archive_frames.h"
#include "fs/core/vfs.h"
#include "kernel/base/hash_table.h"
#include "kernel/mm/page_ops.h"

namespace narwhal {

namespace {

constexpr usize kMaxLinkTarget = kMaxPath - 1;

// An inode with several names, found again by the numbers that the archive has for it.
struct LinkedInode {
  HashNode node;
  u64 device;
  u32 number;
  Ref<Inode> inode;
  Ref<TmpfsData> data;  // of a regular file
};
u64 link_hash(u64 device, u32 number) {
  return mix_hash(device * 31 + number);
}
struct LinkedInodeTraits {
  static u64 hash(const LinkedInode& item) { return link_hash(item.device, item.number); }
};

class Unpacker {
 public:
  Unpacker(PhysAddr start, u64 size, TmpFs& fs, Ref<Dentry> root)
      : start_(start), fs_(fs), root_(std::move(root)), frames_(start, size) {}
  ~Unpacker() {
    while (LinkedInode* link = links_.any()) {
      links_.remove(*link);
      delete link;
    }
  }

  Result<> add(const CpioMember& member);
  void finish() { frames_.finish(); }
  std::string_view reason() const { return reason_; }

 private:
  Errno fail(std::string_view reason) {
    reason_ = reason;
    return Errno::kInval;
  }
  Result<Ref<Dentry>> parent_of(std::string_view path, std::string_view& name);
  Result<Ref<Dentry>> child(const Dentry& parent, std::string_view name);
  Result<> add_directory(const Ref<Dentry>& parent, std::string_view name,
                         const CpioMember& member);
  Result<> add_other(const Ref<Dentry>& parent, std::string_view name, const CpioMember& member);
  Result<Ref<Inode>> make_inode(const CpioMember& member, Ref<TmpfsData>& data);
  Result<> fill(TmpfsData& data, const CpioMember& member);

  const PhysAddr start_;
  TmpFs& fs_;
  const Ref<Dentry> root_;
  ArchiveFrames frames_;
  HashTable<LinkedInode, &LinkedInode::node, LinkedInodeTraits> links_;
  std::string_view reason_;
};

FileType type_of(const CpioMember& member) {
  return FileType(member.mode & kFileTypeMask);
}

bool is_known_type(FileType type) {
  switch (type) {
    case FileType::kFifo:
    case FileType::kCharacterDevice:
    case FileType::kDirectory:
    case FileType::kBlockDevice:
    case FileType::kRegular:
    case FileType::kSymlink:
    case FileType::kSocket:
      return true;
  }
  return false;
}

TmpFs::Attributes attributes_of(const CpioMember& member) {
  TmpFs::Attributes attributes;
  attributes.mode = member.mode & kPermissionMask;
  attributes.uid = member.uid;
  attributes.gid = member.gid;
  attributes.time = {i64(member.modified), 0};
  const FileType type = type_of(member);
  if (type == FileType::kCharacterDevice || type == FileType::kBlockDevice)
    attributes.device = make_device(member.special_major, member.special_minor);
  return attributes;
}

// For a directory that is there already: the archive has the last word.
Result<> apply_attributes(Inode& inode, const CpioMember& member) {
  const TmpFs::Attributes attributes = attributes_of(member);
  AttributeChange change;
  change.fields = AttributeChange::kMode | AttributeChange::kUid | AttributeChange::kGid;
  change.mode = attributes.mode;
  change.uid = attributes.uid;
  change.gid = attributes.gid;
  TRY(inode.set_attributes(change));
  inode.set_times(attributes.time, attributes.time, attributes.time);
  return {};
}

// Null when there is no such name.
Result<Ref<Dentry>> Unpacker::child(const Dentry& parent, std::string_view name) {
  if (name.empty() || name == "." || name == "..")
    return fail("the path has an empty component, \".\" or \"..\"");
  if (name.size() > kMaxName) return fail("a component of the path is longer than 255 bytes");
  NamesReadGuard guard;
  return Ref<Dentry>(DentryTree::find(parent, name, DentryTree::hash(name)));
}

// The directory that a path ends in, made where the archive forgot it, and the last component.
Result<Ref<Dentry>> Unpacker::parent_of(std::string_view path, std::string_view& name) {
  if (path.size() >= kMaxPath) return fail("the path is longer than 4095 bytes");
  Ref<Dentry> directory = root_;
  for (;;) {
    const usize slash = path.find('/');
    name = path.substr(0, slash);
    if (slash == std::string_view::npos) return directory;
    path.remove_prefix(slash + 1);
    Ref<Dentry> next = TRY(child(*directory, name));
    if (!next) {
      TmpFs::Attributes attributes;
      attributes.mode = 0755;
      next =
          TRY(fs_.add_name(directory, name, TRY(fs_.make_inode(FileType::kDirectory, attributes))));
    } else if (!next->inode().is_directory()) {
      return fail("something before it is no directory");
    }
    directory = std::move(next);
  }
}

Result<> Unpacker::add(const CpioMember& member) {
  std::string_view path = archive_path(member.name);
  const FileType type = type_of(member);
  if (path == kBootSettingsMember) return {};
  if (!is_known_type(type)) return fail("the mode has no known file type");
  if (type == FileType::kDirectory) {
    while (path.ends_with('/')) path.remove_suffix(1);
    if (path == ".narwhal") return {};
    if (path.empty()) return apply_attributes(root_->inode(), member);
  }
  if (path.empty()) return fail("the root is no directory");

  std::string_view name;
  const Ref<Dentry> parent = TRY(parent_of(path, name));
  if (type == FileType::kDirectory) return add_directory(parent, name, member);
  return add_other(parent, name, member);
}

Result<> Unpacker::add_directory(const Ref<Dentry>& parent, std::string_view name,
                                 const CpioMember& member) {
  if (Ref<Dentry> there = TRY(child(*parent, name))) {
    if (!there->inode().is_directory()) return fail("the name appears twice");
    return apply_attributes(there->inode(), member);
  }
  Ref<Inode> inode = TRY(fs_.make_inode(FileType::kDirectory, attributes_of(member)));
  TRY(fs_.add_name(parent, name, std::move(inode)));
  return {};
}

// Everything that can have several names.
Result<> Unpacker::add_other(const Ref<Dentry>& parent, std::string_view name,
                             const CpioMember& member) {
  if (TRY(child(*parent, name))) return fail("the name appears twice");

  const u64 device = make_device(member.device_major, member.device_minor);
  LinkedInode* link = nullptr;
  if (member.links > 1)
    link = links_.find(link_hash(device, member.inode), [&](const LinkedInode& item) {
      return item.device == device && item.number == member.inode;
    });

  Ref<Inode> inode;
  Ref<TmpfsData> data;
  if (link) {
    inode = link->inode;
    data = link->data;
    if (inode->type() != type_of(member)) return fail("a hard link has another type than its file");
    TRY(fs_.add_name(parent, name, inode));
    inode->set_links(inode->links() + 1);
  } else {
    inode = TRY(make_inode(member, data));
    TRY(fs_.add_name(parent, name, inode));
    if (member.links > 1) {
      link = new (std::nothrow) LinkedInode{{}, device, member.inode, inode, data};
      if (!link) return Errno::kNoMem;
      if (auto added = links_.insert(*link); !added.ok()) {
        delete link;
        return added.error();
      }
    }
  }
  if (!data || member.data.empty()) return {};
  // Some archivers repeat the data with each name, others give them once.
  if (data->size() == 0) return fill(*data, member);
  if (data->size() != member.data.size()) return fail("a hard link has other data than its file");
  return {};
}

Result<Ref<Inode>> Unpacker::make_inode(const CpioMember& member, Ref<TmpfsData>& data) {
  const TmpFs::Attributes attributes = attributes_of(member);
  switch (type_of(member)) {
    case FileType::kRegular:
      data = TRY(fs_.make_data());
      return fs_.make_file(attributes, data);
    case FileType::kSymlink: {
      std::string_view target = member.text();
      target = target.substr(0, target.find('\0'));
      if (target.empty()) return fail("the symbolic link is empty");
      if (target.size() > kMaxLinkTarget)
        return fail("the symbolic link is longer than 4095 bytes");
      return fs_.make_symlink(attributes, target);
    }
    default:
      return fs_.make_inode(type_of(member), attributes);
  }
}

Result<> Unpacker::fill(TmpfsData& data, const CpioMember& member) {
  const u64 size = member.data.size();
  const u64 whole_pages = size / kPageSize;
  const PhysAddr start = start_ + member.data_offset;
  for (u64 i = 0; i < whole_pages; ++i) {
    const PhysAddr page = start + i * kPageSize;
    if (page.page_aligned()) {
      TRY(data.add_page(i, TRY(frames_.keep(page))));
      continue;
    }
    FrameRef copy = TRY(FrameRef::allocate(FrameContent::kAny));
    std::memcpy(copy.data(), member.data.data() + i * kPageSize, kPageSize);
    TRY(data.add_page(i, std::move(copy)));
  }
  if (const u64 rest = size % kPageSize; rest != 0) {
    // It lies in one frame or across two.
    const PhysAddr rest_start = start + whole_pages * kPageSize;
    FrameRef first = TRY(frames_.keep(rest_start.page()));
    FrameRef second;
    if (const PhysAddr last = (rest_start + (rest - 1)).page(); last != first.address())
      second = TRY(frames_.keep(last));
    data.set_packed(whole_pages, rest_start, u32(rest));
    static_cast<void>(first.release());
    static_cast<void>(second.release());
  }
  data.set_size(size);
  return {};
}

}  // namespace

Result<> unpack_archive(std::span<const std::byte> archive, PhysAddr start, TmpFs& fs,
                        TextSink& problem) {
  if (!start.page_aligned()) {
    problem << "the archive does not start on a page boundary";
    return Errno::kInval;
  }
  Unpacker unpacker(start, archive.size(), fs, TRY(fs.root()));
  CpioReader reader(archive);
  CpioMember member;
  for (;;) {
    auto more = reader.next(member);
    if (!more.ok()) {
      reader.describe(problem);
      return more.error();
    }
    if (!more.take()) break;
    auto added = unpacker.add(member);
    if (added.ok()) continue;
    problem << "at offset " << member.header_offset << ", \"" << member.name << "\": ";
    if (added.failed(Errno::kInval))
      problem << unpacker.reason();
    else
      problem << added.error();
    return added.error();
  }
  unpacker.finish();
  return {};
}

}  // namespace narwhal
