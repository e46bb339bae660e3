#include "fs/block/disk_sys.h"

#include "fs/block/disk.h"

namespace narwhal {
namespace {

using ShowDisk = Result<> (*)(Disk& disk, TextSink& out);
using StoreDisk = Result<> (*)(Disk& disk, std::string_view text);

struct Attribute {
  std::string_view name;
  ShowDisk show;
  StoreDisk store = nullptr;
};

class DiskAttribute final : public GeneratedFile {
 public:
  DiskAttribute(GeneratedFileSystem& fs, Disk& disk, const Attribute& attribute)
      : GeneratedFile(fs, attribute.store ? 0644 : 0444), disk_(disk), attribute_(attribute) {}
  Result<> show(TextSink& out) override { return attribute_.show(disk_, out); }
  Result<> store(std::string_view text) override {
    return attribute_.store ? attribute_.store(disk_, text) : Errno::kAcces;
  }

 private:
  Disk& disk_;
  const Attribute& attribute_;
};

constexpr u64 milliseconds(u64 ns) {
  return ns / kNanosPerMilli;
}

// The numbers of Documentation/admin-guide/iostats.rst; requests are not merged here.
void show_numbers(Disk& disk, TextSink& out, u32 width) {
  const DiskStatistics& all = disk.queue().statistics();
  const auto number = [&](u64 value, bool is_first = false) {
    if (!is_first) out << ' ';
    out << padded(value, width);
  };
  const auto kind = [&](const DiskStatistics::Kind& kind, bool is_first = false) {
    number(kind.requests.load(), is_first);
    number(0);
    number(kind.sectors.load());
    number(milliseconds(kind.ns.load()));
  };
  kind(all.reads, true);
  kind(all.writes);
  number(all.in_flight.load());
  number(milliseconds(all.busy_ns.load()));
  number(milliseconds(all.weighted_ns.load()));
  kind(all.discards);
  number(all.flushes.requests.load());
  number(milliseconds(all.flushes.ns.load()));
  out << '\n';
}

template <auto kValue>
Result<> show_constant(Disk&, TextSink& out) {
  out << kValue << '\n';
  return {};
}
template <u32 BlockDevice::Traits::* kMember, u64 kUnit = 1>
Result<> show_trait(Disk& disk, TextSink& out) {
  out << disk.traits().*kMember * kUnit << '\n';
  return {};
}
Result<> show_number(Disk& disk, TextSink& out) {
  out << Disk::kMajor << ':' << disk.minor() << '\n';
  return {};
}
Result<> show_event(Disk& disk, TextSink& out) {
  out << "MAJOR=" << Disk::kMajor << "\nMINOR=" << disk.minor() << "\nDEVNAME=" << disk.name()
      << "\nDEVTYPE=disk\n";
  return {};
}
Result<> show_size(Disk& disk, TextSink& out) {
  out << disk.traits().sectors << '\n';
  return {};
}
Result<> show_read_only(Disk& disk, TextSink& out) {
  out << u32{disk.read_only()} << '\n';
  return {};
}
// As the device says it: without an end of line, since Linux hands on what it gets.
Result<> show_serial(Disk& disk, TextSink& out) {
  out << disk.traits().serial;
  return {};
}
Result<> show_statistics(Disk& disk, TextSink& out) {
  show_numbers(disk, out, 8);
  return {};
}
Result<> show_in_flight(Disk& disk, TextSink& out) {
  out << padded(0, 8) << ' ' << padded(disk.queue().statistics().in_flight.load(), 8) << '\n';
  return {};
}
Result<> show_cache_type(Disk& disk, TextSink& out) {
  out << (disk.traits().has_cache ? "write back\n" : "write through\n");
  return {};
}
Result<> show_minimum_io(Disk& disk, TextSink& out) {
  const auto& traits = disk.traits();
  out << (traits.minimum_io != 0 ? traits.minimum_io : traits.physical_block) << '\n';
  return {};
}
Result<> show_discard_granularity(Disk& disk, TextSink& out) {
  const auto& traits = disk.traits();
  const u32 alignment = traits.discard_alignment * kSectorSize;
  out << (traits.most_discarded == 0         ? 0
          : alignment > traits.logical_block ? alignment
                                             : traits.logical_block)
      << '\n';
  return {};
}
Result<> show_read_ahead(Disk& disk, TextSink& out) {
  out << disk.pages().read_ahead() * (kPageSize / kKiB) << '\n';
  return {};
}
Result<> store_read_ahead(Disk& disk, std::string_view text) {
  u64 value = 0;
  for (const char c : text.substr(0, text.find('\n'))) {
    if (c < '0' || c > '9' || value > ~u32{0}) return Errno::kInval;
    value = value * 10 + u64(c - '0');
  }
  disk.pages().set_read_ahead(value / (kPageSize / kKiB));
  return {};
}

using Traits = BlockDevice::Traits;
constexpr Attribute kAttributes[] = {{"alignment_offset", show_trait<&Traits::alignment>},
                                     {"cache_type", show_cache_type},
                                     {"dev", show_number},
                                     {"discard_alignment", show_constant<0>},
                                     {"ext_range", show_constant<1>},
                                     {"hidden", show_constant<0>},
                                     {"inflight", show_in_flight},
                                     {"range", show_constant<Disk::kMinorsOfEach>},
                                     {"removable", show_constant<0>},
                                     {"ro", show_read_only},
                                     {"serial", show_serial},
                                     {"size", show_size},
                                     {"stat", show_statistics},
                                     {"uevent", show_event}};
constexpr Attribute kQueueAttributes[] = {
    {"discard_granularity", show_discard_granularity},
    {"discard_max_bytes", show_trait<&Traits::most_discarded, kSectorSize>},
    {"discard_max_hw_bytes", show_trait<&Traits::most_discarded, kSectorSize>},
    {"discard_zeroes_data", show_constant<0>},
    {"hw_sector_size", show_trait<&Traits::logical_block>},
    {"logical_block_size", show_trait<&Traits::logical_block>},
    {"max_segments", show_trait<&Traits::most_segments>},
    {"max_segment_size", show_trait<&Traits::longest_segment>},
    {"minimum_io_size", show_minimum_io},
    {"nr_zones", show_constant<0>},
    {"optimal_io_size", show_trait<&Traits::optimal_io>},
    {"physical_block_size", show_trait<&Traits::physical_block>},
    {"read_ahead_kb", show_read_ahead, store_read_ahead},
    {"rotational", show_constant<1>},
    {"write_cache", show_cache_type},
    {"write_zeroes_max_bytes", show_trait<&Traits::most_zeroed, kSectorSize>}};

Result<> fill(GeneratedFileSystem& sys, GeneratedDirectory& directory, Disk& disk,
              std::span<const Attribute> attributes) {
  for (const Attribute& attribute : attributes)
    TRY(directory.add(attribute.name, TRY(make_ref<DiskAttribute>(sys, disk, attribute))));
  return {};
}

// Names that have to stay: "254:16", "../../block/vdb".
struct Names {
  char number[16];
  char target[24];
};
constinit Names names[Disk::kMost] = {};

template <usize kSize, typename... Parts>
std::string_view keep(char (&where)[kSize], Parts... parts) {
  TextSink sink(where, kSize);
  (sink << ... << parts);
  return sink.view();
}

Result<> add(GeneratedFileSystem& sys, Disk& disk) {
  auto directory = TRY(make_directory(sys));
  TRY(fill(sys, *directory, disk, kAttributes));
  auto queue = TRY(make_directory(sys));
  TRY(fill(sys, *queue, disk, kQueueAttributes));
  TRY(queue->add("zoned", TRY(make_constant_file(sys, "none\n"))));
  TRY(queue->add("scheduler", TRY(make_constant_file(sys, "[none]\n"))));
  TRY(directory->add("queue", std::move(queue)));
  // What virtio's bus says of it.
  auto device = TRY(make_directory(sys));
  TRY(device->add("vendor", TRY(make_constant_file(sys, "0x1af4\n"))));
  TRY(device->add("device", TRY(make_constant_file(sys, "0x0002\n"))));
  TRY(directory->add("device", std::move(device)));
  TRY(generated_add(sys, "block", disk.name(), std::move(directory)));

  Names& mine = names[disk.index()];
  const auto number = keep(mine.number, Disk::kMajor, ':', disk.minor());
  const auto target = keep(mine.target, "../../block/", disk.name());
  TRY(generated_add(sys, "class/block", disk.name(), TRY(make_link(sys, target))));
  return generated_add(sys, "dev/block", number, TRY(make_link(sys, target)));
}

}  // namespace

Result<> disks_add_to_sys(GeneratedFileSystem& sys) {
  for (u32 i = 0; Disk* disk = Disk::find(i); ++i) TRY(add(sys, *disk));
  return {};
}

Result<> disks_show_partitions(TextSink& out) {
  Disk::for_each([&](Disk& disk) {
    out << padded(Disk::kMajor, 4) << "  " << padded(disk.minor(), 7) << ' '
        << padded(disk.size() / kKiB, 10) << ' ' << disk.name() << '\n';
  });
  return {};
}

Result<> disks_show_statistics(TextSink& out) {
  Disk::for_each([&](Disk& disk) {
    out << padded(Disk::kMajor, 4) << ' ' << padded(disk.minor(), 7) << ' ' << disk.name() << ' ';
    show_numbers(disk, out, 0);
  });
  return {};
}

}  // namespace narwhal
