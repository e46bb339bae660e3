// get_mempolicy(2), set_mempolicy(2), mbind(2), migrate_pages(2), move_pages(2): all memory is one
// node, number 0. Policies are checked and told as Linux does it on such a machine; there is
// nothing to choose from.
#include "process/access.h"
#include "process/task.h"
#include "syscalls/handlers.h"

namespace narwhal {
namespace {

enum Mode : u32 {
  kDefault,
  kPreferred,
  kBind,
  kInterleave,
  kLocal,
  kPreferredMany,
  kModes,
};
constexpr u32 kNumaBalancing = 1 << 13, kRelativeNodes = 1 << 14, kStaticNodes = 1 << 15;
constexpr u32 kModeFlags = kNumaBalancing | kRelativeNodes | kStaticNodes;
// get_mempolicy(2): `flags`
constexpr u32 kOfNode = 1, kOfAddress = 2, kAllowed = 4;
// mbind(2), move_pages(2): `flags`
constexpr u32 kStrict = 1, kMove = 2, kMoveAll = 4;

constexpr usize kWordBits = 64;
constexpr usize kMostNodes = 1024;  // CONFIG_NODES_SHIFT of distributions
constexpr u64 kOnlyNode = 1;

// A mask of nodes; true: node 0 is in it, false: it is empty. A node beyond the machine's is left
// out, one beyond Linux's largest machine is EINVAL.
struct NodeMask {
  bool has_node = false, has_others = false;
  bool empty() const { return !has_node && !has_others; }

