// maps, smaps, cmdline, environ, auxv: what is in a program's memory.
#include "process/memory_layout.h"
#include "process/proc/file_kinds.h"
#include "process/proc/maps_query.h"

namespace narwhal {
namespace {

constexpr usize kNameColumn = 73;

// One visit of all mappings, with room for the longest path.
struct MapsVisit {
  TextSink& out;
  Vector<char> path;
  bool details;
  // Sums, for smaps_rollup.
  u64 first = 0, last = 0;
  u64 resident = 0, anonymous = 0, shared = 0, large = 0, locked = 0;
};

void show_header(TextSink& out, const AddressSpace::MappingInfo& info, std::span<char> scratch) {
  TextSink path(scratch.data(), scratch.size());
  u64 device = 0, inode = 0;
  if (info.source)
    info.source->describe(path, device, inode);
  else
    describe_nameless(path, info);
  const usize start = out.size();
  const auto right = [&](Protection protection, char letter) {
    out << (has(info.protection, protection) ? letter : '-');
  };
  out << hex_digits(info.start.value, 8) << '-' << hex_digits(info.end.value, 8) << ' ';
  right(Protection::kRead, 'r');
  right(Protection::kWrite, 'w');
  right(Protection::kExecute, 'x');
  // makedev(3).
  const u64 major = (device >> 8 & 0xfff) | (device >> 32 & ~u64{0xfff});
  const u64 minor = (device & 0xff) | (device >> 12 & ~u64{0xff} & 0xffff'ffff);
  out << (info.shared ? 's' : 'p') << ' ' << hex_digits(info.source ? info.offset : 0, 8) << ' '
      << hex_digits(major, 2) << ':' << hex_digits(minor, 2) << ' ' << inode << ' ';
  if (path.size() == 0) {
    out << '\n';
    return;
  }
  while (!out.truncated() && out.size() - start < kNameColumn) out << ' ';
  for (const char c : path.view()) {
    if (c == '\n')
      out << "\\012";
    else
      out << c;
  }
  out << '\n';
}

void line_kib(TextSink& out, std::string_view name, u64 pages) {
  out << name << ':';
  for (usize width = name.size() + 1; width < 16; ++width) out << ' ';
  out << padded(pages * (kPageSize / kKiB), 8) << " kB\n";
}

// Counts that are the same for one mapping and for all of them. Pages of files are clean: the page
// cache is the only copy of a file, and has nowhere to be written back to.
struct Counts {
  u64 resident, anonymous, shared, large, locked;
};

void show_counts(TextSink& out, const Counts& counts, bool rollup) {
  line_kib(out, "Rss", counts.resident);
  line_kib(out, "Pss", counts.resident);
  line_kib(out, "Pss_Dirty", counts.anonymous);
  if (rollup) {
    line_kib(out, "Pss_Anon", counts.anonymous);
    line_kib(out, "Pss_File", counts.resident - counts.anonymous - counts.shared);
    line_kib(out, "Pss_Shmem", counts.shared);
  }
  line_kib(out, "Shared_Clean", counts.shared);
  line_kib(out, "Shared_Dirty", 0);
  line_kib(out, "Private_Clean", counts.resident - counts.anonymous - counts.shared);
  line_kib(out, "Private_Dirty", counts.anonymous);
  line_kib(out, "Referenced", counts.resident);
  line_kib(out, "Anonymous", counts.anonymous);
  line_kib(out, "KSM", 0);
  line_kib(out, "LazyFree", 0);
  line_kib(out, "AnonHugePages", counts.large);
  for (const char* zero :
       {"ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss"})
    line_kib(out, zero, 0);
  line_kib(out, "Locked", counts.locked);
}

void show_details(TextSink& out, const AddressSpace::MappingInfo& info) {
  line_kib(out, "Size", (info.end - info.start) / kPageSize);
  line_kib(out, "KernelPageSize", 1);
  line_kib(out, "MMUPageSize", 1);
  const u64 shared = info.shared ? info.resident_pages - info.private_dirty_pages : 0;
  show_counts(
      out, {info.resident_pages, info.private_dirty_pages, shared, info.large_pages, info.locked},
      false);
  const bool has_room =
      align_up(info.start.value, kLargePageSize) + kLargePageSize <= info.end.value;
  const bool eligible = info.huge_pages && !info.shared && !info.source && has_room;
  out << "THPeligible:           " << u32(eligible) << "\nVmFlags: ";
  if (has(info.protection, Protection::kRead)) out << "rd ";
  if (has(info.protection, Protection::kWrite)) out << "wr ";
  if (has(info.protection, Protection::kExecute)) out << "ex ";
  out << (info.shared ? "sh mr mw me ms " : "mr mw me ");
  if (info.grows_down) out << "gd ";
  if (info.locked) out << "lo ";
  if (!info.shared && has(info.protection, Protection::kWrite)) out << "ac ";
  if (info.huge_pages) out << "hg ";
  out << '\n';
}

Result<> visit_mappings(const ProcSubject& subject, TextSink& out, bool details) {
  auto memory = subject.memory();
  if (!memory) return {};
  MapsVisit visit{out, {}, details};
  TRY(visit.path.resize(kPageSize + 16));
  memory->for_each_mapping(
      [](const AddressSpace::MappingInfo& info, void* argument) {
        auto& v = *static_cast<MapsVisit*>(argument);
        show_header(v.out, info, {v.path.data(), v.path.size()});
        if (v.details) show_details(v.out, info);
      },
      &visit, details);
  return {};
}

Result<> show_maps(const ProcSubject& subject, TextSink& out) {
  return visit_mappings(subject, out, false);
}

Result<> show_smaps(const ProcSubject& subject, TextSink& out) {
  return visit_mappings(subject, out, true);
}

Result<> show_smaps_rollup(const ProcSubject& subject, TextSink& out) {
  auto memory = subject.memory();
  if (!memory) return Errno::kSrch;
  MapsVisit sum{out, {}, false};
  memory->for_each_mapping(
      [](const AddressSpace::MappingInfo& info, void* argument) {
        auto& s = *static_cast<MapsVisit*>(argument);
        if (s.last == 0) s.first = info.start.value;
        s.last = info.end.value;
        s.resident += info.resident_pages;
        s.anonymous += info.private_dirty_pages;
        if (info.shared) s.shared += info.resident_pages - info.private_dirty_pages;
        s.large += info.large_pages;
        s.locked += info.locked;
      },
      &sum, true);
  const usize start = out.size();
  out << hex_digits(sum.first, 8) << '-' << hex_digits(sum.last, 8) << " ---p 00000000 00:00 0 ";
  while (!out.truncated() && out.size() - start < kNameColumn) out << ' ';
  out << "[rollup]\n";
  show_counts(out, {sum.resident, sum.anonymous, sum.shared, sum.large, sum.locked}, true);
  return {};
}

// --- strings and the auxiliary vector

// Copies out until the end, or what can't be read.
Result<> copy_memory(AddressSpace& memory, UserAddr start, UserAddr end, TextSink& out) {
  Vector<char> buffer;
  TRY(buffer.resize(kPageSize));
  for (UserAddr at = start; at < end && !out.truncated();) {
    const u64 left = end - at;
    const usize part = left < buffer.size() ? usize(left) : buffer.size();
    const usize copied =
        memory.read_memory(at, std::as_writable_bytes(std::span(buffer.data(), part)));
    out << std::string_view(buffer.data(), copied);
    if (copied < part) break;
    at += copied;
  }
  return {};
}

// A program that overwrote the end of its arguments wants to be called by one string, which may
// reach into the environment (setproctitle(3)).
Result<> show_cmdline(const ProcSubject& subject, TextSink& out) {
  auto memory = subject.memory();
  if (!memory) return {};
  const auto& layout = memory->layout;
  if (layout.args_start == layout.args_end) return {};
  char last = 0;
  memory->read_memory(layout.args_end - 1, std::as_writable_bytes(std::span(&last, 1)));
  if (last == '\0') return copy_memory(*memory, layout.args_start, layout.args_end, out);
  for (UserAddr at = layout.args_start; at < layout.env_end && !out.truncated(); at += 1) {
    char c = 0;
    if (memory->read_memory(at, std::as_writable_bytes(std::span(&c, 1))) == 0 || c == '\0') break;
    out << c;
  }
  out << '\0';
  return {};
}

Result<> show_environ(const ProcSubject& subject, TextSink& out) {
  auto memory = subject.memory();
  if (!memory) return {};
  return copy_memory(*memory, memory->layout.env_start, memory->layout.env_end, out);
}

Result<> show_auxv(const ProcSubject& subject, TextSink& out) {
  auto memory = subject.memory();
  if (!memory) return {};
  const Vector<u64> words = TRY(auxiliary_vector(*memory));
  out << std::string_view(reinterpret_cast<const char*>(words.data()), words.size() * sizeof(u64));
  return {};
}

constexpr ProcFileKind kFiles[] = {
    {"maps", 0444, show_maps, nullptr, true, true, nullptr, query_maps},
    {"smaps", 0444, show_smaps, nullptr, true},
    {"smaps_rollup", 0444, show_smaps_rollup, nullptr, true},
    {"cmdline", 0444, show_cmdline},
    {"environ", 0400, show_environ, nullptr, true},
    {"auxv", 0400, show_auxv, nullptr, true},
};

}  // namespace

std::span<const ProcFileKind> proc_memory_files() {
  return kFiles;
}

}  // namespace narwhal
