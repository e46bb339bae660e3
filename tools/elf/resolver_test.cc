#include "tools/elf/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/base/test_root.h"
#include "tools/elf/elf_builder.h"

namespace narwhal::tools {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kLoader[] = "/lib64/ld-linux-x86-64.so.2";

// A small machine: glibc's loader and C library, and whatever a test adds.
class ResolverTest : public testing::Test {
 protected:
  ResolverTest() {
    library(kLoader, ElfBuilder().soname("ld-linux-x86-64.so.2"));
    library("/lib/x86_64-linux-gnu/libc.so.6",
            ElfBuilder().soname("libc.so.6").needed("ld-linux-x86-64.so.2"));
  }

  void library(const std::string& path, const ElfBuilder& elf) { root_.file(path, elf.build()); }

  // The program /app/bin/program.
  void program(ElfBuilder elf) {
    if (elf.interpreter.empty()) elf.interpreter = kLoader;
    root_.file("/app/bin/program", elf.build(), 0755);
  }

  // Adds the library `name` to a folder.
  void plain_library(const std::string& folder, const std::string& name) {
    library(folder + "/" + name, ElfBuilder().soname(name));
  }

  std::vector<std::string> resolve(Resolver::Settings settings = {}) {
    view_ = std::make_unique<HostView>(root_.path());
    resolver_ = std::make_unique<Resolver>(*view_, settings);
    resolver_->add_program("/app/bin/program");
    return paths();
  }

  std::vector<std::string> paths() const {
    std::vector<std::string> paths;
    for (const LoadedLibrary& library : resolver_->libraries()) paths.push_back(library.path);
    return paths;
  }

  std::vector<std::string> missing() const {
    std::vector<std::string> names;
    for (const MissingLibrary& library : resolver_->missing()) names.push_back(library.name);
    return names;
  }

