// C++ as ordinary programs use it: threads, thread_local, exceptions that cross frames and threads,
// futures, RTTI, iostreams, static constructors and destructors. Linked dynamically.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <queue>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

namespace {

struct Announcer {
  Announcer() { std::cout << "constructed before main\n"; }
  ~Announcer() { std::cout << "destroyed after main\n"; }
};
Announcer announcer;

thread_local int depth_of_this_thread = 0;

struct TooDeep : std::runtime_error {
  explicit TooDeep(int depth) : runtime_error("too deep: " + std::to_string(depth)) {}
};

struct CountUnwinding {
  std::atomic<int>& count;
  ~CountUnwinding() { count++; }
};

void descend(int depth, std::atomic<int>& unwound) {
  const CountUnwinding guard{unwound};
  depth_of_this_thread = depth;
  if (depth == 50) throw TooDeep(depth);
  descend(depth + 1, unwound);
}

// A queue that one thread fills and several empty.
long long sum_through_a_queue(int workers, int count) {
  std::mutex lock;
  std::condition_variable filled;
  std::queue<int> work;
  bool done = false;
  std::atomic<long long> sum = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < workers; i++) {
    threads.emplace_back([&] {
      while (true) {
        std::unique_lock<std::mutex> guard(lock);
        filled.wait(guard, [&] { return done || !work.empty(); });
        if (work.empty()) return;
        const int item = work.front();
        work.pop();
        guard.unlock();
        sum += item;
      }
    });
  }
  for (int i = 1; i <= count; i++) {
    const std::lock_guard<std::mutex> guard(lock);
    work.push(i);
    filled.notify_one();
  }
  {
    const std::lock_guard<std::mutex> guard(lock);
    done = true;
  }
  filled.notify_all();
  for (std::thread& thread : threads) thread.join();
  return sum;
}

struct Animal {
  virtual ~Animal() = default;
};
struct Cat : Animal {};

}  // namespace

int main() {
  std::cout << "sum: " << sum_through_a_queue(4, 2000) << "\n";

  std::atomic<int> unwound = 0;
  std::vector<std::future<int>> futures;
  for (int i = 0; i < 8; i++) {
    futures.push_back(std::async(std::launch::async, [&unwound, i] {
      if (i % 2 == 0) descend(0, unwound);
      return depth_of_this_thread;
    }));
  }
  for (std::future<int>& future : futures) {
    try {
      const int depth = future.get();
      std::cout << "depth " << depth << "\n";
    } catch (const TooDeep& error) {
      std::cout << error.what() << "\n";
    }
  }
  std::cout << "unwound " << unwound << " frames\n";

  const std::unique_ptr<Animal> animal = std::make_unique<Cat>();
  std::cout << (dynamic_cast<const Cat*>(animal.get()) != nullptr ? "a cat" : "no cat") << "\n";
  try {
    std::map<std::string, int>().at("nothing");
  } catch (const std::out_of_range&) {
    std::cout << "out of range\n";
  }
  try {
    (void)std::vector<char>().at(1);
  } catch (const std::exception& error) {
    std::cout << (typeid(error) == typeid(std::out_of_range) ? "the same" : "another") << "\n";
  }
  std::cout.flush();
  return 3;
}
