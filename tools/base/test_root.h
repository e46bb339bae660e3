// For tests: a folder that is filled with files and removed at the end.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace narwhal::tools {

class TestRoot {
 public:
  TestRoot() {
    std::string name = testing::TempDir() + "/narwhal-root-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = std::filesystem::canonical(name);
  }
  ~TestRoot() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestRoot(const TestRoot&) = delete;
  TestRoot& operator=(const TestRoot&) = delete;

  std::string path(std::string_view inside = "") const { return path_ + std::string(inside); }

  void file(const std::string& inside, std::string_view contents, mode_t mode = 0644) const {
    std::filesystem::create_directories(std::filesystem::path(path(inside)).parent_path());
    std::ofstream(path(inside), std::ios::binary) << contents;
    EXPECT_EQ(chmod(path(inside).c_str(), mode), 0);
  }
  void folder(const std::string& inside, mode_t mode = 0755) const {
    std::filesystem::create_directories(path(inside));
    EXPECT_EQ(chmod(path(inside).c_str(), mode), 0);
  }
  void link(const std::string& inside, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(path(inside)).parent_path());
    std::filesystem::create_symlink(target, path(inside));
  }

 private:
  std::string path_;
};

}  // namespace narwhal::tools
