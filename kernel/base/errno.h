// The error numbers of Linux on x86-64 (errno(3)), as a type of their own.
#pragma once

#include <string_view>

#include "kernel/base/types.h"

namespace narwhal {

// X(enumerator, number, "name")
#define NARWHAL_ERRNO_LIST(X)               \
  X(kPerm, 1, "EPERM")                      \
  X(kNoEnt, 2, "ENOENT")                    \
  X(kSrch, 3, "ESRCH")                      \
  X(kIntr, 4, "EINTR")                      \
  X(kIo, 5, "EIO")                          \
  X(kNxIo, 6, "ENXIO")                      \
  X(kTooBig, 7, "E2BIG")                    \
  X(kNoExec, 8, "ENOEXEC")                  \
  X(kBadF, 9, "EBADF")                      \
  X(kChild, 10, "ECHILD")                   \
  X(kAgain, 11, "EAGAIN")                   \
  X(kNoMem, 12, "ENOMEM")                   \
  X(kAcces, 13, "EACCES")                   \
  X(kFault, 14, "EFAULT")                   \
  X(kNotBlk, 15, "ENOTBLK")                 \
  X(kBusy, 16, "EBUSY")                     \
  X(kExist, 17, "EEXIST")                   \
  X(kXDev, 18, "EXDEV")                     \
  X(kNoDev, 19, "ENODEV")                   \
  X(kNotDir, 20, "ENOTDIR")                 \
  X(kIsDir, 21, "EISDIR")                   \
  X(kInval, 22, "EINVAL")                   \
  X(kNFile, 23, "ENFILE")                   \
  X(kMFile, 24, "EMFILE")                   \
  X(kNotTty, 25, "ENOTTY")                  \
  X(kTxtBsy, 26, "ETXTBSY")                 \
  X(kFBig, 27, "EFBIG")                     \
  X(kNoSpc, 28, "ENOSPC")                   \
  X(kSPipe, 29, "ESPIPE")                   \
  X(kRoFs, 30, "EROFS")                     \
  X(kMLink, 31, "EMLINK")                   \
  X(kPipe, 32, "EPIPE")                     \
  X(kDom, 33, "EDOM")                       \
  X(kRange, 34, "ERANGE")                   \
  X(kDeadLk, 35, "EDEADLK")                 \
  X(kNameTooLong, 36, "ENAMETOOLONG")       \
  X(kNoLck, 37, "ENOLCK")                   \
  X(kNoSys, 38, "ENOSYS")                   \
  X(kNotEmpty, 39, "ENOTEMPTY")             \
  X(kLoop, 40, "ELOOP")                     \
  X(kNoMsg, 42, "ENOMSG")                   \
  X(kIdRm, 43, "EIDRM")                     \
  X(kL2NSync, 45, "EL2NSYNC")               \
  X(kNoStr, 60, "ENOSTR")                   \
  X(kNoData, 61, "ENODATA")                 \
  X(kTime, 62, "ETIME")                     \
  X(kRemote, 66, "EREMOTE")                 \
  X(kNoLink, 67, "ENOLINK")                 \
  X(kProto, 71, "EPROTO")                   \
  X(kBadMsg, 74, "EBADMSG")                 \
  X(kOverflow, 75, "EOVERFLOW")             \
  X(kNotUniq, 76, "ENOTUNIQ")               \
  X(kBadFd, 77, "EBADFD")                   \
  X(kLibBad, 80, "ELIBBAD")                 \
  X(kUsers, 87, "EUSERS")                   \
  X(kNotSock, 88, "ENOTSOCK")               \
  X(kDestAddrReq, 89, "EDESTADDRREQ")       \
  X(kMsgSize, 90, "EMSGSIZE")               \
  X(kProtoType, 91, "EPROTOTYPE")           \
  X(kNoProtoOpt, 92, "ENOPROTOOPT")         \
  X(kProtoNoSupport, 93, "EPROTONOSUPPORT") \
  X(kSockTNoSupport, 94, "ESOCKTNOSUPPORT") \
  X(kOpNotSupp, 95, "EOPNOTSUPP")           \
  X(kPfNoSupport, 96, "EPFNOSUPPORT")       \
  X(kAfNoSupport, 97, "EAFNOSUPPORT")       \
  X(kAddrInUse, 98, "EADDRINUSE")           \
  X(kAddrNotAvail, 99, "EADDRNOTAVAIL")     \
  X(kNetDown, 100, "ENETDOWN")              \
  X(kNetUnreach, 101, "ENETUNREACH")        \
  X(kNetReset, 102, "ENETRESET")            \
  X(kConnAborted, 103, "ECONNABORTED")      \
  X(kConnReset, 104, "ECONNRESET")          \
  X(kNoBufs, 105, "ENOBUFS")                \
  X(kIsConn, 106, "EISCONN")                \
  X(kNotConn, 107, "ENOTCONN")              \
  X(kShutdown, 108, "ESHUTDOWN")            \
  X(kTooManyRefs, 109, "ETOOMANYREFS")      \
  X(kTimedOut, 110, "ETIMEDOUT")            \
  X(kConnRefused, 111, "ECONNREFUSED")      \
  X(kHostDown, 112, "EHOSTDOWN")            \
  X(kHostUnreach, 113, "EHOSTUNREACH")      \
  X(kAlready, 114, "EALREADY")              \
  X(kInProgress, 115, "EINPROGRESS")        \
  X(kStale, 116, "ESTALE")                  \
  X(kCanceled, 125, "ECANCELED")            \
  X(kNoKey, 126, "ENOKEY")                  \
  X(kOwnerDead, 130, "EOWNERDEAD")          \
  X(kNotRecoverable, 131, "ENOTRECOVERABLE")

// Values above 511 never leave the kernel: the way back to the program turns them into kIntr or
// into a restarted call, see process/signal_delivery.h.
enum class Errno : i32 {
#define X(enumerator, number, name) enumerator = number,
  NARWHAL_ERRNO_LIST(X)
#undef X
      kRestartSys = 512,  // restart if the handler has SA_RESTART, else EINTR
  kRestartNoIntr = 513,   // always restart
  kRestartNoHand = 514,   // restart only if no handler ran
  kRestartBlock = 516,    // continue through restart_syscall(2)
};

// "ENOENT"; "ERESTART..." for the internal ones; "E?" for what is none.
constexpr std::string_view errno_name(Errno error) {
  switch (error) {
#define X(enumerator, number, name) \
  case Errno::enumerator:           \
    return name;
    NARWHAL_ERRNO_LIST(X)
#undef X
    case Errno::kRestartSys:
      return "ERESTARTSYS";
    case Errno::kRestartNoIntr:
      return "ERESTARTNOINTR";
    case Errno::kRestartNoHand:
      return "ERESTARTNOHAND";
    case Errno::kRestartBlock:
      return "ERESTART_RESTARTBLOCK";
  }
  return "E?";
}

}  // namespace narwhal
