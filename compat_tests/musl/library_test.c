// A C library of another kind: what musl makes of the kernel's calls, which often is not what glibc
// makes of them.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <ifaddrs.h>
#include <locale.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "compat_tests/musl/check.h"

// --- files

static char directory[64];
static void make_directory(void) {
  strcpy(directory, "/tmp/musl.XXXXXX");
  EXPECT(mkdtemp(directory) != NULL);
}
static const char* in_directory(const char* name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}
static int remove_one(const char* path, const struct stat* status, int kind, struct FTW* where) {
  (void)status, (void)kind, (void)where;
  return remove(path);
}
static void remove_directory(void) {
  EXPECT_NUMBER(0, nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS));
}

CHECK(Stdio, WritesReadsAndSeeks) {
  make_directory();
  FILE* const file = fopen(in_directory("file"), "w+");
  EXPECT(file != NULL);
  for (int i = 0; i < 1000; i++) fprintf(file, "line %d\n", i);
  EXPECT_NUMBER(0, fseek(file, -9, SEEK_END));
  char line[32] = "";
  EXPECT(fgets(line, sizeof line, file) != NULL);
  EXPECT_NUMBER(0, strcmp(line, "line 999\n"));
  EXPECT_NUMBER(0, fclose(file));
  struct stat status;
  EXPECT_NUMBER(0, stat(in_directory("file"), &status));
  EXPECT_NUMBER(8890, status.st_size);
  remove_directory();
}

CHECK(Stdio, AppendsAndUngets) {
  make_directory();
  for (int i = 0; i < 3; i++) {
    FILE* const file = fopen(in_directory("log"), "ae");
    fputs("x", file);
    EXPECT_NUMBER(0, fclose(file));
  }
  FILE* const file = fopen(in_directory("log"), "r");
  EXPECT_NUMBER('x', getc(file));
  EXPECT_NUMBER('y', ungetc('y', file));
  EXPECT_NUMBER('y', getc(file));
  EXPECT_NUMBER('x', getc(file));
  EXPECT_NUMBER('x', getc(file));
  EXPECT_NUMBER(EOF, getc(file));
  EXPECT(feof(file));
  fclose(file);
  remove_directory();
}

CHECK(Stdio, MemoryStreams) {
  char* text = NULL;
  size_t size = 0;
  FILE* const file = open_memstream(&text, &size);
  fprintf(file, "%s-%05.1f-%x", "a", 3.14159, 255);
  fclose(file);
  EXPECT_NUMBER(0, strcmp(text, "a-003.1-ff"));
  free(text);
}

CHECK(Files, DirectoriesAndGlobs) {
  make_directory();
  for (int i = 0; i < 30; i++) {
    char name[16];
    snprintf(name, sizeof name, "f%02d", i);
    fclose(fopen(in_directory(name), "w"));
  }
  glob_t found;
  EXPECT_NUMBER(0, glob(in_directory("f1?"), 0, NULL, &found));
  EXPECT_NUMBER(10, found.gl_pathc);
  globfree(&found);
  EXPECT_NUMBER(GLOB_NOMATCH, glob(in_directory("g*"), 0, NULL, &found));
  remove_directory();
}

CHECK(Files, PathsAreMadeReal) {
  make_directory();
  EXPECT_NUMBER(0, mkdir(in_directory("a"), 0700));
  EXPECT_NUMBER(0, symlink("a", in_directory("link")));
  char real[4096], expected[4096];
  // musl asks /proc/self/fd, or walks by itself.
  EXPECT(realpath(in_directory("link/../a/."), real) != NULL);
  snprintf(expected, sizeof expected, "%s/a", directory);
  EXPECT_NUMBER(0, strcmp(real, expected));
  remove_directory();
}

CHECK(Files, ModesWithoutAccess) {
  make_directory();
  const int fd = open(in_directory("file"), O_CREAT | O_RDWR, 0600);
  EXPECT_NUMBER(0, fchmodat(AT_FDCWD, in_directory("file"), 0640, 0));
  EXPECT_NUMBER(0, symlink("file", in_directory("link")));
  // Through /proc/self/fd, because the kernel's call had no flags for long.
  EXPECT_ERRNO(EOPNOTSUPP, fchmodat(AT_FDCWD, in_directory("link"), 0600, AT_SYMLINK_NOFOLLOW));
  EXPECT_NUMBER(0, faccessat(AT_FDCWD, in_directory("file"), R_OK | W_OK, AT_EACCESS));
  EXPECT_NUMBER(0, futimens(fd, (struct timespec[]){{1000, 5}, {2000, 7}}));
  struct stat status;
  EXPECT_NUMBER(0, fstat(fd, &status));
  EXPECT_NUMBER(2000, status.st_mtim.tv_sec);
  EXPECT_NUMBER(7, status.st_mtim.tv_nsec);
  EXPECT_NUMBER(0, posix_fallocate(fd, 0, 10000));
  EXPECT_NUMBER(0, fstat(fd, &status));
  EXPECT_NUMBER(10000, status.st_size);
  struct statvfs system;
  EXPECT_NUMBER(0, fstatvfs(fd, &system));
  EXPECT(system.f_bsize > 0);
  close(fd);
  remove_directory();
}