  static Result<NodeMask> load(UserAddr mask, usize bits) {
    // The man page counts one more than there are.
    NodeMask result;
    if (mask.value == 0 || bits <= 1) return result;
    --bits;
    if (bits > kPageSize * 8) return Errno::kInval;
    for (usize at = 0; at < bits; at += kWordBits) {
      u64 word = TRY(load_user<u64>(mask + at / 8));
      if (bits - at < kWordBits) word &= (u64{1} << (bits - at)) - 1;
      if (word != 0 && at >= kMostNodes) return Errno::kInval;
      if (at == 0 && (word & kOnlyNode)) result.has_node = true;
      if (at != 0 ? word != 0 : (word & ~kOnlyNode) != 0) result.has_others = true;
    }
    return result;
  }
};

Result<> store_nodes(UserAddr mask, usize bits, bool has_node) {
  if (mask.value == 0) return {};
  const usize words = (bits - 1 + kWordBits - 1) / kWordBits;
  if (words * sizeof(u64) > kPageSize) return Errno::kInval;
  for (usize i = 0; i < words; ++i)
    TRY(store_user(mask + i * sizeof(u64), u64{i == 0 && has_node}));
  return {};
}

// The policy that a mode and nodes make: the mode with its flags, as it is told.
Result<u32> make_policy(u32 mode, const NodeMask& nodes) {
  const u32 flags = mode & kModeFlags;
  const u32 kind = mode & ~kModeFlags;
  if (kind >= kModes) return Errno::kInval;
  if ((flags & kStaticNodes) && (flags & kRelativeNodes)) return Errno::kInval;
  if ((flags & kNumaBalancing) && kind != kBind) return Errno::kInval;
  switch (kind) {
    case kDefault:
      if (!nodes.empty()) return Errno::kInval;
      return u32{kDefault};
    case kLocal:
      if (!nodes.empty() || (flags & (kStaticNodes | kRelativeNodes))) return Errno::kInval;
      return mode;
    case kPreferred:
      if (!nodes.empty()) break;
      if (flags & (kStaticNodes | kRelativeNodes)) return Errno::kInval;
      return u32{kLocal};
    default:
      if (nodes.empty()) return Errno::kInval;
  }
  // Relative numbers are folded into the nodes that there are.
  if (!nodes.has_node && !(flags & kRelativeNodes)) return Errno::kInval;
  return mode;
}

bool names_nodes(u32 policy) {
  const u32 kind = policy & ~kModeFlags;
  return kind != kDefault && kind != kLocal;
}

// Whose pages a call is about.
Result<Ref<Task>> find_owner(Task& task, Pid pid) {
  if (pid.value == 0) return Ref<Task>(&task);
  auto target = pid.value > 0 ? find_task(u32(pid.value)) : nullptr;
  if (!target) return Errno::kSrch;
  if (!may_inspect(task, *target)) return Errno::kPerm;
  return target;
}

// What move_pages(2) tells of a page.
i32 state_of(AddressSpace& memory, UserAddr page) {
  const auto found = memory.find_page(page);
  return found.ok() ? 0 : -i32(found.error());
}

}  // namespace

SysResult sys::set_mempolicy(Task& task, HexInt mode, UserAddr nodes, usize bits) {
  const NodeMask mask = TRY(NodeMask::load(nodes, bits));
  task.memory_policy = TRY(make_policy(mode.value, mask));
  return i64{0};
}

SysResult sys::get_mempolicy(Task& task, UserOut<i32> mode, UserAddr nodes, usize bits,
                             UserAddr address, HexInt flags) {
  if (nodes.value != 0 && bits < 1) return Errno::kInval;
  if (flags.value & ~(kOfNode | kOfAddress | kAllowed)) return Errno::kInval;
  if (flags.value & kAllowed) {
    if (flags.value & (kOfNode | kOfAddress)) return Errno::kInval;
    if (!mode.null()) TRY(mode.store(0));
    TRY(store_nodes(nodes, bits, true));
    return i64{0};
  }
  u32 policy = task.memory_policy;
  if (flags.value & kOfAddress) {
    // A mapping without one of its own follows its task, but that is not told here.
    policy = TRY(task.memory().memory_policy(address));
  } else if (address.value != 0) {
    return Errno::kInval;
  }
  i32 told = i32(policy);
  if (flags.value & kOfNode) {
    // Of the page at an address, or where the next page would come from.
    if (flags.value & kOfAddress)
      TRY(platform::prefault_user(address, false));
    else if ((policy & ~kModeFlags) != kInterleave)
      return Errno::kInval;
    told = 0;
  }
  if (!mode.null()) TRY(mode.store(told));
  TRY(store_nodes(nodes, bits, names_nodes(policy)));
  return i64{0};
}

SysResult sys::mbind(Task& task, UserAddr address, usize length, HexInt mode, UserAddr nodes,
                     usize bits, HexInt flags) {
  const NodeMask mask = TRY(NodeMask::load(nodes, bits));
  if (flags.value & ~(kStrict | kMove | kMoveAll)) return Errno::kInval;
  if ((flags.value & kMoveAll) && !task.credentials().capable(Capability::kSysNice))
    return Errno::kPerm;
  if (!address.page_aligned()) return Errno::kInval;
  const usize size = align_up(length, kPageSize);
  if (address.value + size < address.value) return Errno::kInval;
  if (size == 0) return i64{0};
  const u32 policy = TRY(make_policy(mode.value, mask));
  auto set = task.memory().set_memory_policy(address, size, policy);
  if (set.failed(Errno::kNoMem) && !user_range_ok(address, size)) return Errno::kFault;
  TRY(std::move(set));
  return i64{0};
}

SysResult sys::set_mempolicy_home_node(Task& task, UserAddr address, usize length, usize node,
                                       usize flags) {
  if (!address.page_aligned() || flags != 0 || node != 0) return Errno::kInval;
  const usize size = align_up(length, kPageSize);
  if (address.value + size < address.value) return Errno::kInval;
  if (size == 0) return i64{0};
  const u32 policy = TRY(task.memory().memory_policy(address)) & ~kModeFlags;
  if (policy != kDefault && policy != kBind && policy != kPreferredMany) return Errno::kOpNotSupp;
  return i64{0};
}

SysResult sys::migrate_pages(Task& task, Pid pid, usize bits, UserAddr from, UserAddr to) {
  TRY(NodeMask::load(from, bits));
  const NodeMask target_nodes = TRY(NodeMask::load(to, bits));
  TRY(find_owner(task, pid));
  if (target_nodes.has_others && !task.credentials().capable(Capability::kSysNice))
    return Errno::kPerm;
  if (!target_nodes.has_node) return Errno::kInval;
  return i64{0};  // pages that could not be moved
}

SysResult sys::move_pages(Task& task, Pid pid, usize count, UserAddr pages, UserAddr nodes,
                          UserAddr status, HexInt flags) {
  if (flags.value & ~(kMove | kMoveAll)) return Errno::kInval;
  if ((flags.value & kMoveAll) && !task.credentials().capable(Capability::kSysNice))
    return Errno::kPerm;
  const auto owner = TRY(find_owner(task, pid));
  const auto memory = owner->memory_copy();
  if (!memory) return Errno::kInval;
  for (usize i = 0; i < count; ++i) {
    const u64 page = TRY(load_user<u64>(pages + i * sizeof(u64)));
    if (nodes.value != 0) {
      const i32 node = TRY(load_user<i32>(nodes + i * sizeof(i32)));
      if (node != 0) return Errno::kNoDev;
    }
    TRY(store_user(status + i * sizeof(i32), state_of(*memory, UserAddr(page))));
  }
  return i64{0};
}

}  // namespace narwhal
