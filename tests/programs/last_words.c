// last_words ADDRESS PORT [BYTES]: sends a datagram, or connects and writes so many bytes, and ends at once.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char* what) {
  perror(what);
  exit(1);
}

int main(int count, char** words) {
  if (count < 3) return 2;
  const size_t size = count > 3 ? strtoul(words[3], NULL, 10) : 0;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
  if (inet_pton(AF_INET, words[1], &to.sin_addr) != 1) return 2;
  const int fd = socket(AF_INET, size ? SOCK_STREAM : SOCK_DGRAM, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr*)&to, sizeof to) != 0) fail("connect");
  if (size == 0) {
    if (send(fd, "last words", 10, 0) != 10) fail("send");
    return 0;
  }
  const int room = 4 << 20;
  // More of it than the peer takes.
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) != 0) fail("SO_SNDBUF");
  char* data = malloc(size);
  memset(data, 'x', size);
  if (write(fd, data, size) != (ssize_t)size) fail("write");
  // No destructor, no flush: the descriptor is closed by the end.
  if (write(STDOUT_FILENO, "written\n", 8) != 8) fail("stdout");
  _exit(0);
}
