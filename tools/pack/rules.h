// The tables that decide which of the machine's files a program gets besides its libraries. Nothing
// here names a program: there are rules for places, for packages, and for libraries. README.md
// explains them.
#pragma once

#include <span>
#include <string_view>

namespace narwhal::tools {

// What to do with what a package lists below a place. The longest prefix that fits decides.
enum class PlacePolicy {
  kSkip,       // never
  kFolders,    // the folders, empty: places to write to, whose contents belong to the machine's own
               // services
  kListed,     // what the package lists
  kWholeTree,  // and, when the folder belongs to this software alone, everything else in it: the
               // user's configuration
};

struct PlaceRule {
  std::string_view prefix;
  PlacePolicy policy;
};
std::span<const PlaceRule> place_rules();
PlacePolicy policy_for(std::string_view path);

// What a library reads at run time without any program saying so. A library's name is matched up to
// the end of `library` ("libssl.so" means any version).
struct LibraryRule {
  std::string_view library;
  enum class What {
    kPath,          // this file or link, when the machine has it
    kTree,          // this folder and all in it
    kLibrary,       // this library, by name, as dlopen would find it
    kOwnPackage,    // what the library's own package brings, as if it were the program's
    kCertificates,  // the authorities that this machine trusts
    kTerminal,      // the description of the user's terminal (terminfo(5))
  } what;
  std::string_view path;
};
std::span<const LibraryRule> library_rules();

// Every program expects these to be there. Files of the machine that it lacks are passed over.
struct BaseFolder {
  std::string_view path;
  unsigned mode;
};
struct BaseLink {
  std::string_view path;
  std::string_view target;
};
std::span<const BaseFolder> base_folders();
std::span<const BaseLink> base_links();
std::span<const std::string_view> base_files();

// A configuration file that names a place in one of these means "a folder to write to", not its
// contents.
bool is_place_for_state(std::string_view path);

}  // namespace narwhal::tools
