#include "fs/pty/devpts.h"

#include "fs/core/clock.h"
#include "fs/core/special_file.h"
#include "fs/generated/generated.h"
#include "fs/pty/pty.h"
#include "fs/tty/job_control.h"
#include "fs/tty/terminal_file.h"

namespace narwhal {
namespace {

constexpr i64 kDevptsMagic = 0x1cd1;
constexpr u32 kAuxiliaryMajor = 5, kMasterMinor = 2;
constexpr u32 kLastMinor = (1 << 20) - 1;
// Linux numbers the inodes so: the root, ptmx, and the slaves.
constexpr u64 kMasterInode = 2, kFirstSlaveInode = 3;

struct Settings {
  Atomic<u32> uid{~u32{0}};  // ~0: the opener's
  Atomic<u32> gid{~u32{0}};
  Atomic<u32> mode{0600};
};

class Devpts final : public GeneratedFileSystem {
 public:
  Devpts() : GeneratedFileSystem("devpts", kDevptsMagic, Creation::kRefused) {}
  void describe_options(TextSink& out) const override {
    if (settings.uid.load() != ~u32{0}) out << "uid=" << settings.uid.load() << ',';
    if (settings.gid.load() != ~u32{0}) out << "gid=" << settings.gid.load() << ',';
    out << "mode=";
    const u32 mode = settings.mode.load();
    for (int shift = 6; shift >= 0; shift -= 3) out << char('0' + (mode >> shift & 7));
    out << ",ptmxmode=000";
  }
  Result<> reconfigure(std::string_view options) override;

  Settings settings;
};

constinit Devpts* the_file_system = nullptr;  // lives as long as the machine

Result<u32> parse_number(std::string_view text, u32 base) {
  if (text.empty()) return Errno::kInval;
  u32 value = 0;
  for (char c : text) {
    const u32 digit = u32(c - '0');
    if (digit >= base || value > (~u32{0} - digit) / base) return Errno::kInval;
    value = value * base + digit;
  }
  return value;
}

// "gid=5,mode=620"; what is for instances of one's own has no meaning where there is one for all.
Result<> Devpts::reconfigure(std::string_view options) {
  while (!options.empty()) {
    const usize comma = options.find(',');
    const std::string_view option = options.substr(0, comma);
    options = comma == std::string_view::npos ? std::string_view() : options.substr(comma + 1);
    const usize equal = option.find('=');
    const std::string_view key = option.substr(0, equal);
    const std::string_view value =
        equal == std::string_view::npos ? std::string_view() : option.substr(equal + 1);
    if (key == "uid")
      settings.uid.store(TRY(parse_number(value, 10)));
    else if (key == "gid")
      settings.gid.store(TRY(parse_number(value, 10)));
    else if (key == "mode")
      settings.mode.store(TRY(parse_number(value, 8)) & 0777);
    else if (key != "ptmxmode" && key != "max" && key != "newinstance" && !key.empty())
      return Errno::kInval;
  }
  return {};
}

Result<Ref<FileSystem>> create_devpts(std::string_view options) {
  TRY(the_file_system->reconfigure(options));
  return Ref<FileSystem>(the_file_system);
}
[[clang::no_destroy]] constinit FileSystemType devpts_type{{}, "devpts", create_devpts};

// A character device whose attributes can be changed.
class DeviceInode : public Inode {
 public:
  DeviceInode(u64 number, u32 mode, u32 uid, u32 gid, u64 device)
      : Inode(*the_file_system, FileType::kCharacterDevice, number, mode, uid, gid) {
    set_special_device(device);
    const abi::TimeSpec now = current_file_time();
    set_times(now, now, now);
  }
  Result<> set_attributes(const AttributeChange& change) override {
    apply_attributes(change);
    return {};
  }
};

class SlaveInode final : public DeviceInode {
 public:
  SlaveInode(u32 number, u32 mode, u32 uid, u32 gid)
      : DeviceInode(kFirstSlaveInode + number, mode, uid, gid,
                    make_device(kPtySlaveMajor, number)) {}
  // The name may belong to another pair by now.
  bool still_valid() const override { return links() != 0; }
};

class Root final : public GeneratedDirectory {
 public:
  explicit Root(GeneratedFileSystem& fs) : GeneratedDirectory(fs, 0755) {}

 private:
  Result<Ref<Inode>> lookup_changing(std::string_view name) override {
    auto number = parse_number(name, 10);
    if (!number.ok() || (name.size() > 1 && name[0] == '0')) return Errno::kNoEnt;
    Ref<Pty> pty = Pty::find(number.value());
    if (!pty || !pty->slave()) return Errno::kNoEnt;
    return pty->slave();
  }
  Result<> read_changing(i64 offset, i64 base, DirectoryVisitor& visitor) override {
    for (u32 number = u32(offset);; ++number) {
      Ref<Pty> pty = Pty::find_from(number);
      if (!pty) return {};
      number = pty->number();
      Text<12> name;
      name << number;
      if (!visitor.entry(name.view(), kFirstSlaveInode + number, FileType::kCharacterDevice,
                         base + number + 1))
        return {};
    }
  }
};

Result<FileRef> open_slave(const Path& path, OpenFlags flags) {
  const Inode& inode = path.dentry->inode();
  Ref<Pty> pty = Pty::find(device_minor(inode.special_device()));
  // A name from before, for another pair with the same number, leads nowhere.
  const bool stale = pty && &inode.file_system() == the_file_system && pty->slave().get() != &inode;
  if (!pty || stale) return Errno::kIo;
  FileRef file = TRY(TerminalFile::open(pty, path, flags));
  if (!has(flags, OpenFlags::kNoControllingTty) && file->readable()) pty->opened_by_current();
  return file;
}
[[clang::no_destroy]] constinit DeviceRange slave_devices{{},    kPtySlaveMajor, 0, kLastMinor,
                                                              "pts", open_slave};

}  // namespace

Result<Ref<Inode>> make_pty_inode(Pty& pty) {
  const Settings& settings = the_file_system->settings;
  const JobControl& jobs = job_control();
  const u32 user = jobs.current_user ? jobs.current_user() : 0;
  const u32 uid = settings.uid.load(), gid = settings.gid.load();
  return Ref<Inode>(TRY(make_ref<SlaveInode>(
      pty.number(), settings.mode.load(), uid == ~u32{0} ? user : uid, gid == ~u32{0} ? 0 : gid)));
}

Result<> devpts_init() {
  auto fs = TRY(make_ref<Devpts>());
  the_file_system = fs.release();
  auto root = TRY(make_ref<Root>(*the_file_system));
  TRY(root->add("ptmx", TRY(make_ref<DeviceInode>(kMasterInode, 0, 0, 0,
                                                  make_device(kAuxiliaryMajor, kMasterMinor)))));
  the_file_system->set_root(std::move(root));
  register_file_system_type(devpts_type);
  register_device(FileType::kCharacterDevice, slave_devices);
  return {};
}

}  // namespace narwhal
