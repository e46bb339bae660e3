#include "process/foreign_memory.h"

namespace narwhal {
namespace {

struct Search {
  UserAddr address;
  bool found = false, shared = false;
  Protection protection = Protection::kNone;
};

Search mapping_at(AddressSpace& memory, UserAddr address) {
  Search search{address};
  memory.for_each_mapping(
      [](const AddressSpace::MappingInfo& info, void* argument) {
        auto& wanted = *static_cast<Search*>(argument);
        if (wanted.address < info.start || wanted.address >= info.end) return;
        wanted.found = true;
        wanted.shared = info.shared;
        wanted.protection = info.protection;
      },
      &search, false);
  return search;
}

// Moves `size` bytes: as far as the program's own rights go by move(offset, size), and where they
// end a page at a time with the right lent.
template <typename Move>
usize move_by_force(AddressSpace& memory, UserAddr at, usize size, Protection right, Move move) {
  usize done = 0;
  for (;;) {
    done += move(done, size - done);
    if (done == size) return done;
    const UserAddr where = at + done;
    const Search mapping = mapping_at(memory, where);
    if (!mapping.found || mapping.shared || has(mapping.protection, right)) return done;
    const UserAddr page(align_down(where.value, kPageSize));
    const usize room = page.value + kPageSize - where.value;
    const usize part = size - done < room ? size - done : room;
    const Protection lent = mapping.protection | Protection::kRead | right;
    if (!memory.protect(page, kPageSize, lent).ok()) return done;
    const usize moved = move(done, part);
    memory.protect(page, kPageSize, mapping.protection).ignore();
    done += moved;
    if (moved < part || done == size) return done;
  }
}

}  // namespace

usize read_by_force(AddressSpace& memory, UserAddr from, std::span<std::byte> to) {
  return move_by_force(memory, from, to.size(), Protection::kRead, [&](usize offset, usize size) {
    return memory.read_memory(from + offset, to.subspan(offset, size));
  });
}

usize write_by_force(AddressSpace& memory, UserAddr to, std::span<const std::byte> from) {
  return move_by_force(memory, to, from.size(), Protection::kWrite, [&](usize offset, usize size) {
    return memory.write_memory(to + offset, from.subspan(offset, size));
  });
}

}  // namespace narwhal
