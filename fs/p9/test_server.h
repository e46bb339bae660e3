// For host tests: a 9P2000.L server in the test's own process, which shares a folder of the host as
// QEMU does: a number stands for a path.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fs/p9/message.h"
#include "kernel/drivers/p9_channel.h"

namespace narwhal::p9 {

class TestServer final : public P9Channel {
 public:
  explicit TestServer(std::string folder) : folder_(std::move(folder)) {}

  std::string_view tag() const override { return "test"; }
  Result<usize> exchange(std::span<const std::byte> message, std::span<std::byte> answer) override;

  // What the server is told to do wrong with its next answer.
  enum class Fault { kNone, kCutShort, kWrongTag, kWrongType, kNoError, kHugeCount };
  Fault fault = Fault::kNone;
  usize messages = 0;
  usize numbers_in_use() const { return files_.size(); }

 private:
  struct File {
    std::string path;
    int fd = -1;
    std::vector<char> attribute;  // being read, or written
    std::string attribute_name;
    bool writes_attribute = false;
  };
  struct Failure {
    int error;
  };

  void answer_to(MessageType type, Reader& in, Writer& out);
  void walk(Reader& in, Writer& out);
  void attributes(Reader& in, Writer& out);
  void change_attributes(Reader& in);
  void read(Reader& in, Writer& out);
  void write(Reader& in, Writer& out);
  void read_directory(Reader& in, Writer& out);
  void attribute_calls(MessageType type, Reader& in, Writer& out);
  void clunk(u32 number);
  void put_qid(Writer& out, const std::string& path);
  std::string child(Reader& in);
  File& file(u32 number);
  static long check(long result);

  const std::string folder_;
  std::map<u32, File> files_;
};

}  // namespace narwhal::p9
