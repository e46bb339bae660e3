// 9P2000.L as both ends see it, kernel and the host's server: messages are little-endian fields one
// behind the other, behind a head of size[4] type[1] tag[2] (Plan 9's intro(5); the additions for
// Linux in diod's protocol.md and in Linux's include/net/9p/9p.h).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::p9 {

// A request; the answer to each has the next number.
enum class MessageType : u8 {
  kError = 6,
  kStatfs = 8,
  kOpen = 12,
  kCreate = 14,
  kSymlink = 16,
  kMknod = 18,
  kReadlink = 22,
  kGetattr = 24,
  kSetattr = 26,
  kXattrWalk = 30,
  kXattrCreate = 32,
  kReaddir = 40,
  kFsync = 50,
  kLink = 70,
  kMkdir = 72,
  kRenameAt = 74,
  kUnlinkAt = 76,
  kVersion = 100,
  kAttach = 104,
  kFlush = 108,
  kWalk = 110,
  kRead = 116,
  kWrite = 118,
  kClunk = 120,
};

inline constexpr usize kHeadSize = 7;

// What the server knows a file by: `path` is like an inode number, `version` changes with content.
struct Qid {
  u8 type = 0;
  u32 version = 0;
  u64 path = 0;
  static constexpr usize kSize = 13;
  static constexpr u8 kDirectory = 0x80, kSymlink = 0x02;
};

}  // namespace narwhal::p9
