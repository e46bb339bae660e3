// Keys and keyrings: add_key(2), request_key(2), keyctl(2). In children, so that each has keyrings
// of its own.
#include <linux/keyctl.h>

#include "compat_tests/ipc/ipc.h"

namespace compat {
namespace {

using Serial = int32_t;

Serial add(const char* type, const char* description, const std::string& payload,
           Serial ring = KEY_SPEC_PROCESS_KEYRING) {
  return static_cast<Serial>(syscall(SYS_add_key, type, description,
                                     payload.empty() ? nullptr : payload.data(), payload.size(),
                                     ring));
}
template <class... Arguments>
long control(int command, Arguments... arguments) {
  return syscall(SYS_keyctl, command, arguments...);
}
Serial request(const char* type, const char* description, const char* callout = nullptr,
               Serial ring = 0) {
  return static_cast<Serial>(syscall(SYS_request_key, type, description, callout, ring));
}
std::string content(Serial key) {
  char buffer[256];
  const long size = control(KEYCTL_READ, key, buffer, sizeof buffer);
  return size < 0 ? error_name(errno) : std::string(buffer, static_cast<size_t>(size));
}

// Linux may take a while to take it away; then it is nobody's.
bool is_gone(Serial key) {
  const std::string found = content(key);
  return found == "ENOKEY" || found == "EACCES";
}

// A check in a child, with GoogleTest's messages kept.
class Keys : public testing::Test {
 protected:
  void SetUp() override {
    if (add("user", "probe", "x") < 0 && (errno == ENOSYS || errno == EPERM))
      GTEST_SKIP() << "a kernel without CONFIG_KEYS, or a container that hides it";
  }
  static void apart(const std::function<void()>& body) {
    EXPECT_EQ(in_child([&] {
                if (control(KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0) return 2;
                body();
                fflush(stdout);
                return HasFailure() ? 1 : 0;
              }),
              0);
  }
};

TEST_F(Keys, AreKept) {
  apart([] {
    const Serial key = add("user", "name", "secret");
    ASSERT_GT(key, 0);
    EXPECT_EQ("secret", content(key));
    EXPECT_EQ(key, add("user", "name", "other")) << "the same name: the same key, updated";
    EXPECT_EQ("other", content(key));
    ASSERT_OK(control(KEYCTL_UPDATE, key, "third", 5));
    EXPECT_EQ("third", content(key));
    char small[2] = {};
    EXPECT_EQ(5, control(KEYCTL_READ, key, small, 2)) << "how much there is";
  });
}

TEST_F(Keys, AreDescribed) {
  apart([] {
    const Serial key = add("user", "name", "secret");
    char text[128] = {};
    const long size = control(KEYCTL_DESCRIBE, key, text, sizeof text);
    const std::string expected =
        "user;" + std::to_string(getuid()) + ";" + std::to_string(getgid()) + ";3f010000;name";
    EXPECT_EQ(expected, text);
    EXPECT_EQ(long(expected.size() + 1), size);
  });
}

TEST_F(Keys, TypesHaveTheirRules) {
  apart([] {
    EXPECT_ERRNO(EINVAL, add("user", "name", ""));
    EXPECT_ERRNO(EINVAL, add("user", "name", std::string(32768, 'x')));
    EXPECT_ERRNO(EINVAL, add("keyring", "name", "x"));
    EXPECT_ERRNO(EINVAL, add("logon", "noservice", "x"));
    EXPECT_ERRNO(ENODEV, add("nosuchtype", "name", "x"));
    EXPECT_ERRNO(EPERM, add(".user", "name", "x"));
    EXPECT_ERRNO(EPERM, add("keyring", ".name", ""));
    EXPECT_ERRNO(EINVAL, add("", "name", "x"));
    const Serial logon = add("logon", "service:name", "x");
    ASSERT_GT(logon, 0);
    EXPECT_EQ("EOPNOTSUPP", content(logon)) << "for the kernel only";
  });
}

TEST_F(Keys, NeedTheirContent) {
  apart([] {
    const auto add_nothing = [](const char* type, size_t size) {
      return syscall(SYS_add_key, type, "service:name", nullptr, size, KEY_SPEC_PROCESS_KEYRING);
    };
    EXPECT_ERRNO(EFAULT, add_nothing("user", 8));
    EXPECT_ERRNO(EFAULT, add_nothing("logon", 8));
    EXPECT_ERRNO(EFAULT, add_nothing("keyring", 8));
    EXPECT_ERRNO(EFAULT, add_nothing("nosuchtype", 8)) << "its content is looked at first";
    EXPECT_ERRNO(ENODEV, add_nothing("nosuchtype", 0));
    EXPECT_ERRNO(EINVAL, add_nothing("user", 0));
    const Serial key = add("user", "name", "secret");
    EXPECT_ERRNO(EFAULT, control(KEYCTL_UPDATE, key, nullptr, 8));
    EXPECT_EQ("secret", content(key));
  });
}

TEST_F(Keys, AreFoundInKeyrings) {
  apart([] {
    const Serial ring = add("keyring", "ring", "");
    const Serial key = add("user", "name", "secret", ring);
    ASSERT_GT(key, 0);
    EXPECT_EQ(key, request("user", "name")) << "below one's own";
    EXPECT_EQ(key, control(KEYCTL_SEARCH, KEY_SPEC_PROCESS_KEYRING, "user", "name", 0));
    EXPECT_ERRNO(ENOKEY, control(KEYCTL_SEARCH, ring, "user", "absent", 0));
    EXPECT_ERRNO(ENOTDIR, control(KEYCTL_SEARCH, key, "user", "name", 0));
    EXPECT_ERRNO(ENOKEY, request("user", "absent"));
    Serial listed = 0;
    EXPECT_EQ(4, control(KEYCTL_READ, ring, &listed, sizeof listed));
    EXPECT_EQ(key, listed);
  });
}

TEST_F(Keys, AreLinkedAndUnlinked) {
  apart([] {
    const Serial one = add("keyring", "one", ""), two = add("keyring", "two", "", one);
    const Serial key = add("user", "name", "secret", one);
    ASSERT_OK(control(KEYCTL_LINK, key, two));
    ASSERT_OK(control(KEYCTL_UNLINK, key, one));
    EXPECT_EQ("secret", content(key)) << "there still";
    EXPECT_ERRNO(ENOENT, control(KEYCTL_UNLINK, key, one));
    EXPECT_ERRNO(EDEADLK, control(KEYCTL_LINK, one, two));
    EXPECT_ERRNO(ENOTDIR, control(KEYCTL_LINK, one, key));
    ASSERT_OK(control(KEYCTL_CLEAR, two));
    EXPECT_TRUE(is_gone(key)) << content(key);
  });
}

TEST_F(Keys, AreRevokedInvalidatedAndExpire) {
  apart([] {
    const Serial revoked = add("user", "revoked", "x");
    ASSERT_OK(control(KEYCTL_REVOKE, revoked));
    EXPECT_EQ("EKEYREVOKED", content(revoked));
    EXPECT_ERRNO(EKEYREVOKED,
                 control(KEYCTL_SEARCH, KEY_SPEC_PROCESS_KEYRING, "user", "revoked", 0));
    EXPECT_ERRNO(ENOKEY, request("user", "revoked")) << "nor in the session's keyring";
    const Serial invalid = add("user", "invalid", "x");
    ASSERT_OK(control(KEYCTL_INVALIDATE, invalid));
    EXPECT_TRUE(is_gone(invalid)) << content(invalid);
    const Serial old = add("user", "old", "x");
    ASSERT_OK(control(KEYCTL_SET_TIMEOUT, old, 1));
    EXPECT_TRUE(eventually([&] { return content(old) == "EKEYEXPIRED"; }));
  });
}

TEST_F(Keys, TheirRightsAreAsked) {
  apart([] {
    const Serial key = add("user", "name", "secret");
    ASSERT_OK(control(KEYCTL_SETPERM, key, 0x09000000));  // possessor: view, search
    EXPECT_ERRNO(EACCES, control(KEYCTL_UPDATE, key, "x", 1));
    EXPECT_EQ("secret", content(key)) << "what can be found can be read";
    EXPECT_ERRNO(EACCES, control(KEYCTL_SETPERM, key, 0x3f000000)) << "given away";
    const Serial other = add("user", "other", "x");
    EXPECT_ERRNO(EINVAL, control(KEYCTL_SETPERM, other, 0x40000000));
  });
}

TEST_F(Keys, SessionsArePassedToChildren) {
  apart([] {
    const Serial key = add("user", "name", "secret", KEY_SPEC_SESSION_KEYRING);
    const Serial own = add("user", "own", "secret", KEY_SPEC_PROCESS_KEYRING);
    ASSERT_GT(key, 0);
    EXPECT_EQ(in_child([=] {
                if (request("user", "name") != key) return 1;
                return request("user", "own") == own ? 2 : 0;
              }),
              0);
    const long session = control(KEYCTL_JOIN_SESSION_KEYRING, "compat-test");
    EXPECT_EQ(session, control(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
    EXPECT_ERRNO(ENOKEY, request("user", "name")) << "another session";
    EXPECT_ERRNO(EPERM, control(KEYCTL_JOIN_SESSION_KEYRING, ".kernel"));
  });
}

TEST_F(Keys, OwnKeyringsAreMadeWhenNeeded) {
  apart([] {
    EXPECT_ERRNO(ENOKEY, control(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 0));
    const long ring = control(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 1);
    EXPECT_GT(ring, 0);
    EXPECT_EQ(ring, control(KEYCTL_GET_KEYRING_ID, KEY_SPEC_THREAD_KEYRING, 0));
    EXPECT_EQ(0, control(KEYCTL_SET_REQKEY_KEYRING, KEY_REQKEY_DEFL_SESSION_KEYRING));
    EXPECT_EQ(KEY_REQKEY_DEFL_SESSION_KEYRING, control(KEYCTL_SET_REQKEY_KEYRING, -1));
    EXPECT_ERRNO(EINVAL, control(KEYCTL_SET_REQKEY_KEYRING, 77));
    EXPECT_ERRNO(EINVAL, control(KEYCTL_GET_KEYRING_ID, 0, 0));
    EXPECT_ERRNO(EOPNOTSUPP, control(4711));
  });
}

}  // namespace
}  // namespace compat
