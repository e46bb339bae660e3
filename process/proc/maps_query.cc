#include "process/proc/maps_query.h"

#include <cstring>

#include "kernel/base/format.h"

namespace narwhal {
namespace {

// struct procmap_query of <linux/fs.h>.
struct Query {
  u64 size, flags, address;
  u64 start, end, rights, page_size, offset, inode;
  u32 device_major, device_minor, name_size, build_id_size;
  u64 name, build_id;
};
static_assert(sizeof(Query) == 104);

constexpr u32 kCommand = 0xc068'6611;  // PROCMAP_QUERY
constexpr usize kFirstSize = 24;       // up to `address`

enum QueryFlag : u64 {
  kReadable = 1,
  kWritable = 2,
  kExecutable = 4,
  kShared = 8,
  kCoveringOrNext = 16,
  kFileBacked = 32,
};
constexpr u64 kRights = kReadable | kWritable | kExecutable | kShared;

// A copy of what one mapping is, made under the address space's lock.
struct Search {
  Query& query;
  Vector<char>& path;
  bool found = false, over = false;
  usize name_length = 0;
  bool name_cut = false;
};

u64 rights_of(const AddressSpace::MappingInfo& info) {
  u64 rights = info.shared ? kShared : 0;
  if (has(info.protection, Protection::kRead)) rights |= kReadable;
  if (has(info.protection, Protection::kWrite)) rights |= kWritable;
  if (has(info.protection, Protection::kExecute)) rights |= kExecutable;
  return rights;
}

void note(Search& search, const AddressSpace::MappingInfo& info) {
  Query& query = search.query;
  query.start = info.start.value;
  query.end = info.end.value;
  query.rights = rights_of(info);
  query.page_size = kPageSize;
  query.offset = query.inode = query.device_major = query.device_minor = 0;
  TextSink path(search.path.data(), search.path.size());
  if (info.source) {
    u64 device = 0;
    info.source->describe(path, device, query.inode);
    query.offset = info.offset;
    // makedev(3).
    query.device_major = u32((device >> 8 & 0xfff) | (device >> 32 & ~u64{0xfff}));
    query.device_minor = u32((device & 0xff) | (device >> 12 & ~u64{0xff} & 0xffff'ffff));
  } else {
    describe_nameless(path, info);
  }
  search.name_length = path.size();
  search.name_cut = path.truncated();
}

void visit(const AddressSpace::MappingInfo& info, void* argument) {
  auto& search = *static_cast<Search*>(argument);
  const Query& query = search.query;
  if (search.found || search.over || info.end.value <= query.address) return;
  const bool covers = info.start.value <= query.address, next = query.flags & kCoveringOrNext;
  const u64 wanted = query.flags & kRights;
  const bool fits =
      (rights_of(info) & wanted) == wanted && (!(query.flags & kFileBacked) || info.source);
  if (fits && (covers || next)) {
    search.found = true;
    note(search, info);
  } else if (!next) {
    search.over = true;
  }
}

Result<Query> load_query(UserAddr argument, usize& size) {
  const u64 given = TRY(load_user<u64>(argument));
  if (given > kPageSize) return Errno::kTooBig;
  if (given < kFirstSize) return Errno::kInval;
  Query query{};
  size = usize(given) < sizeof query ? usize(given) : sizeof query;
  if (platform::copy_from_user(&query, argument, size) != 0) return Errno::kFault;
  // What a newer program says must be nothing.
  for (usize at = sizeof query; at < given; ++at)
    if (TRY(load_user<u8>(argument + at)) != 0) return Errno::kTooBig;
  if (query.flags & ~u64{kRights | kCoveringOrNext | kFileBacked}) return Errno::kInval;
  if ((query.name_size != 0) != (query.name != 0)) return Errno::kInval;
  if ((query.build_id_size != 0) != (query.build_id != 0)) return Errno::kInval;
  return query;
}

}  // namespace

void describe_nameless(TextSink& out, const AddressSpace::MappingInfo& info) {
  if (info.special_name)
    out << info.special_name;
  else if (info.name)
    out << (info.shared ? "[anon_shmem:" : "[anon:") << info.name->text() << ']';
}

Result<i64> query_maps(const ProcSubject& subject, u32 command, UserAddr argument) {
  if (command != kCommand) return Errno::kNotTty;
  usize size = 0;
  Query query = TRY(load_query(argument, size));
  const auto memory = subject.memory();
  if (!memory) return Errno::kSrch;
  Vector<char> path;
  TRY(path.resize(kPageSize));
  Search search{query, path};
  memory->for_each_mapping(visit, &search, false);
  if (!search.found) return Errno::kNoEnt;
  query.build_id_size = 0;
  if (query.name_size != 0) {
    const usize length = search.name_length;
    if (length != 0 && (search.name_cut || length + 1 > query.name_size))
      return Errno::kNameTooLong;
    query.name_size = length == 0 ? 0 : u32(length + 1);
    if (length != 0) {
      TRY(path.resize(length));
      TRY(path.push_back('\0'));
      if (platform::copy_to_user(UserAddr(query.name), path.data(), length + 1) != 0)
        return Errno::kFault;
    }
  }
  if (platform::copy_to_user(argument, &query, size) != 0) return Errno::kFault;
  return i64{0};
}

}  // namespace narwhal
