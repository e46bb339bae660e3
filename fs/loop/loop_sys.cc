#include "fs/loop/loop_sys.h"

#include "fs/loop/loop_device.h"

namespace narwhal {
namespace {

constexpr std::string_view kNames[LoopDevice::kCount] = {"loop0", "loop1", "loop2", "loop3",
                                                         "loop4", "loop5", "loop6", "loop7"};

using ShowDevice = Result<> (*)(LoopDevice& device, TextSink& out);

class DeviceAttribute final : public GeneratedFile {
 public:
  DeviceAttribute(GeneratedFileSystem& fs, LoopDevice& device, ShowDevice show)
      : GeneratedFile(fs, 0444), device_(device), show_(show) {}
  Result<> show(TextSink& out) override { return show_(device_, out); }

 private:
  LoopDevice& device_;
  const ShowDevice show_;
};

// "loop" below a device: there only while the device has a file, which is how losetup(8) tells.
class SettingsDirectory final : public GeneratedDirectory {
 public:
  SettingsDirectory(GeneratedFileSystem& fs, LoopDevice& device)
      : GeneratedDirectory(fs, 0555), device_(device) {}
  bool still_valid() const override { return device_.bound(); }

 private:
  LoopDevice& device_;
};

class DeviceDirectory final : public GeneratedDirectory {
 public:
  DeviceDirectory(GeneratedFileSystem& fs, LoopDevice& device, Ref<SettingsDirectory> settings)
      : GeneratedDirectory(fs, 0555), device_(device), settings_(std::move(settings)) {}

 protected:
  Result<Ref<Inode>> lookup_changing(std::string_view name) override {
    if (name != "loop" || !device_.bound()) return Errno::kNoEnt;
    return Ref<Inode>(settings_);
  }
  Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) override {
    if (offset == 0 && device_.bound())
      visitor.entry("loop", settings_->number(), FileType::kDirectory, base + 1);
    return {};
  }

 private:
  LoopDevice& device_;
  const Ref<SettingsDirectory> settings_;
};

Result<> show_size(LoopDevice& device, TextSink& out) {
  out << device.size() / LoopDevice::kSectorSize << '\n';
  return {};
}
Result<> show_read_only(LoopDevice& device, TextSink& out) {
  out << u32{device.view().read_only} << '\n';
  return {};
}
Result<> show_block_size(LoopDevice& device, TextSink& out) {
  out << device.view().block_size << '\n';
  return {};
}
Result<> show_read_ahead(LoopDevice& device, TextSink& out) {
  out << device.read_ahead() / 2 << '\n';
  return {};
}
Result<> show_backing_file(LoopDevice& device, TextSink& out) {
  const FileRef file = device.view().file;
  if (!file) return Errno::kNxIo;
  out << TRY(file->link_text()).view() << '\n';
  return {};
}
Result<> show_offset(LoopDevice& device, TextSink& out) {
  out << TRY(device.status()).offset << '\n';
  return {};
}
Result<> show_size_limit(LoopDevice& device, TextSink& out) {
  out << TRY(device.status()).size_limit << '\n';
  return {};
}
template <u32 kFlag>
Result<> show_flag(LoopDevice& device, TextSink& out) {
  out << ((TRY(device.status()).flags & kFlag) ? "1\n" : "0\n");
  return {};
}

struct Attribute {
  std::string_view name;
  ShowDevice show;
};
constexpr Attribute kAttributes[] = {{"size", show_size}, {"ro", show_read_only}};
constexpr Attribute kQueueAttributes[] = {{"logical_block_size", show_block_size},
                                          {"physical_block_size", show_block_size},
                                          {"minimum_io_size", show_block_size},
                                          {"read_ahead_kb", show_read_ahead}};
constexpr Attribute kSettings[] = {{"backing_file", show_backing_file},
                                   {"offset", show_offset},
                                   {"sizelimit", show_size_limit},
                                   {"autoclear", show_flag<abi::kLoopAutoclear>},
                                   {"partscan", show_flag<abi::kLoopPartitionScan>},
                                   {"dio", show_flag<abi::kLoopDirectIo>}};

Result<> fill(GeneratedFileSystem& sys, GeneratedDirectory& directory, LoopDevice& device,
              std::span<const Attribute> attributes) {
  for (const Attribute& attribute : attributes)
    TRY(directory.add(attribute.name, TRY(make_ref<DeviceAttribute>(sys, device, attribute.show))));
  return {};
}

}  // namespace

Result<> loop_add_to_sys(GeneratedFileSystem& sys) {
  for (u32 number = 0; number < LoopDevice::kCount; ++number) {
    LoopDevice& device = *LoopDevice::find(number);
    auto settings = TRY(make_ref<SettingsDirectory>(sys, device));
    TRY(fill(sys, *settings, device, kSettings));
    auto directory = TRY(make_ref<DeviceDirectory>(sys, device, std::move(settings)));
    TRY(fill(sys, *directory, device, kAttributes));
    auto queue = TRY(make_directory(sys));
    TRY(fill(sys, *queue, device, kQueueAttributes));
    TRY(directory->add("queue", std::move(queue)));
    TRY(generated_add(sys, "block", kNames[number], std::move(directory)));
  }
  return {};
}

Result<> loop_show_partitions(TextSink& out) {
  out << "major minor  #blocks  name\n\n";
  for (u32 number = 0; number < LoopDevice::kCount; ++number) {
    const u64 size = LoopDevice::find(number)->size();
    if (size == 0) continue;
    out << padded(LoopDevice::kMajor, 4) << "  " << padded(number, 7) << ' '
        << padded(size / kKiB, 10) << ' ' << kNames[number] << '\n';
  }
  return {};
}

}  // namespace narwhal
