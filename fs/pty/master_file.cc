// /dev/ptmx: the masters of pseudo-terminals, ptmx(4).
#include "fs/core/special_file.h"
#include "fs/dev/device_file.h"
#include "fs/pty/devpts.h"
#include "fs/pty/pty.h"
#include "fs/tty/terminal_file.h"
#include "kernel/abi/ioctl.h"
#include "kernel/base/format.h"

namespace narwhal {
namespace {

constexpr u32 kMasterMajor = 5, kMasterMinor = 2;

class MasterFile final : public DeviceFile {
 public:
  MasterFile(Ref<Pty> pty, const Path& path, OpenFlags flags)
      : DeviceFile(path, flags), pty_(std::move(pty)) {}

  Result<usize> read(IoBuffer& to) override;
  Result<usize> write(IoBuffer& from) override;
  PollEvents poll() override;
  WaitQueue* poll_queue() override { return &pty_->port().queue(); }
  Result<i64> ioctl(u32 command, UserAddr argument) override;
  Result<FileRef> open_peer(OpenFlags flags) override;
  Kind kind() const override { return Kind::kTerminal; }
  void describe(TextSink& out) const override { out << "tty-index:\t" << pty_->number() << '\n'; }

 private:
  ~MasterFile() override { pty_->close_master(); }
  // Lets the terminal go on where bytes or room made it wait.
  void service() const {
    while (pty_->service()) {
    }
  }
  Result<i64> flush(u64 which);

  const Ref<Pty> pty_;
};

Result<usize> MasterFile::read(IoBuffer& to) {
  if (to.remaining() == 0) return usize{0};
  usize total = 0;
  if (pty_->packet_mode()) {
    const u8 status = pty_->take_packet_status();
    if (status == 0 && pty_->port().bytes_ready() == 0)
      return pty_->slave_gone() ? Errno::kIo : Errno::kAgain;
    total = TRY(to.write(&status, 1));
    if (status != 0) return total;
  }
  // Asked before the look, so that what the slave wrote last is not missed.
  const bool gone = pty_->slave_gone();
  const usize header = total;
  while (to.remaining() != 0) {
    std::byte chunk[256];
    const usize room = to.remaining() < sizeof chunk ? to.remaining() : sizeof chunk;
    const usize count = pty_->port().take({chunk, room});
    if (count == 0) break;
    auto moved = to.write(chunk, count);
    if (!moved.ok()) return total != 0 ? Result<usize>(total) : moved;
    total += moved.value();
    service();
  }
  if (total == 0 && header == 0) return gone ? Errno::kIo : Errno::kAgain;
  return total;
}

Result<usize> MasterFile::write(IoBuffer& from) {
  usize total = 0;
  while (from.remaining() != 0) {
    if (!pty_->port().has_room()) break;
    // Bytes leave the buffer only when they have found room.
    std::byte chunk[256];
    usize size = from.remaining() < sizeof chunk ? from.remaining() : sizeof chunk;
    while (size != 0 && !from.peek(chunk, size).ok()) size /= 2;
    if (size == 0) return total != 0 ? Result<usize>(total) : Errno::kFault;
    const usize given = pty_->port().give({chunk, size});
    from.skip(given);
    total += given;
    service();
  }
  if (total == 0 && from.remaining() != 0) return Errno::kAgain;
  return total;
}

PollEvents MasterFile::poll() {
  PollEvents events = PollEvents::kNone;
  if (pty_->slave_gone()) events |= PollEvents::kHup;
  if (pty_->port().bytes_ready() != 0) events |= kPollReadable;
  if (pty_->packet_mode() && pty_->packet_status() != 0) events |= kPollReadable | PollEvents::kPri;
  if (pty_->port().has_room()) events |= kPollWritable;
  return events;
}

// What the program on the terminal has read or written already stays where it is.
Result<i64> MasterFile::flush(u64 which) {
  constexpr u64 kInput = 0, kOutput = 1, kBoth = 2;
  if (which > kBoth) return Errno::kInval;
  if (which != kOutput) pty_->port().discard_shown();
  if (which != kInput) pty_->port().discard_typed();
  service();
  return i64{0};
}

Result<i64> MasterFile::ioctl(u32 command, UserAddr argument) {
  switch (command) {
    case abi::kTiocGetNumber:
      TRY(store_user(argument, pty_->number()));
      return i64{0};
    case abi::kTiocSetLock:
      pty_->locked.store(TRY(load_user<i32>(argument)) != 0);
      return i64{0};
    case abi::kTiocGetLock:
      TRY(store_user(argument, i32(pty_->locked.load())));
      return i64{0};
    case abi::kTiocPacket:
      pty_->set_packet_mode(TRY(load_user<i32>(argument)) != 0);
      return i64{0};
    case abi::kTiocGetPacket:
      TRY(store_user(argument, i32(pty_->packet_mode())));
      return i64{0};
    case abi::kTiocSignal: {
      const auto signal = Signal(argument.value);
      if (signal != Signal::kInt && signal != Signal::kQuit && signal != Signal::kTstp)
        return Errno::kInval;
      pty_->signal_foreground(signal);
      return i64{0};
    }
    case abi::kFionRead:
      TRY(store_user(argument, i32(pty_->port().bytes_ready())));
      return i64{0};
    case abi::kTiocOutq:
      TRY(store_user(argument, i32{0}));  // it is at the terminal at once
      return i64{0};
    case abi::kTcFlush:
      return flush(argument.value);
    case abi::kTcFlow:
      // The master's own flow can't be stopped; the slave's is stopped by XOFF.
      return argument.value <= 3 ? Result<i64>(i64{0}) : Errno::kInval;
    default: {
      auto done = pty_->master_ioctl(command, argument);
      service();
      return done;
    }
  }
}

// The slave's name is looked for where the master's is: beside it in devpts, or in the directory
// "pts" beside it.
Result<FileRef> MasterFile::open_peer(OpenFlags flags) {
  Path directory;
  {
    NamesReadGuard guard;
    directory = {path()->mount, path()->dentry->parent()};
  }
  if (!directory.dentry) return Errno::kNoEnt;
  auto fs = TRY(make_ref<FsContext>(directory, directory, 022));
  auto who = TRY(make_ref<Credentials>());
  Text<24> name;
  if (&directory.dentry->inode().file_system() != &pty_->slave()->file_system()) name << "pts/";
  name << pty_->number();
  const Path path = TRY(vfs::lookup({*fs, *who}, Path(), name.view(), LookupFlags::kNone));
  if (&path.dentry->inode() != pty_->slave().get()) return Errno::kNoEnt;
  FileRef file = TRY(TerminalFile::open(pty_, path, flags));
  if (!has(flags, OpenFlags::kNoControllingTty) && file->readable()) pty_->opened_by_current();
  return file;
}

Result<FileRef> open_master(const Path& path, OpenFlags flags) {
  Ref<Pty> pty = TRY(Pty::create());
  auto file = make_ref<MasterFile>(pty, path, flags);
  if (!file.ok()) {
    pty->close_master();
    return file.error();
  }
  return FileRef(file.take());
}
[[clang::no_destroy]] constinit DeviceRange master_device{
    {}, kMasterMajor, kMasterMinor, kMasterMinor, "/dev/ptmx", open_master};

}  // namespace

Result<> pty_init() {
  TRY(devpts_init());
  register_device(FileType::kCharacterDevice, master_device);
  return {};
}

}  // namespace narwhal
