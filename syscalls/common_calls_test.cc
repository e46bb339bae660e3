// What stock programs use must be there, and not only accepted.
#include <gtest/gtest.h>

#include <set>

#include "syscalls/table.h"

namespace narwhal {
namespace {

constexpr std::string_view kCommonCalls[] = {
#define COMMON_CALL(name) #name,
#include "syscalls/common_calls.def"
#undef COMMON_CALL
};

const SyscallInfo* find(std::string_view name) {
  for (const SyscallInfo& call : syscall_table()) {
    if (call.name == name) return &call;
  }
  return nullptr;
}

TEST(CommonCalls, EachHasARealHandler) {
  for (const std::string_view name : kCommonCalls) {
    const SyscallInfo* const call = find(name);
    ASSERT_NE(call, nullptr) << name << " is no name in the table";
    EXPECT_TRUE(call->support == Support::kFull || call->support == Support::kPartial) << name;
  }
}

TEST(CommonCalls, AreNamedOnce) {
  const std::set<std::string_view> names(std::begin(kCommonCalls), std::end(kCommonCalls));
  EXPECT_EQ(names.size(), std::size(kCommonCalls));
  EXPECT_GE(names.size(), 90u);
}

TEST(CommonCalls, TheLookUpTellsRealOnesFromOthers) {
  EXPECT_EQ(find("no_such_call"), nullptr);
  EXPECT_EQ(find("reboot")->support, Support::kStub);
  EXPECT_EQ(find("create_module")->support, Support::kNone);
}

}  // namespace
}  // namespace narwhal
