// A 9P2000.L server for one folder: the other end of `-v` in the process home.
//
// Whoever asks is not trusted (docs/threat-model.md): it may be a program that has taken over its
// kernel. Every file is held by a descriptor that was reached from the folder's own, one name at a
// time, without following a symbolic link and without "..", so there is no path that leads out.
// Devices are neither made nor opened.
#pragma once

#include <sys/stat.h>

#include <map>
#include <string>
#include <string_view>

#include "tools/base/unique_fd.h"
#include "tools/p9/message.h"

namespace narwhal::tools::p9 {

class Server {
 public:
  // `folder`: a descriptor of the folder, O_PATH or more. Acts as who runs it; new files get the
  // rights that are asked for if the umask is 0.
  Server(UniqueFd folder, bool read_only);

  // Answers on a connected stream socket until the other end is closed, or says what makes no
  // sense: false then.
  bool serve(int socket);
  // One message to its answer, both whole.
  void answer(std::string_view question, std::string& answer);

 private:
  struct File {
    UniqueFd fd;    // O_PATH, or what lcreate has opened
    UniqueFd open;  // once opened
    bool is_xattr = false;
    std::string xattr;  // its value, read or being written
    std::string name;   // of the attribute that the value is for, when it is given up
    int xattr_flags = 0;
    size_t xattr_size = 0;
  };
  using Fid = uint32_t;
  static constexpr size_t kMostFiles = 1 << 16;

  // These return 0 or an error number; they write the answer's fields behind its head.
  int version(Reader& in, Writer& out);
  int attach(Reader& in, Writer& out);
  int walk(Reader& in, Writer& out);
  int clunk(Reader& in);
  int open(Reader& in, Writer& out);
  int create(Reader& in, Writer& out);
  int read(Reader& in, Writer& out);
  int write(Reader& in, Writer& out);
  int read_directory(Reader& in, Writer& out);
  int get_attributes(Reader& in, Writer& out);
  int set_attributes(Reader& in);
  int statistics(Reader& in, Writer& out);
  int sync(Reader& in);
  int make_directory(Reader& in, Writer& out);
  int make_node(Reader& in, Writer& out);
  int make_symlink(Reader& in, Writer& out);
  int make_link(Reader& in);
  int read_link(Reader& in, Writer& out);
  int rename(Reader& in);
  int unlink(Reader& in);
  int walk_xattr(Reader& in, Writer& out);
  int create_xattr(Reader& in);
  int act(MessageType type, Reader& in, Writer& out);

  // Null: no such number.
  File* find(Fid fid);
  File* take_file(Reader& in) {
    const Fid fid = in.take<uint32_t>();
    return in.complete() ? find(fid) : nullptr;
  }
  // The new file `name` of a directory, as an answer's qid; it gets the group if that is allowed.
  int put_new(const File& directory, const char* name, uint32_t gid, Writer& out);
  Qid qid_of(const struct stat& status);
  uint64_t path_of(dev_t device, ino_t inode);

  const UniqueFd folder_;
  const bool read_only_;
  dev_t device_ = 0;  // the folder's own
  std::map<dev_t, uint64_t> other_devices_;
  uint32_t max_message_;
  std::map<Fid, File> files_;
};

}  // namespace narwhal::tools::p9
