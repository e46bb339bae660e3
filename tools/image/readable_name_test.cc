#include "tools/image/readable_name.h"

#include "gtest/gtest.h"

namespace narwhal {
namespace {

TEST(ReadableNameTest, DropsParametersAndTheCommonNamespaces) {
  EXPECT_EQ(readable_name("_ZN7narwhal4Pmap3mapEmm"), "Pmap::map");
  EXPECT_EQ(readable_name("_ZN7narwhal12_GLOBAL__N_113use_librariesEv"), "use_libraries");
}

TEST(ReadableNameTest, LeavesOtherNamesAlone) {
  EXPECT_EQ(readable_name("memcpy"), "memcpy");
  EXPECT_EQ(readable_name("pvh_entry"), "pvh_entry");
}

TEST(ReadableNameTest, KeepsOperators) {
  EXPECT_EQ(readable_name("_ZN7narwhal1AltERKS0_"), "A::operator<");
  EXPECT_EQ(readable_name("_ZN7narwhal1AclEi"), "A::operator()");
  EXPECT_EQ(readable_name("_ZN7narwhal1AptEv"), "A::operator->");
}

TEST(ReadableNameTest, KeepsTemplateArguments) {
  EXPECT_EQ(readable_name("_ZN7narwhal3RefINS_5InodeEE5resetEv"), "Ref<Inode>::reset");
}

TEST(ReadableNameTest, ShortensWhatIsLongerThanALine) {
  std::string mangled = "_Z200";
  mangled.append(200, 'f');
  mangled += "v";
  const std::string name = readable_name(mangled.c_str());
  EXPECT_EQ(name.size(), 96u);
  EXPECT_TRUE(name.ends_with("..."));
}

}  // namespace
}  // namespace narwhal
