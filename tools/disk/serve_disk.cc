#include "tools/disk/serve_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <iterator>
#include <latch>
#include <string_view>
#include <thread>

namespace narwhal::tools {

namespace {

using namespace disk_message;

// Transfers that wait for the device at the same time.
constexpr int kThreads = 4;

// All that is left to do once the threads are there: README.md, "Who asks is not trusted".
void confine() {
  constexpr unsigned kAllowed[] = {SYS_recvfrom,   SYS_sendto,         SYS_preadv, SYS_pwritev,
                                   SYS_fdatasync,  SYS_fallocate,      SYS_futex,  SYS_rt_sigreturn,
                                   SYS_exit_group, SYS_restart_syscall};
  constexpr size_t kCount = std::size(kAllowed);
  constexpr auto kWord = static_cast<unsigned short>(BPF_LD | BPF_W | BPF_ABS);
  constexpr auto kEqual = static_cast<unsigned short>(BPF_JMP | BPF_JEQ | BPF_K);
  constexpr auto kReturn = static_cast<unsigned short>(BPF_RET | BPF_K);
  std::array<sock_filter, kCount + 6> rules = {};
  size_t at = 0;
  rules[at++] = {kWord, 0, 0, offsetof(seccomp_data, arch)};
  rules[at++] = {kEqual, 1, 0, AUDIT_ARCH_X86_64};
  rules[at++] = {kReturn, 0, 0, SECCOMP_RET_KILL_PROCESS};
  rules[at++] = {kWord, 0, 0, offsetof(seccomp_data, nr)};
  for (size_t i = 0; i < kCount; ++i)
    rules[at++] = {kEqual, static_cast<unsigned char>(kCount - i), 0, kAllowed[i]};
  rules[at++] = {kReturn, 0, 0, SECCOMP_RET_KILL_PROCESS};
  rules[at++] = {kReturn, 0, 0, SECCOMP_RET_ALLOW};
  const sock_fprog program = {static_cast<unsigned short>(at), rules.data()};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
    fputs("narwhal serve-disk: the host has no seccomp; the server runs without\n", stderr);
}

void give_up_rights() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  syscall(SYS_capset, &header, data);
}

void serve(int socket, const disk::Server& server) {
  struct {
    Question question;
    Place places[kMostPlaces];
  } message;
  for (;;) {
    const ssize_t got = recv(socket, &message, sizeof message, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    Answer answer = {};
    const auto size = static_cast<size_t>(got);
    if (size < sizeof message.question || message.question.place_count > kMostPlaces ||
        size != sizeof message.question + message.question.place_count * sizeof(Place)) {
      answer.error = EINVAL;
    } else {
      answer.error =
          server.answer(message.question, {message.places, message.question.place_count});
    }
    answer.id = message.question.id;
    if (send(socket, &answer, sizeof answer, MSG_NOSIGNAL) < 0) return;
  }
}

// All of it, in however many parts the file system does it.
int transfer(int disk, bool writes, std::span<iovec> pieces, off_t offset) {
  while (!pieces.empty()) {
    const int count = static_cast<int>(pieces.size());
    ssize_t moved = writes ? pwritev(disk, pieces.data(), count, offset)
                           : preadv(disk, pieces.data(), count, offset);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return errno;
    if (moved == 0) return EIO;  // somebody has made the file shorter
    offset += moved;
    while (!pieces.empty() && static_cast<size_t>(moved) >= pieces.front().iov_len) {
      moved -= static_cast<ssize_t>(pieces.front().iov_len);
      pieces = pieces.subspan(1);
    }
    if (moved != 0) {
      pieces.front().iov_base = static_cast<std::byte*>(pieces.front().iov_base) + moved;
      pieces.front().iov_len -= static_cast<size_t>(moved);
    }
  }
  return 0;
}

uint64_t size_of(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return 0;
  uint64_t size = static_cast<uint64_t>(status.st_size);
  if (S_ISBLK(status.st_mode) && ioctl(fd, BLKGETSIZE64, &size) != 0) return 0;
  return size;
}

}  // namespace

int disk::Server::answer(const Question& question, std::span<const Place> places) const {
  uint64_t size = question.size;
  iovec pieces[kMostPlaces];
  const bool moves =
      question.operation == Operation::kRead || question.operation == Operation::kWrite;
  if (moves) {
    size = 0;
    for (size_t i = 0; i < places.size(); ++i) {
      const auto [offset, length] = places[i];
      if (offset > memory.size() || length > memory.size() - offset || length == 0) return EINVAL;
      pieces[i] = {memory.data() + offset, length};
      size += length;
    }
  }
  if (question.operation != Operation::kFlush &&
      (question.offset > disk_size || size > disk_size - question.offset || size == 0)) {
    return EINVAL;
  }
  if (question.operation != Operation::kRead && question.operation != Operation::kFlush &&
      read_only) {
    return EROFS;
  }
  const auto offset = static_cast<off_t>(question.offset);
  const auto change = [&](int mode) {
    return fallocate(disk, mode | FALLOC_FL_KEEP_SIZE, offset, static_cast<off_t>(size)) == 0
               ? 0
               : errno;
  };
  switch (question.operation) {
    case Operation::kRead:
    case Operation::kWrite:
      return transfer(disk, question.operation == Operation::kWrite, {pieces, places.size()},
                      offset);
    case Operation::kFlush:
      return fdatasync(disk) == 0 ? 0 : errno;
    case Operation::kDiscard:
      return change(FALLOC_FL_PUNCH_HOLE);
    case Operation::kWriteZeroes:
      return change(question.may_unmap != 0 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
  }
  return EINVAL;
}

int serve_disk(int argc, const char* const* argv) {
  if (argc != 6) {
    fputs("serve-disk is what narwhal run starts for --disk\n", stderr);
    return 2;
  }
  const int socket = atoi(argv[1]);
  const int memory_file = atoi(argv[3]);
  const size_t memory_size = strtoull(argv[4], nullptr, 10);
  disk::Server server = {.disk = atoi(argv[2]), .read_only = std::string_view(argv[5]) == "ro"};
  server.disk_size = size_of(server.disk);
  // The file gets its size from the kernel; until then nobody asks for anything.
  void* const memory =
      mmap(nullptr, memory_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_file, 0);
  if (memory == MAP_FAILED) {
    perror("narwhal serve-disk: the guest's memory cannot be mapped");
    return 1;
  }
  server.memory = {static_cast<std::byte*>(memory), memory_size};
  close(memory_file);
  give_up_rights();
  // The C library's own beginning of a thread needs more calls than are left afterwards.
  std::latch started(kThreads - 1);
  for (int i = 1; i < kThreads; ++i) {
    std::thread([socket, &server, &started] {
      started.count_down();
      serve(socket, server);
      _exit(0);
    }).detach();
  }
  started.wait();
  confine();
  serve(socket, server);
  _exit(0);
}

}  // namespace narwhal::tools