  TestRoot root_;
  std::unique_ptr<HostView> view_;
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(ResolverTest, AStaticProgramNeedsNothing) {
  ElfBuilder elf;
  elf.type = ET_EXEC;
  root_.file("/app/bin/program", elf.build(), 0755);
  EXPECT_THAT(resolve(), IsEmpty());
  EXPECT_EQ(resolver_->interpreter(), "");
}

TEST_F(ResolverTest, DefaultFolders) {
  program(ElfBuilder().needed("libc.so.6"));
  EXPECT_THAT(resolve(), ElementsAre("/lib/x86_64-linux-gnu/libc.so.6"));
  EXPECT_EQ(resolver_->interpreter(), kLoader);
}

TEST_F(ResolverTest, BreadthFirstAndEachOnce) {
  library("/usr/lib/liba.so", ElfBuilder().soname("liba.so").needed("libc.so").needed("libb.so"));
  library("/usr/lib/libb.so", ElfBuilder().soname("libb.so").needed("liba.so"));
  plain_library("/usr/lib", "libc.so");
  program(ElfBuilder().needed("liba.so").needed("libb.so"));
  EXPECT_THAT(resolve(), ElementsAre("/usr/lib/liba.so", "/usr/lib/libb.so", "/usr/lib/libc.so"));
}

TEST_F(ResolverTest, MissingIsSaidOnceWithItsUser) {
  library("/usr/lib/liba.so", ElfBuilder().needed("libgone.so.1"));
  program(ElfBuilder().needed("liba.so").needed("libgone.so.1"));
  resolve();
  ASSERT_EQ(resolver_->missing().size(), 1u);
  EXPECT_EQ(resolver_->missing()[0].name, "libgone.so.1");
  EXPECT_EQ(resolver_->missing()[0].asked_by, "/app/bin/program");
}

TEST_F(ResolverTest, RunpathWithOrigin) {
  plain_library("/app/lib", "libx.so");
  plain_library("/usr/lib", "libx.so");
  for (const char* const spelling : {"$ORIGIN/../lib", "${ORIGIN}/../lib"}) {
    program(ElfBuilder().needed("libx.so").runpath(spelling));
    EXPECT_THAT(resolve(), ElementsAre("/app/bin/../lib/libx.so")) << spelling;
  }
}

TEST_F(ResolverTest, OriginIsThePlaceAfterAllLinks) {
  plain_library("/app/lib", "libx.so");
  program(ElfBuilder().needed("libx.so").runpath("$ORIGIN/../lib"));
  root_.link("/usr/bin/program", "../../app/bin/program");
  HostView view(root_.path());
  Resolver resolver(view, {});
  resolver.add_program("/usr/bin/program");
  ASSERT_EQ(resolver.libraries().size(), 1u);
  EXPECT_EQ(resolver.libraries()[0].path, "/app/bin/../lib/libx.so");
}

TEST_F(ResolverTest, LibAndPlatform) {
  plain_library("/opt/lib/x86_64-linux-gnu", "libx.so");
  plain_library("/opt/x86_64", "liby.so");
  program(ElfBuilder().needed("libx.so").needed("liby.so").runpath("/opt/$LIB:/opt/${PLATFORM}"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/lib/x86_64-linux-gnu/libx.so", "/opt/x86_64/liby.so"));
}

TEST_F(ResolverTest, RpathIsInheritedRunpathIsNot) {
  plain_library("/opt/r", "libdeep.so");
  library("/opt/r/libmid.so", ElfBuilder().soname("libmid.so").needed("libdeep.so"));
  program(ElfBuilder().needed("libmid.so").rpath("/opt/r"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/r/libmid.so", "/opt/r/libdeep.so"));
  program(ElfBuilder().needed("libmid.so").runpath("/opt/r"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/r/libmid.so"));
  EXPECT_THAT(missing(), ElementsAre("libdeep.so"));
}

TEST_F(ResolverTest, RunpathOfTheLibraryHidesTheProgramsRpath) {
  plain_library("/opt/r", "libdeep.so");
  library("/opt/r/libmid.so",
          ElfBuilder().soname("libmid.so").needed("libdeep.so").runpath("/opt/empty"));
  program(ElfBuilder().needed("libmid.so").rpath("/opt/r"));
  resolve();
  EXPECT_THAT(missing(), ElementsAre("libdeep.so"));
}

TEST_F(ResolverTest, RunpathMakesRpathOfTheSameFileVoid) {
  plain_library("/opt/r", "libx.so");
  program(ElfBuilder().needed("libx.so").rpath("/opt/r").runpath("/opt/empty"));
  resolve();
  EXPECT_THAT(missing(), ElementsAre("libx.so"));
}

TEST_F(ResolverTest, LibraryPathStandsBetweenRpathAndRunpath) {
  for (const char* const folder : {"/opt/rpath", "/opt/env", "/opt/run"}) {
    plain_library(folder, "libx.so");
  }
  program(ElfBuilder().needed("libx.so").rpath("/opt/rpath"));
  EXPECT_THAT(resolve({"/opt/env", ""}), ElementsAre("/opt/rpath/libx.so"));
  program(ElfBuilder().needed("libx.so").runpath("/opt/run"));
  EXPECT_THAT(resolve({"/opt/nothing:/opt/env", ""}), ElementsAre("/opt/env/libx.so"));
}

TEST_F(ResolverTest, PreloadedLibrariesCount) {
  plain_library("/opt", "libpre.so");
  library("/opt/libpre.so", ElfBuilder().soname("libpre.so").needed("libdep.so"));
  plain_library("/usr/lib", "libdep.so");
  program(ElfBuilder());
  EXPECT_THAT(resolve({"", "/opt/libpre.so"}), ElementsAre("/opt/libpre.so", "/usr/lib/libdep.so"));
}

TEST_F(ResolverTest, TheCacheStandsBeforeTheDefaultFolders) {
  plain_library("/opt/cached", "libx.so");
  plain_library("/usr/lib", "libx.so");
  LibraryCache cache;
  cache.add({"libx.so", "/opt/cached/libx.so"});
  cache.add({"libstale.so", "/opt/cached/libstale.so"});
  root_.file("/etc/ld.so.cache", cache.serialize());
  plain_library("/usr/lib", "libstale.so");
  program(ElfBuilder().needed("libx.so").needed("libstale.so"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/cached/libx.so", "/usr/lib/libstale.so"));
}

TEST_F(ResolverTest, NodeflibLeavesDefaultFoldersOut) {
  plain_library("/usr/lib", "libx.so");
  plain_library("/opt/cached", "liby.so");
  LibraryCache cache;
  cache.add({"libx.so", "/usr/lib/libx.so"});
  cache.add({"liby.so", "/opt/cached/liby.so"});
  root_.file("/etc/ld.so.cache", cache.serialize());
  ElfBuilder elf;
  elf.flags_1 = DF_1_NODEFLIB;
  program(elf.needed("libx.so").needed("liby.so"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/cached/liby.so"));
  EXPECT_THAT(missing(), ElementsAre("libx.so"));
}

TEST_F(ResolverTest, FilesOfAnotherClassOrMachineArePassedOver) {
  ElfBuilder foreign;
  foreign.machine = EM_AARCH64;
  library("/opt/a/libx.so", foreign);
  ElfBuilder narrow;
  narrow.elf_class = ELFCLASS32;
  library("/opt/b/libx.so", narrow);
  root_.file("/opt/c/libx.so",
             "GROUP ( libx.so.1 )");  // a linker script, as in development packages
  root_.folder("/opt/d/libx.so");
  plain_library("/opt/e", "libx.so");
  program(ElfBuilder().needed("libx.so").runpath("/opt/a:/opt/b:/opt/c:/opt/d:/opt/e"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/e/libx.so"));
}

TEST_F(ResolverTest, VersionsForHardwareLevelsAreReportedToo) {
  plain_library("/usr/lib", "libx.so");
  plain_library("/usr/lib/glibc-hwcaps/x86-64-v3", "libx.so");
  program(ElfBuilder().needed("libx.so"));
  EXPECT_THAT(resolve(), ElementsAre("/usr/lib/libx.so"));
  EXPECT_THAT(resolver_->libraries()[0].variants,
              ElementsAre("/usr/lib/glibc-hwcaps/x86-64-v3/libx.so"));
}

TEST_F(ResolverTest, ANameWithASlashIsAPath) {
  plain_library("/opt/odd", "libx.so");
  program(ElfBuilder().needed("$ORIGIN/../../opt/odd/libx.so"));
  EXPECT_THAT(resolve(), ElementsAre("/app/bin/../../opt/odd/libx.so"));
}

TEST_F(ResolverTest, AuxiliaryLibrariesMayBeMissing) {
  plain_library("/usr/lib", "libaux.so");
  program(ElfBuilder().add(DT_AUXILIARY, "libaux.so").add(DT_AUXILIARY, "libnone.so"));
  EXPECT_THAT(resolve(), ElementsAre("/usr/lib/libaux.so"));
  EXPECT_THAT(missing(), IsEmpty());
}

TEST_F(ResolverTest, ModulesSeeWhatTheProgramLoadedAndNotEachOther) {
  plain_library("/usr/lib", "libshared.so");
  for (const char* const name : {"one", "two"}) {
    const std::string folder = std::string("/opt/") + name;
    plain_library(folder, "libprivate.so");
    library(folder + "/module.so",
            ElfBuilder().needed("libshared.so").needed("libprivate.so").runpath("$ORIGIN"));
  }
  program(ElfBuilder().needed("libshared.so"));
  resolve();
  resolver_->add_module("/opt/one/module.so");
  resolver_->add_module("/opt/two/module.so");
  EXPECT_THAT(paths(), ElementsAre("/usr/lib/libshared.so", "/opt/one/libprivate.so",
                                   "/opt/two/libprivate.so"));
}

TEST_F(ResolverTest, NamedLibraries) {
  plain_library("/lib/x86_64-linux-gnu", "libgcc_s.so.1");
  program(ElfBuilder());
  resolve();
  EXPECT_TRUE(resolver_->add_named("libgcc_s.so.1"));
  EXPECT_FALSE(resolver_->add_named("libabsent.so.1"));
  EXPECT_THAT(paths(), ElementsAre("/lib/x86_64-linux-gnu/libgcc_s.so.1"));
  EXPECT_THAT(missing(), IsEmpty());
}

TEST_F(ResolverTest, Musl) {
  library("/lib/x86_64-linux-musl/libc.so", ElfBuilder().soname("libc.so"));
  root_.link("/lib/ld-musl-x86_64.so.1", "/lib/x86_64-linux-musl/libc.so");
  root_.file("/etc/ld-musl-x86_64.path", "/opt/musl\n/opt/more\n");
  plain_library("/opt/more", "libz.so.1");
  plain_library("/lib", "libnotfound.so");
  ElfBuilder elf;
  elf.interpreter = "/lib/ld-musl-x86_64.so.1";
  program(
      elf.needed("libz.so.1").needed("libc.so").needed("libpthread.so.0").needed("libnotfound.so"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/more/libz.so.1"));
  EXPECT_THAT(missing(), ElementsAre("libnotfound.so"));
  EXPECT_TRUE(resolver_->is_musl());
}

TEST_F(ResolverTest, MuslInheritsRunpathAlongTheChain) {
  library("/lib/ld-musl-x86_64.so.1", ElfBuilder().soname("libc.so"));
  plain_library("/opt/r", "libdeep.so");
  library("/opt/r/libmid.so", ElfBuilder().soname("libmid.so").needed("libdeep.so"));
  ElfBuilder elf;
  elf.interpreter = "/lib/ld-musl-x86_64.so.1";
  program(elf.needed("libmid.so").runpath("/opt/r"));
  EXPECT_THAT(resolve(), ElementsAre("/opt/r/libmid.so", "/opt/r/libdeep.so"));
}

}  // namespace
}  // namespace narwhal::tools