CHECK(Files, TerminalsAreAskedFor) {
  int ends[2];
  EXPECT_NUMBER(0, pipe(ends));
  EXPECT_NUMBER(0, isatty(ends[0]));
  EXPECT_NUMBER(ENOTTY, errno);
  struct termios settings;
  EXPECT_ERRNO(ENOTTY, tcgetattr(ends[0], &settings));
  EXPECT_ERRNO(EBADF, isatty(999) ? 0 : -1);
  close(ends[0]);
  close(ends[1]);
}

// --- memory

CHECK(Malloc, ManySizes) {
  enum { kCount = 3000 };
  static char* blocks[kCount];
  unsigned state = 7;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < kCount; i++) {
      state = state * 1103515245 + 12345;
      const size_t size = (state >> 8) % (i % 100 == 0 ? 300000 : 2000) + 1;
      char* const grown = realloc(blocks[i], size);
      EXPECT(grown != NULL);
      grown[0] = grown[size - 1] = (char)i;
      blocks[i] = grown;
    }
    for (int i = round; i < kCount; i += 3) {
      EXPECT_NUMBER((char)i, blocks[i][0]);
      free(blocks[i]);
      blocks[i] = NULL;
    }
  }
  for (int i = 0; i < kCount; i++) free(blocks[i]);
}

CHECK(Malloc, AlignedAndZeroed) {
  void* aligned = NULL;
  EXPECT_NUMBER(0, posix_memalign(&aligned, 65536, 100));
  EXPECT_NUMBER(0, (uintptr_t)aligned % 65536);
  free(aligned);
  char* const zeroed = calloc(1000, 1000);
  EXPECT(zeroed != NULL && zeroed[0] == 0 && zeroed[999999] == 0);
  free(zeroed);
  EXPECT(malloc(SIZE_MAX / 2) == NULL);
  EXPECT_NUMBER(ENOMEM, errno);
}

CHECK(Malloc, LargeBlocksMoveByRemapping) {
  char* block = malloc(1 << 20);
  for (size_t i = 0; i < 1 << 20; i += 4096) block[i] = (char)(i >> 12);
  block = realloc(block, 32 << 20);
  EXPECT(block != NULL);
  int same = 1;
  for (size_t i = 0; i < 1 << 20; i += 4096) same &= block[i] == (char)(i >> 12);
  EXPECT(same);
  free(block);
}

// --- processes

CHECK(Process, ForksAndWaits) {
  const pid_t child = fork();
  if (child == 0) _exit(7);
  int status = 0;
  EXPECT_NUMBER(child, waitpid(child, &status, 0));
  EXPECT_NUMBER(7, WEXITSTATUS(status));
}

CHECK(Process, JumpsKeepRegistersAndMasks) {
  sigjmp_buf place;
  volatile int times = 0;
  if (sigsetjmp(place, 1) < 3) {
    times++;
    siglongjmp(place, times);
  }
  EXPECT_NUMBER(3, times);
}

CHECK(Process, FloatingPointEnvironment) {
  EXPECT_NUMBER(FE_TONEAREST, fegetround());
  EXPECT_NUMBER(0, fesetround(FE_UPWARD));
  volatile double one = 1, three = 3;
  const volatile double up = one / three;
  fesetround(FE_DOWNWARD);
  const volatile double down = one / three;
  fesetround(FE_TONEAREST);
  EXPECT(up > down);
  feclearexcept(FE_ALL_EXCEPT);
  volatile double zero = 0;
  const volatile double infinite = one / zero;
  (void)infinite;
  EXPECT_NUMBER(FE_DIVBYZERO, fetestexcept(FE_DIVBYZERO));
}

