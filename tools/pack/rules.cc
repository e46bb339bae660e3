#include "tools/pack/rules.h"

#include "tools/base/host_view.h"

namespace narwhal::tools {

namespace {

constexpr PlaceRule kPlaces[] = {
    // Configuration: with what the user added next to it.
    {"/etc", PlacePolicy::kWholeTree},
    // How the machine's own services start, not how the program works.
    {"/etc/apparmor.d", PlacePolicy::kSkip},
    {"/etc/apt", PlacePolicy::kSkip},
    {"/etc/bash_completion.d", PlacePolicy::kSkip},
    {"/etc/cron.d", PlacePolicy::kSkip},
    {"/etc/cron.daily", PlacePolicy::kSkip},
    {"/etc/cron.weekly", PlacePolicy::kSkip},
    {"/etc/default", PlacePolicy::kSkip},
    {"/etc/init.d", PlacePolicy::kSkip},
    {"/etc/logrotate.d", PlacePolicy::kSkip},
    {"/etc/network", PlacePolicy::kSkip},
    {"/etc/pam.d", PlacePolicy::kSkip},
    {"/etc/systemd", PlacePolicy::kSkip},
    {"/etc/ufw", PlacePolicy::kSkip},

    {"/usr", PlacePolicy::kListed},
    {"/lib", PlacePolicy::kListed},
    {"/lib64", PlacePolicy::kListed},
    {"/opt", PlacePolicy::kListed},

    // Other programs: ask for them with --include or --package.
    {"/bin", PlacePolicy::kSkip},
    {"/sbin", PlacePolicy::kSkip},
    {"/usr/bin", PlacePolicy::kSkip},
    {"/usr/sbin", PlacePolicy::kSkip},
    {"/usr/games", PlacePolicy::kSkip},

    // For people and for developers.
    {"/usr/include", PlacePolicy::kSkip},
    {"/usr/src", PlacePolicy::kSkip},
    {"/usr/share/applications", PlacePolicy::kSkip},
    {"/usr/share/apport", PlacePolicy::kSkip},
    {"/usr/share/bash-completion", PlacePolicy::kSkip},
    {"/usr/share/bug", PlacePolicy::kSkip},
    {"/usr/share/doc", PlacePolicy::kSkip},
    {"/usr/share/doc-base", PlacePolicy::kSkip},
    {"/usr/share/fish", PlacePolicy::kSkip},
    {"/usr/share/gdb", PlacePolicy::kSkip},
    {"/usr/share/icons", PlacePolicy::kSkip},
    {"/usr/share/info", PlacePolicy::kSkip},
    {"/usr/share/initramfs-tools", PlacePolicy::kSkip},
    {"/usr/share/lintian", PlacePolicy::kSkip},
    {"/usr/share/locale", PlacePolicy::kSkip},
    {"/usr/share/man", PlacePolicy::kSkip},
    {"/usr/share/menu", PlacePolicy::kSkip},
    {"/usr/share/metainfo", PlacePolicy::kSkip},
    {"/usr/share/pixmaps", PlacePolicy::kSkip},
    {"/usr/share/vim", PlacePolicy::kSkip},
    {"/usr/share/zsh", PlacePolicy::kSkip},

    // The machine's own services, and things with a rule of their own below.
    {"/lib/systemd", PlacePolicy::kSkip},
    {"/lib/udev", PlacePolicy::kSkip},
    {"/usr/lib/debug", PlacePolicy::kSkip},
    {"/usr/lib/pkgconfig", PlacePolicy::kSkip},
    {"/usr/lib/systemd", PlacePolicy::kSkip},
    {"/usr/lib/sysusers.d", PlacePolicy::kSkip},
    {"/usr/lib/tmpfiles.d", PlacePolicy::kSkip},  // read, and done: see companions.cc
    {"/usr/lib/udev", PlacePolicy::kSkip},

    // Places to write to.
    {"/run", PlacePolicy::kFolders},
    {"/srv", PlacePolicy::kFolders},
    {"/var", PlacePolicy::kFolders},
    {"/var/www", PlacePolicy::kWholeTree},
};

using What = LibraryRule::What;

constexpr LibraryRule kLibraries[] = {
    // pthread_cancel, pthread_exit and backtrace load it by name (glibc: unwind-link.c). Name
    // service modules need no rule: since glibc 2.34 "files" and "dns" are in libc.so.6, and
    // nsswitch.conf here names no others.
    {"libc.so.6", What::kLibrary, "libgcc_s.so.1"},
    // C.UTF-8: what setlocale finds when the environment says nothing better.
    {"libc.so.6", What::kTree, "/usr/lib/locale/C.utf8"},

    // Authorities to trust, as one file: what OpenSSL, GnuTLS and NSS based clients on Debian are
    // built to read.
    {"libssl.so", What::kCertificates, ""},
    {"libgnutls.so", What::kCertificates, ""},
    {"libcurl.so", What::kCertificates, ""},
    {"libcurl-gnutls.so", What::kCertificates, ""},
    {"libcrypto.so", What::kPath, "/usr/lib/ssl/openssl.cnf"},
    {"libcrypto.so", What::kPath, "/usr/lib/ssl/certs"},
    {"libcrypto.so", What::kPath, "/usr/lib/ssl/private"},
    {"libgnutls.so", What::kPath, "/etc/gnutls/config"},

    {"libtinfo.so", What::kTerminal, ""},
    {"libncurses", What::kTerminal, ""},

    {"libkrb5.so", What::kPath, "/etc/krb5.conf"},
    {"libldap", What::kPath, "/etc/ldap/ldap.conf"},
    {"libfontconfig.so", What::kTree, "/etc/fonts"},
    {"libmagic.so", What::kPath, "/usr/share/misc/magic.mgc"},

    // Languages as libraries: their standard library comes with them.
    {"libpython3", What::kOwnPackage, ""},
    {"libperl.so", What::kOwnPackage, ""},
    {"libruby", What::kOwnPackage, ""},
    {"libtcl8", What::kOwnPackage, ""},
    {"libguile-", What::kOwnPackage, ""},
};

constexpr BaseFolder kFolders[] = {
    {"/dev", 0755},     {"/etc", 0755},     {"/home", 0755},      {"/proc", 0555},
    {"/root", 0700},    {"/run", 0755},     {"/run/lock", 01777}, {"/sys", 0555},
    {"/tmp", 01777},    {"/usr", 0755},     {"/var", 0755},       {"/var/cache", 0755},
    {"/var/lib", 0755}, {"/var/log", 0755}, {"/var/spool", 0755}, {"/var/tmp", 01777},
};

constexpr BaseLink kLinks[] = {
    {"/etc/mtab", "../proc/self/mounts"},
    {"/var/lock", "/run/lock"},
    {"/var/run", "/run"},
};

constexpr std::string_view kFiles[] = {
    // On machines where /bin is a link to /usr/bin, so it is in the guest.
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/etc/host.conf",
    "/etc/localtime",
    "/etc/os-release",
    "/etc/protocols",
    "/etc/services",
    "/etc/timezone",
    // Where Debian's programs, and Go's static ones, look for the authorities to trust.
    "/etc/ssl/certs/ca-certificates.crt",
};

constexpr std::string_view kState[] = {"/run",     "/tmp",       "/var/cache",
                                       "/var/lib", "/var/lock",  "/var/log",
                                       "/var/run", "/var/spool", "/var/tmp"};

}  // namespace

std::span<const PlaceRule> place_rules() {
  return kPlaces;
}
std::span<const LibraryRule> library_rules() {
  return kLibraries;
}
std::span<const BaseFolder> base_folders() {
  return kFolders;
}
std::span<const BaseLink> base_links() {
  return kLinks;
}
std::span<const std::string_view> base_files() {
  return kFiles;
}

PlacePolicy policy_for(std::string_view path) {
  const PlaceRule* best = nullptr;
  for (const PlaceRule& rule : kPlaces) {
    if (is_inside(path, rule.prefix) &&
        (best == nullptr || rule.prefix.size() > best->prefix.size())) {
      best = &rule;
    }
  }
  return best == nullptr ? PlacePolicy::kSkip : best->policy;
}

bool is_place_for_state(std::string_view path) {
  for (const std::string_view place : kState) {
    if (is_inside(path, place)) return true;
  }
  return false;
}

}  // namespace narwhal::tools
