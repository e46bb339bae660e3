#include "kernel/mm/memory_object.h"

#include <cstring>

#include "kernel/mm/mapping.h"

namespace narwhal {

// A radix tree of 64-way nodes. At the lowest level slots hold frames' addresses, above it nodes; 0
// is a hole.
struct MemoryObject::Node {
  static constexpr unsigned kBits = 6;
  static constexpr usize kSlots = usize{1} << kBits;
  u64 slots[kSlots] = {};

  Node* child(usize slot) const { return reinterpret_cast<Node*>(slots[slot]); }
};

// The mappings that show this object.
struct MappingList {
  List<Mapping, &Mapping::object_node> list;
};

static usize slot_of(u64 index, u32 level) {
  return index >> (6 * level) & 63;
}
static bool covers(u32 height, u64 index) {
  return height >= 11 || index >> (6 * height) == 0;
}

u64* MemoryObject::find_slot(u64 index) const {
  if (!root_ || !covers(height_, index)) return nullptr;
  Node* node = root_;
  for (u32 level = height_ - 1; level > 0; --level) {
    node = node->child(slot_of(index, level));
    if (!node) return nullptr;
  }
  return &node->slots[slot_of(index, 0)];
}

Result<u64*> MemoryObject::make_slot(u64 index) {
  while (!root_ || !covers(height_, index)) {
    auto* above = new (std::nothrow) Node();
    if (!above) return Errno::kNoMem;
    above->slots[0] = reinterpret_cast<u64>(root_);
    root_ = above;
    ++height_;
  }
  Node* node = root_;
  for (u32 level = height_ - 1; level > 0; --level) {
    u64& slot = node->slots[slot_of(index, level)];
    if (slot == 0) {
      auto* below = new (std::nothrow) Node();
      if (!below) return Errno::kNoMem;
      slot = reinterpret_cast<u64>(below);
    }
    node = reinterpret_cast<Node*>(slot);
  }
  return &node->slots[slot_of(index, 0)];
}

MemoryObject::~MemoryObject() {
  Guard guard(mutex_);
  if (root_) free_node(root_, height_ - 1);
  delete mappings_;
}

void MemoryObject::free_node(Node* node, u32 level) {
  for (u64 slot : node->slots) {
    if (slot == 0) continue;
    if (level == 0)
      frame_drop_ref(PhysAddr(slot));
    else
      free_node(reinterpret_cast<Node*>(slot), level - 1);
  }
  delete node;
}

Result<FrameRef> MemoryObject::page(u64 index, Access access) {
  {
    Guard guard(mutex_);
    if (u64* slot = find_slot(index); slot && *slot != 0) return FrameRef::share(PhysAddr(*slot));
  }
  if (access == Access::kRead) return FrameRef();
  // Without the lock, since it may have to be reclaimed from other objects.
  FrameRef frame = TRY(FrameRef::allocate_for_program(FrameContent::kZeroed));
  Guard guard(mutex_);
  u64* slot = TRY(make_slot(index));
  if (*slot != 0) return FrameRef::share(PhysAddr(*slot));  // somebody was faster
  set_frame_kind(frame.address(), FrameKind::kObject);
  FrameRef shared = FrameRef::share(frame.address());
  *slot = frame.release().value;
  pages_.fetch_add(1, Order::kRelaxed);
  return shared;
}

Result<> MemoryObject::insert(u64 index, FrameRef frame) {
  Guard guard(mutex_);
  u64* slot = TRY(make_slot(index));
  if (*slot != 0) return Errno::kExist;
  set_frame_kind(frame.address(), FrameKind::kObject);
  *slot = frame.release().value;
  pages_.fetch_add(1, Order::kRelaxed);
  return {};
}

bool MemoryObject::is_empty(const Node& node) {
  for (const u64 slot : node.slots)
    if (slot != 0) return false;
  return true;
}

template <bool kPrunes, typename Visit>
bool MemoryObject::visit_pages(Node* node, u32 level, u64 base, u64 first, u64 last, Visit& visit) {
  const u64 span = u64{1} << (Node::kBits * level);
  for (usize i = 0; i < Node::kSlots; ++i) {
    const u64 at = base + i * span;
    if (at >= last) return true;
    if (node->slots[i] == 0 || at + span <= first) continue;
    if (level == 0) {
      if (!visit(at, node->slots[i])) return false;
      continue;
    }
    Node* below = node->child(i);
    const bool more = visit_pages<kPrunes>(below, level - 1, at, first, last, visit);
    if (kPrunes && is_empty(*below)) {
      delete below;
      node->slots[i] = 0;
    }
    if (!more) return false;
  }
  return true;
}

void MemoryObject::remove_pages(u64 first, u64 last) {
  if (first >= last) return;
  u64 removed = 0;
  {
    Guard guard(mutex_);
    auto drop = [&](u64, u64& slot) {
      frame_drop_ref(PhysAddr(slot));
      slot = 0;
      ++removed;
      return true;
    };
    if (root_) visit_pages<true>(root_, height_ - 1, 0, first, last, drop);
    pages_.fetch_sub(removed, Order::kRelaxed);
  }
  unmap_everywhere(first, last);
  if (removed != 0) pages_removed(removed);
}

u64 MemoryObject::drop_unused(u64 first, u64 last, u64 most, u64& next) {
  u64 dropped = 0;
  Guard guard(mutex_);
  next = last;
  auto drop = [&](u64 index, u64& slot) {
    if (dropped == most) {
      next = index;
      return false;
    }
    if (frame_refs(PhysAddr(slot)) != 1 || !can_spare(index)) return true;
    frame_drop_ref(PhysAddr(slot));
    slot = 0;
    ++dropped;
    return true;
  };
  if (root_) visit_pages<true>(root_, height_ - 1, 0, first, last, drop);
  pages_.fetch_sub(dropped, Order::kRelaxed);
  return dropped;
}

// An address space's lock ranks above this object's, so it can't be taken while the list of
// mappings is held. Instead each round takes one mapping off the list's head that this call has not
// seen, keeps its address space alive, lets the list go, and asks that address space to drop every
// page of this object in the range.
void MemoryObject::unmap_everywhere(u64 first, u64 last) {
  static constinit Atomic<u64> rounds{0};
  const u64 round = rounds.fetch_add(1, Order::kRelaxed) + 1;
  for (;;) {
    Ref<AddressSpace> space;
    {
      Guard guard(mutex_);
      if (!mappings_) return;
      for (Mapping& mapping : mappings_->list) {
        if (mapping.visited == round) continue;
        mapping.visited = round;
        // One whose last reference is gone is being taken apart, pages and all.
        if (!mapping.space->try_add_ref()) continue;
        space = Ref<AddressSpace>::adopt(mapping.space);
        break;
      }
    }
    if (!space) return;
    space->drop_object_pages(*this, first, last);
  }
}

void MemoryObject::set_size(u64 bytes) {
  const u64 old = size_.exchange(bytes, Order::kAcqRel);
  if (bytes >= old) return;
  remove_pages(div_round_up(bytes, kPageSize), ~u64{0} >> kPageShift);
  if (const u64 inside = bytes % kPageSize; inside != 0) {
    Guard guard(mutex_);
    if (u64* slot = find_slot(bytes / kPageSize); slot && *slot != 0)
      std::memset(platform::direct_map(PhysAddr(*slot)) + inside, 0, kPageSize - inside);
  }
}

u64 MemoryObject::next_data(u64 from) const {
  Guard guard(mutex_);
  u64 found = ~u64{0};
  auto note = [&](u64 index, u64&) {
    found = index;
    return false;
  };
  if (root_) visit_pages<false>(root_, height_ - 1, 0, from, ~u64{0} >> kPageShift, note);
  return found;
}

u64 MemoryObject::next_hole(u64 from) const {
  Guard guard(mutex_);
  for (u64 index = from;; ++index) {
    const u64* slot = find_slot(index);
    if (!slot || *slot == 0) return index;
  }
}

static bool is_shared_writer(const Mapping& mapping) {
  return mapping.shared() && has(mapping.max_protection, Protection::kWrite);
}

Result<> MemoryObject::attach(Mapping& mapping) {
  {
    Guard guard(mutex_);
    if (!mappings_) {
      mappings_ = new (std::nothrow) MappingList();
      if (!mappings_) return Errno::kNoMem;
    }
    mappings_->list.push_back(mapping);
  }
  if (is_shared_writer(mapping)) shared_writers_.fetch_add(1, Order::kRelaxed);
  mapping_added();
  return {};
}

void MemoryObject::detach(Mapping& mapping) {
  {
    Guard guard(mutex_);
    if (!mapping.object_node.linked()) return;
    mapping.object_node.unlink();
  }
  if (is_shared_writer(mapping)) shared_writers_.fetch_sub(1, Order::kRelaxed);
  mapping_removed();
}

}  // namespace narwhal
