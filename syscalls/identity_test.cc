// Users, groups and capabilities as programs see them. Each test is a process of its own that
// begins as root.
#include <gtest/gtest.h>

#include <vector>

#include "fs/core/credentials.h"
#include "kernel/abi/capability.h"
#include "process/testing/test_program.h"

namespace narwhal {
namespace {

using namespace test_program;

enum Number : u64 {
  kGetUid = 102,
  kSetUid = 105,
  kSetGid = 106,
  kGetEuid = 107,
  kSetReUid = 113,
  kSetReGid = 114,
  kGetGroups = 115,
  kSetGroups = 116,
  kSetResUid = 117,
  kGetResUid = 118,
  kSetResGid = 119,
  kGetResGid = 120,
  kSetFsUid = 122,
  kSetFsGid = 123,
  kCapGet = 125,
  kCapSet = 126,
  kPrctl = 157,
};
constexpr u64 kKeep = ~u64{0};
constexpr u64 kSetKeepCaps = 8, kCapBsetRead = 23, kCapBsetDrop = 24, kCapAmbient = 47;
constexpr u64 kAmbientIsSet = 1, kAmbientRaise = 2, kAmbientClear = 4;
constexpr u64 kGetDumpable = 3, kSetSecureBits = 28;

constexpr i64 failure(Errno error) {
  return -i64(error);
}
using Ids = std::vector<u32>;
Ids ids(u64 number) {
  const UserAddr at = memory(12);
  EXPECT_EQ(call(number, at.value, at.value + 4, at.value + 8), 0);
  return {look<u32>(at), look<u32>(at + 4), look<u32>(at + 8)};
}
Ids users() {
  return ids(kGetResUid);
}
Ids groups() {
  return ids(kGetResGid);
}
struct Sets {
  u64 effective, permitted, inheritable;
  friend bool operator==(const Sets&, const Sets&) = default;
};
Sets capabilities() {
  const UserAddr header = put(abi::CapabilityHeader{abi::kCapabilityVersion3, 0});
  const UserAddr data = memory(24);
  EXPECT_EQ(call(kCapGet, header.value, data.value), 0);
  const auto low = look<abi::CapabilityData>(data), high = look<abi::CapabilityData>(data + 12);
  return {low.effective | u64{high.effective} << 32, low.permitted | u64{high.permitted} << 32,
          low.inheritable | u64{high.inheritable} << 32};
}
i64 set_capabilities(const Sets& sets) {
  const UserAddr header = put(abi::CapabilityHeader{abi::kCapabilityVersion3, 0});
  const UserAddr data = memory(24);
  const abi::CapabilityData halves[] = {
      {u32(sets.effective), u32(sets.permitted), u32(sets.inheritable)},
      {u32(sets.effective >> 32), u32(sets.permitted >> 32), u32(sets.inheritable >> 32)}};
  EXPECT_EQ(platform::copy_to_user(data, halves, sizeof halves), 0u);
  return call(kCapSet, header.value, data.value);
}
constexpr u64 bit(Capability capability) {
  return u64{1} << u8(capability);
}

void as_root(void (*body)()) {
  const i32 child = fork(body);
  ASSERT_GT(child, 0);
  EXPECT_EQ(wait_for(child), 0);
}

TEST(Identity, RootBecomesSomebodyForGood) {
  as_root([] {
    EXPECT_EQ(users(), (Ids{0, 0, 0}));
    EXPECT_EQ(capabilities(), (Sets{kAllCapabilities, kAllCapabilities, 0}));
    EXPECT_EQ(call(kSetGid, 200), 0);
    EXPECT_EQ(call(kSetUid, 100), 0);
    EXPECT_EQ(users(), (Ids{100, 100, 100}));
    EXPECT_EQ(groups(), (Ids{200, 200, 200}));
    EXPECT_EQ(capabilities(), (Sets{0, 0, 0}));
    EXPECT_EQ(call(kPrctl, kGetDumpable), 0);
    EXPECT_EQ(call(kSetUid, 0), failure(Errno::kPerm));
    EXPECT_EQ(call(kSetGid, 0), failure(Errno::kPerm));
    EXPECT_EQ(call(kSetGroups, 0, 0), failure(Errno::kPerm));
    EXPECT_EQ(call(kSetUid, kKeep), failure(Errno::kInval));
    EXPECT_EQ(call(kSetGid, kKeep), failure(Errno::kInval));
  });
}

TEST(Identity, TheSavedUserIsAWayBack) {
  as_root([] {
    EXPECT_EQ(call(kSetResUid, 100, 100, 0), 0);
    EXPECT_EQ(capabilities(), (Sets{0, kAllCapabilities, 0}));
    EXPECT_EQ(call(kSetResUid, kKeep, 300, kKeep), failure(Errno::kPerm));
    EXPECT_EQ(call(kSetResUid, kKeep, 0, kKeep), 0);
    EXPECT_EQ(capabilities(), (Sets{kAllCapabilities, kAllCapabilities, 0}));
    EXPECT_EQ(users(), (Ids{100, 0, 0}));
  });
}

TEST(Identity, SetreuidMovesTheSavedUserAlong) {
  as_root([] {
    EXPECT_EQ(call(kSetReGid, 7, 8), 0);
    EXPECT_EQ(groups(), (Ids{7, 8, 8}));
    EXPECT_EQ(call(kSetReUid, kKeep, 100), 0);
    EXPECT_EQ(users(), (Ids{0, 100, 100}));
    EXPECT_EQ(call(kSetReUid, 100, 0), 0);  // swapped
    EXPECT_EQ(users(), (Ids{100, 0, 0}));
    EXPECT_EQ(call(kSetReUid, kKeep, 100), 0);
    EXPECT_EQ(users(), (Ids{100, 100, 0}));
    EXPECT_EQ(call(kSetReUid, 0, kKeep), failure(Errno::kPerm));  // the saved one does not count
  });
}

TEST(Identity, TheFileUserTakesFileCapabilitiesAlong) {
  as_root([] {
    EXPECT_EQ(call(kSetFsUid, 100), 0);
    EXPECT_EQ(call(kSetFsUid, kKeep), 100);
    EXPECT_EQ(capabilities().effective & bit(Capability::kDacOverride), 0u);
    EXPECT_NE(capabilities().effective & bit(Capability::kNetRaw), 0u);
    EXPECT_EQ(call(kSetFsUid, 0), 100);
    EXPECT_EQ(capabilities().effective, kAllCapabilities);
    EXPECT_EQ(call(kSetFsGid, 9), 0);
    EXPECT_EQ(call(kSetFsGid, kKeep), 9);
  });
}

TEST(Identity, SupplementaryGroups) {
  as_root([] {
    const UserAddr list = memory(64);
    EXPECT_EQ(call(kGetGroups, 0, 0), 0);
    const u32 wanted[] = {30, 10, 20};
    EXPECT_EQ(platform::copy_to_user(list, wanted, sizeof wanted), 0u);
    EXPECT_EQ(call(kSetGroups, 3, list.value), 0);
    EXPECT_EQ(call(kGetGroups, 0, 0), 3);
    EXPECT_EQ(call(kGetGroups, 2, list.value), failure(Errno::kInval));
    EXPECT_EQ(call(kGetGroups, kKeep, list.value), failure(Errno::kInval));
    EXPECT_EQ(call(kGetGroups, 3, kNowhere.value), failure(Errno::kFault));
    EXPECT_EQ(call(kGetGroups, 16, list.value), 3);
    EXPECT_EQ(look<u32>(list), 10u);
    EXPECT_EQ(look<u32>(list + 8), 30u);
    EXPECT_EQ(call(kSetGroups, 65537, list.value), failure(Errno::kInval));
    EXPECT_EQ(call(kSetGroups, 1, kNowhere.value), failure(Errno::kFault));
    EXPECT_EQ(call(kSetGroups, 0, 0), 0);
    EXPECT_EQ(call(kGetGroups, 0, 0), 0);
  });
}

TEST(Identity, KeptCapabilitiesAreOnlyPermitted) {
  as_root([] {
    EXPECT_EQ(call(kPrctl, kSetKeepCaps, 1), 0);
    EXPECT_EQ(call(kSetResUid, 100, 100, 100), 0);
    EXPECT_EQ(capabilities(), (Sets{0, kAllCapabilities, 0}));
    const u64 bind = bit(Capability::kNetBindService);
    EXPECT_EQ(set_capabilities({bind, bind, bind}), 0);
    EXPECT_EQ(capabilities(), (Sets{bind, bind, bind}));
    EXPECT_EQ(set_capabilities({kAllCapabilities, bind, bind}), failure(Errno::kPerm));
    EXPECT_EQ(set_capabilities({bind, kAllCapabilities, bind}), failure(Errno::kPerm));
    EXPECT_EQ(call(kPrctl, kCapAmbient, kAmbientRaise, u64(Capability::kNetBindService)), 0);
    EXPECT_EQ(call(kPrctl, kCapAmbient, kAmbientIsSet, u64(Capability::kNetBindService)), 1);
    EXPECT_EQ(call(kPrctl, kCapAmbient, kAmbientRaise, u64(Capability::kSysAdmin)),
              failure(Errno::kPerm));
    EXPECT_EQ(call(kPrctl, kCapAmbient, kAmbientClear), 0);
    EXPECT_EQ(call(kPrctl, kCapAmbient, kAmbientIsSet, u64(Capability::kNetBindService)), 0);
    EXPECT_EQ(call(kPrctl, kCapAmbient, kAmbientIsSet, 41), failure(Errno::kInval));
  });
}

TEST(Identity, BoundingSetAndSecureBits) {
  as_root([] {
    EXPECT_EQ(call(kPrctl, kCapBsetRead, u64(Capability::kSysTime)), 1);
    EXPECT_EQ(call(kPrctl, kCapBsetDrop, u64(Capability::kSysTime)), 0);
    EXPECT_EQ(call(kPrctl, kCapBsetRead, u64(Capability::kSysTime)), 0);
    EXPECT_EQ(call(kPrctl, kCapBsetRead, 41), failure(Errno::kInval));
    constexpr u64 kKeepLocked = 0x30;
    EXPECT_EQ(call(kPrctl, kSetSecureBits, 0x100), failure(Errno::kPerm));
    EXPECT_EQ(call(kPrctl, kSetSecureBits, kKeepLocked), 0);
    EXPECT_EQ(call(kPrctl, kSetSecureBits, 0), failure(Errno::kPerm));
    EXPECT_EQ(call(kPrctl, kSetKeepCaps, 0), failure(Errno::kPerm));
  });
}

TEST(Identity, CapgetTellsItsVersion) {
  const UserAddr header = put(abi::CapabilityHeader{0, 0});
  EXPECT_EQ(call(kCapGet, header.value, 0), 0);
  EXPECT_EQ(look<u32>(header), abi::kCapabilityVersion3);
  const UserAddr wrong = put(abi::CapabilityHeader{1, 0});
  EXPECT_EQ(call(kCapGet, wrong.value, memory(24).value), failure(Errno::kInval));
  const UserAddr nobody = put(abi::CapabilityHeader{abi::kCapabilityVersion3, 99999});
  EXPECT_EQ(call(kCapGet, nobody.value, memory(24).value), failure(Errno::kSrch));
  EXPECT_EQ(call(kCapSet, nobody.value, memory(24).value), failure(Errno::kPerm));
  EXPECT_EQ(call(kCapGet, kNowhere.value, memory(24).value), failure(Errno::kFault));
}

}  // namespace
}  // namespace narwhal
