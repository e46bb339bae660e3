#include "tools/pack/config_paths.h"

#include <gtest/gtest.h>

namespace narwhal::tools {
namespace {

using Paths = std::vector<std::string>;

TEST(ConfigPaths, FindsPathsInManySyntaxes) {
  EXPECT_EQ(paths_in_configuration("access_log /var/log/x/access.log;\n"
                                   "  root\t'/srv/www/html';\n"
                                   "datadir=/var/lib/y\n"
                                   "path: \"/opt/z/plugins\", other\n"
                                   "include /etc/x/conf.d/*.conf;\n"
                                   "unix:/run/x/sock\n"),
            (Paths{"/var/log/x/access.log", "/srv/www/html", "/var/lib/y", "/opt/z/plugins",
                   "/etc/x/conf.d", "/run/x/sock"}));
}

TEST(ConfigPaths, LeavesOutCommentsUrlsAndSingleNames) {
  EXPECT_EQ(paths_in_configuration("# /etc/comment/a\n"
                                   "   ; /etc/comment/b\n"
                                   "url http://host/path/to\n"
                                   "location /images { }\n"
                                   "location / { }\n"
                                   "relative a/b/c\n"),
            Paths{});
}

TEST(ConfigPaths, CleansAndNamesEachOnce) {
  EXPECT_EQ(paths_in_configuration("a /x//y/./z\nb /x/y/z\n"), Paths{"/x/y/z"});
  EXPECT_EQ(paths_in_configuration(std::string_view("a /x/y\0", 7)), Paths{});
  EXPECT_EQ(paths_in_configuration(""), Paths{});
  EXPECT_EQ(paths_in_configuration("end /x/y"), Paths{"/x/y"});
}

}  // namespace
}  // namespace narwhal::tools
