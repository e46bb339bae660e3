// sysfs(2): the kinds of file systems by number, of Linux's older days.
#include "fs/core/file_system.h"
#include "syscalls/handlers.h"
#include "syscalls/path_argument.h"

namespace narwhal {
namespace {

enum Option : i32 { kIndexOf = 1, kNameOf = 2, kCount = 3 };

// Numbers are positions in /proc/filesystems.
struct Search {
  std::string_view name;
  u64 index = 0;
  u64 count = 0;
  bool found = false;
};

}  // namespace

SysResult sys::sysfs(Task&, i32 option, u64 first, UserAddr second) {
  Search search;
  switch (option) {
    case kIndexOf: {
      char buffer[kPageSize / 16];
      auto length = platform::copy_string_from_user(buffer, UserAddr(first), sizeof buffer);
      // A longer name is none of ours.
      if (length.failed(Errno::kNameTooLong)) return Errno::kInval;
      search.name = {buffer, TRY(std::move(length))};
      for_each_file_system_type(
          [](const FileSystemType& type, void* argument) {
            auto& s = *static_cast<Search*>(argument);
            if (type.name == s.name) {
              s.index = s.count;
              s.found = true;
            }
            ++s.count;
          },
          &search);
      return search.found ? SysResult(i64(search.index)) : Errno::kInval;
    }
    case kNameOf: {
      search.index = first;
      for_each_file_system_type(
          [](const FileSystemType& type, void* argument) {
            auto& s = *static_cast<Search*>(argument);
            if (s.count++ != s.index) return;
            s.name = type.name;
            s.found = true;
          },
          &search);
      if (!search.found) return Errno::kInval;
      const usize size = search.name.size();
      if (platform::copy_to_user(second, search.name.data(), size) != 0) return Errno::kFault;
      TRY(store_user(second + size, '\0'));
      return i64{0};
    }
    case kCount:
      for_each_file_system_type(
          [](const FileSystemType&, void* argument) { ++static_cast<Search*>(argument)->count; },
          &search);
      return i64(search.count);
    default:
      return Errno::kInval;
  }
}

}  // namespace narwhal
