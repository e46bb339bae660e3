#include "tools/pack/archive_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "tools/base/error.h"
#include "tools/base/files.h"
#include "tools/base/unique_fd.h"

namespace narwhal::tools {

namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint64_t kHeaderSize = 110;
constexpr uint64_t kAlignment = 4;
constexpr uint64_t kBiggestFile = 0xffffffff;
constexpr size_t kBufferSize = 256 << 10;
constexpr char kBootFolder[] = ".narwhal";
constexpr char kBootMember[] = ".narwhal/boot";
constexpr char kTrailer[] = "TRAILER!!!";

constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

class Writer {
 public:
  Writer(int output, ArchiveLayout layout) : output_(output), layout_(layout) {
    buffer_.reserve(kBufferSize);
  }

  // Members of one file share `inode`; only the last carries the data.
  void member(std::string_view name, const RootEntry& entry, uint32_t inode, uint32_t names,
              bool with_data) {
    const bool has_data = entry.is_link() || (entry.is_regular() && with_data);
    const uint64_t size = !has_data ? 0 : entry.is_link() ? entry.content.size() : entry.size;
    if (size > kBiggestFile) {
      fail("{}: {} is more than a file in the root archive can have (4 GiB)", name,
           format_size(size));
    }
    header(name, entry, inode, names, size);
    if (size == 0) return;
    if (entry.is_link() || entry.source.empty()) {
      put(entry.content);
    } else {
      copy(entry.source, size);
    }
    pad();
  }

  void trailer() {
    header(kTrailer, RootEntry(), 0, 1, 0);
    flush();
  }

  uint64_t position() const { return position_; }
  std::vector<std::string> notes;

 private:
  void header(std::string_view name, const RootEntry& entry, uint32_t inode, uint32_t names,
              uint64_t size) {
    uint64_t name_size = name.size() + 1;
    if (size >= kPageSize && layout_ == ArchiveLayout::kNarwhal) {
      // Header, name and padding end exactly where a page does.
      const uint64_t name_start = position_ + kHeaderSize;
      name_size = align_up(name_start + name_size, kPageSize) - name_start;
    }
    const int64_t modified = std::clamp<int64_t>(entry.modified, 0, kBiggestFile);
    put(
        fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}"
                    "{:08X}",
                    inode, entry.mode, entry.uid, entry.gid, names, modified, size, 0, 0,
                    major(entry.device), minor(entry.device), name_size, 0));
    put(name);
    zeros(name_size - name.size());
    pad();
  }

  void put(std::string_view data) {
    position_ += data.size();
    if (buffer_.size() + data.size() > kBufferSize) flush();
    if (data.size() > kBufferSize) {
      write_out(data);
    } else {
      buffer_ += data;
    }
  }

  void zeros(uint64_t count) {
    static constexpr char kZeros[kPageSize] = {};
    while (count > 0) {
      const uint64_t now = std::min<uint64_t>(count, sizeof kZeros);
      put(std::string_view(kZeros, now));
      count -= now;
    }
  }

  void pad() { zeros(align_up(position_, kAlignment) - position_); }

  void flush() {
    write_out(buffer_);
    buffer_.clear();
  }

  void write_out(std::string_view data) {
    if (!write_all(output_, data)) fail("cannot write the root archive: {}", strerror(errno));
  }

  // A file may grow or shrink while we read it (a log, say); the archive has the size that its
  // header promised.
  void copy(const std::string& source, uint64_t size) {
    const UniqueFd file(open(source.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) fail("cannot open {}: {}", source, strerror(errno));
    uint64_t done = 0;
    if (size > kBufferSize) {
      flush();
      done = copy_in_kernel(file.get(), size);
      position_ += done;
    }
    while (done < size) {
      chunk_.resize(std::min<uint64_t>(size - done, kBufferSize));
      const ssize_t got = read(file.get(), chunk_.data(), chunk_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail("cannot read {}: {}", source, strerror(errno));
      if (got == 0) break;
      put(std::string_view(chunk_).substr(0, static_cast<size_t>(got)));
      done += static_cast<uint64_t>(got);
    }
    if (done < size) {
      notes.push_back(fmt::format("{} shrank while it was packed; zeros follow its end", source));
      zeros(size - done);
    }
  }

  // As much as sendfile(2) will do for this pair of files; the caller does the rest.
  uint64_t copy_in_kernel(int file, uint64_t size) const {
    uint64_t done = 0;
    while (done < size) {
      const ssize_t sent = sendfile(output_, file, nullptr, size - done);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) break;
      done += static_cast<uint64_t>(sent);
    }
    return done;
  }

  int output_;
  ArchiveLayout layout_;
  uint64_t position_ = 0;
  std::string buffer_;
  std::string chunk_;
};

// The names of one file on the machine, so that they are names of one file in the guest.
struct HardLinks {
  uint32_t inode = 0;
  uint32_t names = 0;
  const RootEntry* last = nullptr;
};

using Identity = std::pair<dev_t, ino_t>;

std::map<Identity, HardLinks> collect_hard_links(const RootTree& tree) {
  std::map<Identity, HardLinks> all;
  for (const auto& [path, entry] : tree.entries()) {
    if (!entry.is_regular() || entry.source.empty() || entry.names < 2) continue;
    HardLinks& links = all[entry.identity];
    ++links.names;
    links.last = &entry;
  }
  return all;
}

}  // namespace

ArchiveSummary write_archive(const RootTree& tree, std::string_view boot_records, int output,
                             ArchiveLayout layout) {
  Writer writer(output, layout);
  ArchiveSummary summary;
  uint32_t next_inode = 1;
  if (!boot_records.empty()) {
    if (layout == ArchiveLayout::kPlain) {
      writer.member(kBootFolder, RootEntry::directory(0700, "settings"), next_inode++, 2, false);
      ++summary.members;
    }
    const RootEntry boot = RootEntry::text(std::string(boot_records), "settings", 0600);
    writer.member(kBootMember, boot, next_inode++, 1, true);
    ++summary.members;
  }
  auto hard_links = collect_hard_links(tree);
  for (const auto& [path, entry] : tree.entries()) {
    if (path == "/") continue;
    const std::string_view name = std::string_view(path).substr(1);
    const bool several = entry.is_regular() && !entry.source.empty() && entry.names > 1;
    if (several) {
      HardLinks& links = hard_links.at(entry.identity);
      if (links.inode == 0) links.inode = next_inode++;
      writer.member(name, entry, links.inode, links.names, links.last == &entry);
    } else {
      writer.member(name, entry, next_inode++, entry.is_directory() ? 2 : 1, true);
    }
    ++summary.members;
  }
  writer.trailer();
  summary.bytes = writer.position();
  summary.notes = std::move(writer.notes);
  return summary;
}

}  // namespace narwhal::tools
