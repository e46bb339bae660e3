// <asm/termbits.h>, <asm/ioctls.h>: terminals, x86-64 values. See termios(3), ioctl_tty(2).
#pragma once

#include "kernel/base/types.h"

namespace narwhal::abi {

struct Termios {
  static constexpr usize kControlCharacters = 19;
  u32 input;
  u32 output;
  u32 control;
  u32 local;
  u8 line;
  u8 characters[kControlCharacters];
};
static_assert(sizeof(Termios) == 36);

struct Termios2 {
  Termios base;
  u32 input_speed;
  u32 output_speed;
};
static_assert(sizeof(Termios2) == 44);

// The form of System V, for the calls that keep it.
struct Termio {
  static constexpr usize kControlCharacters = 8;
  u16 input;
  u16 output;
  u16 control;
  u16 local;
  u8 line;
  u8 characters[kControlCharacters];
  u8 padding;
};
static_assert(sizeof(Termio) == 18);

struct WindowSize {
  u16 rows, columns, x_pixels, y_pixels;
};

// Indices of Termios::characters.
enum ControlCharacter : u8 {
  kVIntr = 0,
  kVQuit = 1,
  kVErase = 2,
  kVKill = 3,
  kVEof = 4,
  kVTime = 5,
  kVMin = 6,
  kVStart = 8,
  kVStop = 9,
  kVSusp = 10,
  kVEol = 11,
  kVReprint = 12,
  kVDiscard = 13,
  kVWordErase = 14,
  kVLiteralNext = 15,
  kVEol2 = 16,
};

// Termios::input.
inline constexpr u32 kIParityMark = 0x8;
inline constexpr u32 kIStrip = 0x20;
inline constexpr u32 kINlCr = 0x40;
inline constexpr u32 kIgnoreCr = 0x80;
inline constexpr u32 kICrNl = 0x100;
inline constexpr u32 kIUpperLower = 0x200;
inline constexpr u32 kIXOn = 0x400;
inline constexpr u32 kIXAny = 0x800;
inline constexpr u32 kIMaxBel = 0x2000;
inline constexpr u32 kIUtf8 = 0x4000;

// Termios::output.
inline constexpr u32 kOPost = 0x1;
inline constexpr u32 kOLowerUpper = 0x2;
inline constexpr u32 kONlCr = 0x4;
inline constexpr u32 kOCrNl = 0x8;
inline constexpr u32 kONoCr = 0x10;
inline constexpr u32 kONlRet = 0x20;
inline constexpr u32 kOTabMask = 0x1800;
inline constexpr u32 kOTabSpaces = 0x1800;

// Termios::control.
inline constexpr u32 kCSizeMask = 0x30;
inline constexpr u32 kCSize8 = 0x30;
inline constexpr u32 kCRead = 0x80;
inline constexpr u32 kCParity = 0x100;
inline constexpr u32 kCSpeed38400 = 0xf;

// Termios::local.
inline constexpr u32 kLSignals = 0x1;
inline constexpr u32 kLCanonical = 0x2;
inline constexpr u32 kLEcho = 0x8;
inline constexpr u32 kLEchoErase = 0x10;
inline constexpr u32 kLEchoKill = 0x20;
inline constexpr u32 kLEchoNl = 0x40;
inline constexpr u32 kLNoFlush = 0x80;
inline constexpr u32 kLStopBackground = 0x100;
inline constexpr u32 kLEchoControl = 0x200;
inline constexpr u32 kLEchoPrint = 0x400;
inline constexpr u32 kLEchoKillErase = 0x800;
inline constexpr u32 kLExtended = 0x8000;
inline constexpr u32 kLExternal = 0x10000;  // EXTPROC: the master edits lines

// Besides those of kernel/abi/ioctl.h.
inline constexpr u32 kTcSendBreak = 0x5409;
inline constexpr u32 kTcFlow = 0x540a;
inline constexpr u32 kTcFlush = 0x540b;
inline constexpr u32 kTiocSti = 0x5412;
inline constexpr u32 kTiocNoTty = 0x5422;
inline constexpr u32 kTiocSetDiscipline = 0x5423;
inline constexpr u32 kTiocGetDiscipline = 0x5424;
inline constexpr u32 kTcSendBreakPosix = 0x5425;
inline constexpr u32 kTiocGetSession = 0x5429;
inline constexpr u32 kTiocExclusive = 0x540c;
inline constexpr u32 kTiocNotExclusive = 0x540d;
inline constexpr u32 kTiocGetExclusive = 0x80045440;
inline constexpr u32 kTiocGetDevice = 0x80045432;
inline constexpr u32 kTiocHangUp = 0x5437;
inline constexpr u32 kTcGeta = 0x5405;
inline constexpr u32 kTcSeta = 0x5406;
inline constexpr u32 kTcSetaw = 0x5407;
inline constexpr u32 kTcSetaf = 0x5408;
inline constexpr u32 kTcGets2 = 0x802c542a;
inline constexpr u32 kTcSets2 = 0x402c542b;
inline constexpr u32 kTcSetsw2 = 0x402c542c;
inline constexpr u32 kTcSetsf2 = 0x402c542d;

// Of masters of pseudo-terminals.
inline constexpr u32 kTiocPacket = 0x5420;
inline constexpr u32 kTiocGetPacket = 0x80045438;
inline constexpr u32 kTiocGetNumber = 0x80045430;  // TIOCGPTN
inline constexpr u32 kTiocSetLock = 0x40045431;    // TIOCSPTLCK
inline constexpr u32 kTiocGetLock = 0x80045439;
inline constexpr u32 kTiocSignal = 0x40045436;
inline constexpr u32 kTiocGetPeer = 0x5441;
inline constexpr u8 kPacketFlushRead = 1;
inline constexpr u8 kPacketFlushWrite = 2;
inline constexpr u8 kPacketStop = 4;
inline constexpr u8 kPacketStart = 8;
inline constexpr u8 kPacketNoStop = 16;
inline constexpr u8 kPacketDoStop = 32;
inline constexpr u8 kPacketIoctl = 64;

}  // namespace narwhal::abi
