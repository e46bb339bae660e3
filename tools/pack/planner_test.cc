#include "tools/pack/planner.h"

#include <gtest/gtest.h>

#include "tools/base/error.h"
#include "tools/base/test_root.h"
#include "tools/elf/elf_builder.h"

namespace narwhal::tools {
namespace {

constexpr char kLoader[] = "/lib64/ld-linux-x86-64.so.2";
constexpr char kLibraries[] = "/usr/lib/x86_64-linux-gnu/";

// A small machine with a server that came as a package with a common package of its own, as Debian
// does it.
class PlannerTest : public testing::Test {
 protected:
  PlannerTest() {
    root.file("/usr/lib64/ld-linux-x86-64.so.2", "loader", 0755);
    root.link("/lib64", "usr/lib64");
    root.link("/lib", "usr/lib");
    library("libc.so.6", ElfBuilder());
    library("libssl.so.3", ElfBuilder().needed("libc.so.6"));
    program("/usr/sbin/server", dynamic().needed("libssl.so.3").needed("libc.so.6"));
    root.file("/etc/server/server.conf",
              "log /var/log/server/log\nroot /srv/pages/main\ninclude /etc/server/on/*\n");
    root.file("/etc/server/mine.conf", "added by the user\n");
    root.link("/etc/server/on/module.conf", "/usr/share/server-mod/module.conf");
    root.file("/usr/share/server-mod/module.conf", "load\n");
    root.file("/usr/lib/server/module.so", ElfBuilder().needed("libmod.so.1").build());
    library("libmod.so.1", ElfBuilder());
    root.file("/srv/pages/main/index.html", "hello");
    root.file("/var/log/server/log", "private lines\n");
    root.file("/var/lib/server/state", "private state\n");
    root.file("/usr/share/server/data", "data");
    root.file("/usr/share/doc/server/copyright", "text");
    root.file("/usr/bin/server-admin", dynamic().build(), 0755);
    root.file("/etc/init.d/server", "#!/bin/sh\n", 0755);

    root.file("/var/lib/dpkg/status",
              package("server", "Depends: libc6, server-common, big-other\n") +
                  package("server-common", "Source: server\nArchitecture: all\n") +
                  package("server-mod", "Source: modules\n") +
                  package("big-other", "Architecture: all\n") + package("libc6", ""));
    list("server", {"/usr/sbin/server", "/usr/bin/server-admin", "/usr/share/doc/server/copyright",
                    "/etc/init.d/server"});
    list("server-common",
         {"/etc", "/etc/server", "/etc/server/server.conf", "/usr/share/server",
          "/usr/share/server/data", "/var/log/server", "/var/lib/server", "/var/lib/server/state"});
    list("server-mod", {"/usr/share/server-mod/module.conf", "/usr/lib/server/module.so"});
    list("big-other", {"/usr/bin/other", "/usr/share/other/data"});
    root.file("/usr/share/other/data", "x");
    request.program = "server";
    request.search_path = "/usr/bin:/usr/sbin";
    request.current_folder = "/";
    request.base.hostname = "guest";
  }

  static std::string package(const std::string& name, const std::string& more) {
    return "Package: " + name + "\nStatus: install ok installed\n" + more + "\n";
  }
  void list(const std::string& name, const std::vector<std::string>& files) {
    std::string text = "/.\n";
    for (const std::string& file : files) text += file + "\n";
    root.file("/var/lib/dpkg/info/" + name + ".list", text);
  }
  static ElfBuilder dynamic() {
    ElfBuilder elf;
    elf.interpreter = kLoader;
    return elf;
  }
  void program(const std::string& path, const ElfBuilder& elf) {
    root.file(path, elf.build(), 0755);
  }
  void library(const std::string& name, const ElfBuilder& elf) {
    root.file(kLibraries + name, elf.build());
  }
  PackPlan plan() {
    const HostView host(root.path());
    return make_plan(host, request);
  }
  std::string failure() {
    try {
      require_complete(plan());
      return "none";
    } catch (const Error& error) {
      return std::to_string(error.status()) + " " + error.what();
    }
  }

