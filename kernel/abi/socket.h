// <sys/socket.h>, <sys/un.h>, <asm-generic/socket.h>.
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

// Families.
inline constexpr i32 kAfUnspecified = 0;
inline constexpr i32 kAfUnix = 1;
inline constexpr i32 kAfInet = 2;
inline constexpr i32 kAfInet6 = 10;
inline constexpr i32 kAfNetlink = 16;
inline constexpr i32 kAfPacket = 17;
inline constexpr i32 kAfEnd = 46;  // AF_MAX

// Types, and the flags that socket(2) takes with them.
inline constexpr i32 kSockStream = 1;
inline constexpr i32 kSockDatagram = 2;
inline constexpr i32 kSockRaw = 3;
inline constexpr i32 kSockSeqPacket = 5;
inline constexpr i32 kSockPacket = 10;
inline constexpr i32 kSockEnd = 11;
inline constexpr u32 kSockTypeMask = 0xf;
inline constexpr u32 kSockNonBlock = 04000;
inline constexpr u32 kSockCloseOnExec = 02000000;

// shutdown(2).
inline constexpr i32 kShutRead = 0;
inline constexpr i32 kShutWrite = 1;
inline constexpr i32 kShutBoth = 2;

// MSG_*.
inline constexpr u32 kMsgOutOfBand = 0x1;
inline constexpr u32 kMsgPeek = 0x2;
inline constexpr u32 kMsgDontRoute = 0x4;
inline constexpr u32 kMsgControlTruncated = 0x8;
inline constexpr u32 kMsgTruncated = 0x20;
inline constexpr u32 kMsgDontWait = 0x40;
inline constexpr u32 kMsgEndOfRecord = 0x80;
inline constexpr u32 kMsgWaitAll = 0x100;
inline constexpr u32 kMsgErrorQueue = 0x2000;
inline constexpr u32 kMsgNoSignal = 0x4000;
inline constexpr u32 kMsgMore = 0x8000;
inline constexpr u32 kMsgWaitForOne = 0x10000;
inline constexpr u32 kMsgFastOpen = 0x20000000;
inline constexpr u32 kMsgCloseOnExec = 0x40000000;  // MSG_CMSG_CLOEXEC

// Levels, and the options of SOL_SOCKET.
inline constexpr i32 kSolSocket = 1;
inline constexpr i32 kSolNetlink = 270;
inline constexpr i32 kSoDebug = 1;
inline constexpr i32 kSoReuseAddress = 2;
inline constexpr i32 kSoType = 3;
inline constexpr i32 kSoError = 4;
inline constexpr i32 kSoDontRoute = 5;
inline constexpr i32 kSoBroadcast = 6;
inline constexpr i32 kSoSendBuffer = 7;
inline constexpr i32 kSoReceiveBuffer = 8;
inline constexpr i32 kSoKeepAlive = 9;
inline constexpr i32 kSoOutOfBandInline = 10;
inline constexpr i32 kSoNoCheck = 11;
inline constexpr i32 kSoPriority = 12;
inline constexpr i32 kSoLinger = 13;
inline constexpr i32 kSoReusePort = 15;
inline constexpr i32 kSoPassCredentials = 16;
inline constexpr i32 kSoPeerCredentials = 17;
inline constexpr i32 kSoReceiveLowWater = 18;
inline constexpr i32 kSoSendLowWater = 19;
inline constexpr i32 kSoReceiveTimeout = 20;
inline constexpr i32 kSoSendTimeout = 21;
inline constexpr i32 kSoBindToDevice = 25;
inline constexpr i32 kSoPeerName = 28;
inline constexpr i32 kSoTimestamp = 29;
inline constexpr i32 kSoAcceptConnections = 30;
inline constexpr i32 kSoPeerSecurity = 31;
inline constexpr i32 kSoSendBufferForce = 32;
inline constexpr i32 kSoReceiveBufferForce = 33;
inline constexpr i32 kSoTimestampNs = 35;
inline constexpr i32 kSoMark = 36;
inline constexpr i32 kSoProtocol = 38;
inline constexpr i32 kSoDomain = 39;
inline constexpr i32 kSoPeekOffset = 42;
inline constexpr i32 kSoIncomingCpu = 49;
inline constexpr i32 kSoCookie = 57;
inline constexpr i32 kSoPeerGroups = 59;
inline constexpr i32 kSoZeroCopy = 60;
inline constexpr i32 kSoReceiveTimeoutNew = 66;  // the same as the old ones on 64 bits
inline constexpr i32 kSoSendTimeoutNew = 67;

// Types of control messages of SOL_SOCKET.
inline constexpr i32 kScmRights = 1;
inline constexpr i32 kScmCredentials = 2;
inline constexpr usize kScmMostFiles = 253;  // SCM_MAX_FD

struct MessageHeader {  // struct msghdr
  u64 name;
  i32 name_length;
  u32 padding;
  u64 pieces;
  u64 piece_count;
  u64 control;
  u64 control_length;
  u32 flags;
  u32 padding2;
};
static_assert(sizeof(MessageHeader) == 56);

struct ManyMessageHeader {  // struct mmsghdr
  MessageHeader header;
  u32 length;
  u32 padding;
};
static_assert(sizeof(ManyMessageHeader) == 64);

struct ControlHeader {  // struct cmsghdr
  u64 length;           // this header included
  i32 level;
  i32 type;
};
static_assert(sizeof(ControlHeader) == 16);

struct PeerCredentials {  // struct ucred
  i32 pid;
  u32 uid;
  u32 gid;
};

}  // namespace narwhal::abi
