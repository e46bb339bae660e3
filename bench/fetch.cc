// Fetches a file from a web server, on several connections at once, each with a thread of its own,
// and says how many MiB came in a second, all together. Bytes are counted, and not looked at.
//
// fetch ADDRESS PORT PATH SIZE CONNECTIONS
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "bench/load.h"

using namespace narwhal::bench;

namespace {

void fetch(const char* address, const char* port, const std::string& path, long long size) {
  const int fd = connect_to(address, port);
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    fail("send");
  std::vector<char> buffer(512 * 1024);
  std::string head;
  long long body = -1;
  for (;;) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0) fail("recv");
    if (got == 0) break;
    if (body >= 0) {
      body += got;
      continue;
    }
    head.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = head.find("\r\n\r\n");
    if (end != std::string::npos) body = static_cast<long long>(head.size() - end) - 4;
  }
  close(fd);
  if (body != size || head.rfind("HTTP/1.1 200", 0) != 0) {
    std::fprintf(stderr, "%lld bytes came instead of %lld\n", body, size);
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: %s ADDRESS PORT PATH SIZE CONNECTIONS\n", argv[0]);
    return 2;
  }
  const long long size = std::atoll(argv[4]);
  const int connections = std::atoi(argv[5]);
  const double begin = seconds_now();
  std::vector<std::thread> threads;
  for (int i = 0; i < connections; ++i)
    threads.emplace_back(fetch, argv[1], argv[2], argv[3], size);
  for (std::thread& each : threads) each.join();
  std::printf("%.1f MiB/s\n",
              static_cast<double>(size) * connections / (1024 * 1024) / (seconds_now() - begin));
  return 0;
}