CHECK(Process, LimitsThroughTheNewCall) {
  struct rlimit limit;
  EXPECT_NUMBER(0, getrlimit(RLIMIT_NOFILE, &limit));
  EXPECT(limit.rlim_cur > 0 && limit.rlim_cur <= limit.rlim_max);
  EXPECT_NUMBER((long)limit.rlim_cur, sysconf(_SC_OPEN_MAX));
  EXPECT(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
  EXPECT(sysconf(_SC_PHYS_PAGES) > 1000);
}

// --- names

CHECK(Names, UsersAndGroups) {
  const struct passwd* const root = getpwuid(0);
  EXPECT(root != NULL && strcmp(root->pw_name, "root") == 0);
  const struct group* const group = getgrnam("root");
  EXPECT(group != NULL && group->gr_gid == 0);
  EXPECT(getpwnam("no-such-user") == NULL);
}

CHECK(Names, LocalhostIsFoundInHosts) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo* found = NULL;
  EXPECT_NUMBER(0, getaddrinfo("localhost", "80", &hints, &found));
  if (found == NULL) return;
  const struct sockaddr_in* const address = (const struct sockaddr_in*)found->ai_addr;
  EXPECT_NUMBER(INADDR_LOOPBACK, ntohl(address->sin_addr.s_addr));
  EXPECT_NUMBER(80, ntohs(address->sin_port));
  freeaddrinfo(found);
}

CHECK(Names, InterfacesThroughNetlink) {
  struct ifaddrs* all = NULL;
  EXPECT_NUMBER(0, getifaddrs(&all));
  int loopback = 0;
  for (const struct ifaddrs* one = all; one != NULL; one = one->ifa_next) {
    if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET) continue;
    const struct sockaddr_in* const address = (const struct sockaddr_in*)one->ifa_addr;
    loopback |= ntohl(address->sin_addr.s_addr) == INADDR_LOOPBACK;
  }
  EXPECT(loopback);
  freeifaddrs(all);
}

CHECK(Names, TimeZonesAndLocales) {
  setenv("TZ", "UTC-2", 1);
  tzset();
  const time_t day = 86400;
  struct tm local;
  localtime_r(&day, &local);
  EXPECT_NUMBER(2, local.tm_hour);
  unsetenv("TZ");
  tzset();
  EXPECT(setlocale(LC_ALL, "C.UTF-8") != NULL);
  wchar_t wide = 0;
  EXPECT_NUMBER(2, mbrtowc(&wide, "\xc3\xa4", 2, NULL));
  EXPECT_NUMBER(0xe4, wide);
}

// --- the network

CHECK(Network, TcpOverLoopback) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  EXPECT_NUMBER(0, bind(listener, (struct sockaddr*)&address, size));
  EXPECT_NUMBER(0, listen(listener, 5));
  EXPECT_NUMBER(0, getsockname(listener, (struct sockaddr*)&address, &size));
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_NUMBER(0, connect(client, (struct sockaddr*)&address, size));
  const int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  EXPECT(server >= 0);
  char text[16] = "";
  EXPECT_ERRNO(EAGAIN, recv(server, text, sizeof text, 0));
  EXPECT_NUMBER(5, send(client, "hello", 5, MSG_NOSIGNAL));
  struct pollfd polled = {server, POLLIN, 0};
  EXPECT_NUMBER(1, poll(&polled, 1, 10000));
  EXPECT_NUMBER(5, recv(server, text, sizeof text, 0));
  EXPECT_NUMBER(0, memcmp(text, "hello", 5));
  close(client);
  EXPECT_NUMBER(1, poll(&polled, 1, 10000));
  EXPECT_NUMBER(0, recv(server, text, sizeof text, 0));
  close(server);
  close(listener);
}

CHECK(Network, DescriptorsTravel) {
  int pair[2], ends[2];
  EXPECT_NUMBER(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  EXPECT_NUMBER(0, pipe(ends));
  char byte = 'x';
  struct iovec part = {&byte, 1};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(rights), &ends[1], sizeof(int));
  EXPECT_NUMBER(1, sendmsg(pair[0], &message, 0));
  memset(&control, 0, sizeof control);
  message.msg_controllen = sizeof control;
  EXPECT_NUMBER(1, recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC));
  int received = -1;
  const struct cmsghdr* const got = CMSG_FIRSTHDR(&message);
  EXPECT(got != NULL);
  if (got != NULL) memcpy(&received, CMSG_DATA(got), sizeof received);
  EXPECT_NUMBER(FD_CLOEXEC, fcntl(received, F_GETFD));
  EXPECT_NUMBER(2, write(received, "ok", 2));
  char text[2];
  EXPECT_NUMBER(2, read(ends[0], text, 2));
  close(received);
  for (int i = 0; i < 2; i++) {
    close(pair[i]);
    close(ends[i]);
  }
}