  TestRoot root;
  PackRequest request;
};

TEST_F(PlannerTest, BringsProgramLoaderAndLibraries) {
  const PackPlan result = plan();
  EXPECT_EQ(result.program.path, "/usr/sbin/server");
  EXPECT_EQ(result.interpreter, kLoader);
  for (const char* const path : {"/usr/sbin/server", "/usr/lib64/ld-linux-x86-64.so.2",
                                 "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                 "/usr/lib/x86_64-linux-gnu/libssl.so.3", "/lib64", "/lib"}) {
    EXPECT_NE(result.root.find(path), nullptr) << path;
  }
  EXPECT_TRUE(result.root.find("/lib64")->is_link());
  EXPECT_TRUE(result.missing.empty());
  EXPECT_EQ(failure(), "none");
}

TEST_F(PlannerTest, BringsThePackagesFiles) {
  const PackPlan result = plan();
  EXPECT_EQ(result.packages, (std::vector<std::string>{"server", "server-common", "server-mod"}));
  for (const char* const path :
       {"/etc/server/server.conf", "/etc/server/mine.conf", "/usr/share/server/data",
        "/var/log/server", "/var/lib/server", "/srv/pages/main/index.html",
        "/etc/server/on/module.conf", "/usr/share/server-mod/module.conf",
        "/usr/lib/server/module.so", "/usr/lib/x86_64-linux-gnu/libmod.so.1"}) {
    EXPECT_NE(result.root.find(path), nullptr) << path;
  }
  for (const char* const path :
       {"/var/log/server/log", "/var/lib/server/state", "/usr/bin/server-admin",
        "/usr/share/doc/server/copyright", "/etc/init.d/server", "/usr/share/other/data"}) {
    EXPECT_EQ(result.root.find(path), nullptr) << path;
  }
}

TEST_F(PlannerTest, EveryParentIsThere) {
  const PackPlan result = plan();
  for (const auto& [path, entry] : result.root.entries()) {
    if (path == "/" || parent_path(path) == "/") continue;
    const RootEntry* const parent = result.root.find(std::string(parent_path(path)));
    ASSERT_NE(parent, nullptr) << path;
    EXPECT_TRUE(parent->is_directory()) << path;
  }
}

TEST_F(PlannerTest, WritesTheSettings) {
  request.arguments = {"-g", "daemon off;"};
  request.environment = {{"A", "1"}};
  request.working_folder = "/new/place";
  request.uid = 33;
  request.gid = 34;
  const PackPlan result = plan();
  EXPECT_EQ(result.settings.all(),
            (std::vector<std::pair<std::string, std::string>>{{"program", "/usr/sbin/server"},
                                                              {"arg", "server"},
                                                              {"arg", "-g"},
                                                              {"arg", "daemon off;"},
                                                              {"env", "A=1"},
                                                              {"cwd", "/new/place"},
                                                              {"user", "33:34"},
                                                              {"hostname", "guest"}}));
  const RootEntry* const folder = result.root.find("/new/place");
  ASSERT_NE(folder, nullptr);
  EXPECT_EQ(folder->uid, 33u);
}

TEST_F(PlannerTest, SaysWhichLibraryIsMissing) {
  program("/usr/sbin/server", dynamic().needed("libgone.so.4").needed("libc.so.6"));
  EXPECT_EQ(failure(),
            "126 /usr/sbin/server needs the library libgone.so.4, which is not on this machine; "
            "install it, or name its folder with -e LD_LIBRARY_PATH=FOLDER");
  program("/usr/sbin/server", dynamic().needed("liba.so.1").needed("libb.so.1"));
  EXPECT_NE(failure().find("(and 1 more; narwhal inspect lists them)"), std::string::npos);
  // Where the environment says so, it is found.
  library("../other/libgone.so.4", ElfBuilder());
  program("/usr/sbin/server", dynamic().needed("libgone.so.4"));
  request.environment = {{"LD_LIBRARY_PATH", "/usr/lib/other"}};
  EXPECT_EQ(failure(), "none");
}

TEST_F(PlannerTest, AMissingLibraryOfAModuleIsOnlyNoted) {
  std::filesystem::remove(root.path(kLibraries + std::string("libmod.so.1")));
  const PackPlan result = plan();
  EXPECT_TRUE(result.missing.empty());
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_EQ(result.notes[0],
            "/usr/lib/server/module.so needs libmod.so.1, which was not found: it cannot be "
            "loaded");
}

TEST_F(PlannerTest, TakesIncludesAndVolumes) {
  const TestRoot outside;
  outside.file("/site/index.html", "mine");
  outside.file("/single", "one file");
  root.file("/opt/more/file", "x");
  request.includes = {{"/opt/more", ""}};
  request.volumes = {{outside.path("/site"), "/srv/pages/main"}, {outside.path("/single"), "/x/y"}};
  request.shares_folders = false;
  const PackPlan result = plan();
  EXPECT_TRUE(result.shares.empty());
  EXPECT_NE(result.root.find("/opt/more/file"), nullptr);
  ASSERT_NE(result.root.find("/srv/pages/main/index.html"), nullptr);
  EXPECT_EQ(result.root.find("/srv/pages/main/index.html")->source,
            outside.path("/site/index.html"));
  ASSERT_NE(result.root.find("/x/y"), nullptr);
  EXPECT_TRUE(result.root.find("/x")->is_directory());
}

TEST_F(PlannerTest, BringsWholePackagesWithAllThatTheyDependOn) {
  root.file("/usr/include/other.h", "x");
  root.file("/usr/lib/x86_64-linux-gnu/libother.a", "x");
  root.file("/usr/share/doc/tool/copyright", "text");
  program("/usr/bin/tool-1", dynamic());
  root.link("/etc/alternatives/tool", "/usr/bin/tool-1");
  root.link("/usr/bin/tool", "/etc/alternatives/tool");
  root.file("/var/lib/dpkg/alternatives/tool", "auto\n/usr/bin/tool\n\n/usr/bin/tool-1\n");
  root.file("/var/lib/dpkg/status",
            package("server", "") +
                package("tool", "Depends: tool-dev (>= 1), absent | tool-dev\n") +
                package("tool-dev", "Depends: tool\n") + package("shell", "Essential: yes\n"));
  program("/usr/bin/shell", dynamic());
  list("shell", {"/usr/bin/shell"});
  list("tool", {"/usr/bin/tool-1", "/usr/share/doc/tool/copyright"});
  list("tool-dev", {"/usr/include/other.h", "/usr/lib/x86_64-linux-gnu/libother.a"});
  request.wanted_packages = {"tool"};
  const PackPlan result = plan();
  for (const char* const path : {"/usr/bin/tool-1", "/usr/bin/tool", "/usr/bin/shell",
                                 "/usr/include/other.h", "/usr/lib/x86_64-linux-gnu/libother.a"}) {
    EXPECT_NE(result.root.find(path), nullptr) << path;
  }
  EXPECT_EQ(result.root.find("/usr/share/doc/tool/copyright"), nullptr);
  request.wanted_packages = {"toool"};
  EXPECT_EQ(failure(),
            "125 --package toool: this machine has no such package installed; apt-get install "
            "toool, or check the name with dpkg -l");
}

TEST_F(PlannerTest, BringsExtensionsOnlyOfTheProgramsThatAPackageHas) {
  root.file("/usr/share/gdb/own.py", "x");
  root.file("/usr/share/gdb/other.py", "x");
  root.file("/var/lib/dpkg/status",
            package("server", "") + package("gdb", "Depends: other\n") + package("other", ""));
  list("gdb", {"/usr/share/gdb/own.py"});
  list("other", {"/usr/share/gdb/other.py"});
  request.wanted_packages = {"gdb"};
  const PackPlan result = plan();
  EXPECT_NE(result.root.find("/usr/share/gdb/own.py"), nullptr);
  EXPECT_EQ(result.root.find("/usr/share/gdb/other.py"), nullptr);
}

TEST_F(PlannerTest, SharesFoldersAndCopiesFiles) {
  TestRoot outside;
  outside.file("/site/index.html", "page");
  outside.file("/single", "one file");
  request.volumes = {{outside.path("/single"), "/x/y"}, {outside.path("/site"), "/srv/pages"}};
  const PackPlan result = plan();
  ASSERT_EQ(result.shares.size(), 1u);
  EXPECT_EQ(result.shares[0].mapping.host, outside.path("/site"));
  EXPECT_EQ(result.shares[0].mapping.guest, "/srv/pages");
  EXPECT_EQ(result.shares[0].volume, 1u);
  ASSERT_NE(result.root.find("/srv/pages"), nullptr);
  EXPECT_TRUE(result.root.find("/srv/pages")->is_directory());
  EXPECT_EQ(result.root.find("/srv/pages/index.html"), nullptr);
  EXPECT_NE(result.root.find("/x/y"), nullptr);
}

TEST_F(PlannerTest, SaysWhatAnOptionNamesInVain) {
  request.includes = {{"/opt/none", ""}};
  EXPECT_EQ(failure(), "125 --include /opt/none: no such file");
  request.includes.clear();
  request.volumes = {{"/nonexistent/x", "/x"}};
  EXPECT_EQ(failure(), "125 -v /nonexistent/x: No such file or directory");
  request.volumes.clear();
  request.working_folder = "/etc/server/server.conf";
  EXPECT_EQ(failure(), "125 -w /etc/server/server.conf: not a folder in the guest");
}

TEST_F(PlannerTest, StaticProgramsNeedNoLoader) {
  ElfBuilder fixed;
  fixed.type = ET_EXEC;
  program("/usr/bin/fixed", fixed);
  request.program = "fixed";
  const PackPlan result = plan();
  EXPECT_EQ(result.interpreter, "");
  EXPECT_TRUE(result.libraries.empty());
  EXPECT_EQ(result.root.find("/etc/ld.so.cache"), nullptr);
  EXPECT_EQ(result.root.find("/usr/lib/x86_64-linux-gnu/libc.so.6"), nullptr);
}

TEST_F(PlannerTest, PlansRepeat) {
  const PackPlan first = plan();
  const PackPlan second = plan();
  ASSERT_EQ(first.root.entries().size(), second.root.entries().size());
  auto other = second.root.entries().begin();
  for (const auto& [path, entry] : first.root.entries()) {
    EXPECT_EQ(path, other->first);
    EXPECT_EQ(entry.content, other->second.content);
    ++other;
  }
}

}  // namespace
}  // namespace narwhal::tools
