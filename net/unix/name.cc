#include "net/unix/name.h"

#include <cstring>

#include "fs/core/dentry.h"
#include "fs/core/special_file.h"
#include "kernel/abi/socket.h"
#include "net/unix/endpoint.h"

namespace narwhal {
namespace {

constexpr u32 kPathOffset = 2;        // offsetof(struct sockaddr_un, sun_path)
constexpr u32 kMostLength = 110;      // sizeof(struct sockaddr_un)
constexpr u32 kNameDigits = 5;        // of names that are made up
constexpr u32 kMostNames = 1u << 20;  // as many as there are of five hexadecimal digits

u64 hash_name(const SocketAddress& address, int type) {
  u64 hash = mix_hash(u64(u32(type)) << 32 | address.length);
  for (u32 i = kPathOffset; i < address.length; ++i)
    hash = (hash ^ address.bytes[i]) * 0x100000001b3;
  return mix_hash(hash);
}

struct NameTraits {
  static u64 hash(const UnixName& name) { return hash_name(name.address, name.type); }
};
constinit HashTable<UnixName, &UnixName::node, NameTraits> abstract_names TA_GUARDED_BY(unix_lock);
constinit Atomic<u32> next_name{0};

UnixName* find_abstract(const SocketAddress& address, int type) TA_REQUIRES(unix_lock) {
  return abstract_names.find(hash_name(address, type), [&](const UnixName& name) {
    return name.type == type && name.address.length == address.length &&
           std::memcmp(name.address.bytes, address.bytes, address.length) == 0;
  });
}

std::string_view path_of(const SocketAddress& address) {
  std::string_view path(reinterpret_cast<const char*>(address.bytes) + kPathOffset,
                        address.length - kPathOffset);
  return path.substr(0, path.find('\0'));
}

}  // namespace

Result<> check_unix_address(const SocketAddress& address) {
  if (address.length <= kPathOffset || address.length > kMostLength) return Errno::kInval;
  if (address.family() != abi::kAfUnix) return Errno::kInval;
  return {};
}

Result<> bind_abstract_name(UnixEndpoint& owner, const SocketAddress& address) {
  auto name = TRY(make_ref<UnixName>());
  name->address = address;
  name->type = owner.type();
  SpinGuard guard(unix_lock);
  if (owner.name_) return Errno::kInval;
  if (find_abstract(address, owner.type())) return Errno::kAddrInUse;
  TRY(abstract_names.insert(*name));
  name->owner = &owner;
  owner.name_ = std::move(name);
  return {};
}

Result<> bind_any_name(UnixEndpoint& owner) {
  for (u32 tries = 0; tries < kMostNames; ++tries) {
    {
      SpinGuard guard(unix_lock);
      if (owner.name_) return {};
    }
    SocketAddress address;
    address.bytes[0] = u8(abi::kAfUnix);
    address.length = kPathOffset + 1 + kNameDigits;
    u32 number = next_name.fetch_add(1);
    for (u32 i = kNameDigits; i > 0; --i, number >>= 4)
      address.bytes[kPathOffset + i] = u8("0123456789abcdef"[number & 15]);
    auto bound = bind_abstract_name(owner, address);
    if (bound.failed(Errno::kInval)) return {};  // another thread named it
    if (!bound.failed(Errno::kAddrInUse)) return bound;
  }
  return Errno::kNoSpc;
}

Result<> bind_path_name(UnixEndpoint& owner, const SocketAddress& address) {
  const std::string_view path = path_of(address);
  auto name = TRY(make_ref<UnixName>());
  name->type = owner.type();
  name->address.length = kPathOffset + u32(path.size()) + 1;  // a NUL is counted
  std::memcpy(name->address.bytes, address.bytes, kPathOffset + path.size());

  const SocketActor actor = socket_actor();
  auto made = vfs::mknod(actor.file_actor(), Path(), path, u32(FileType::kSocket) | 0777, 0);
  if (!made.ok()) return made.failed(Errno::kExist) ? Errno::kAddrInUse : made.error();
  name->place = made.take();
  Inode& inode = name->place.dentry->inode();
  auto attached = attach_if_none(inode, Ref<UnixEndpoint>(&owner));
  Errno error = attached.error();
  if (attached.ok()) {
    SpinGuard guard(unix_lock);
    if (owner.name_) {
      error = Errno::kInval;
    } else {
      name->owner = &owner;
      owner.name_ = name;
    }
  }
  if (error == Errno{}) return {};
  vfs::unlink(actor.file_actor(), Path(), path).ignore();
  detach_from_inode(inode, &owner);
  return error;
}

void forget_name(UnixName& name) {
  if (name.node.linked) abstract_names.remove(name);
  name.owner = nullptr;
}

Result<Ref<UnixEndpoint>> find_unix_endpoint(const SocketAddress& address, int type) {
  if (address.bytes[kPathOffset] == 0) {
    SpinGuard guard(unix_lock);
    UnixName* name = find_abstract(address, type);
    if (!name || !name->owner) return Errno::kConnRefused;
    return Ref<UnixEndpoint>(name->owner);
  }
  const SocketActor actor = socket_actor();
  const Path place =
      TRY(vfs::lookup(actor.file_actor(), Path(), path_of(address), LookupFlags::kFollow));
  Inode& inode = place.dentry->inode();
  TRY(vfs::check_permission(*actor.credentials, inode, vfs::kMayWrite));
  if (inode.type() != FileType::kSocket) return Errno::kConnRefused;
  auto found = static_ref_cast<UnixEndpoint>(inode_attachment(inode));
  if (!found) return Errno::kConnRefused;
  if (found->type() != type) return Errno::kProtoType;
  return found;
}

}  // namespace narwhal
