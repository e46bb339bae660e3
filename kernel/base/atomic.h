// Atomic<T>: std::atomic's everyday subset on the compiler's builtins.
//
// libstdc++'s <atomic> drags in <string>, streams and floating point, which a kernel built without
// vector registers can't compile and no kernel file wants to parse. The names and meanings are the
// standard's.
#pragma once

namespace narwhal {

enum class Order : int {
  kRelaxed = __ATOMIC_RELAXED,
  kAcquire = __ATOMIC_ACQUIRE,
  kRelease = __ATOMIC_RELEASE,
  kAcqRel = __ATOMIC_ACQ_REL,
  kSeqCst = __ATOMIC_SEQ_CST,
};

template <typename T>
class Atomic {
 public:
  constexpr Atomic() = default;
  constexpr Atomic(T value) : value_(value) {}  // NOLINT: implicit as in the standard
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(Order order = Order::kSeqCst) const { return __atomic_load_n(&value_, int(order)); }
  void store(T value, Order order = Order::kSeqCst) {
    __atomic_store_n(&value_, value, int(order));
  }
  T exchange(T value, Order order = Order::kSeqCst) {
    return __atomic_exchange_n(&value_, value, int(order));
  }
  // On failure `expected` receives the value found.
  bool compare_exchange(T& expected, T desired, Order success = Order::kSeqCst,
                        Order failure = Order::kRelaxed) {
    return __atomic_compare_exchange_n(&value_, &expected, desired, false, int(success),
                                       int(failure));
  }
  T fetch_add(T n, Order order = Order::kSeqCst) {
    return __atomic_fetch_add(&value_, n, int(order));
  }
  T fetch_sub(T n, Order order = Order::kSeqCst) {
    return __atomic_fetch_sub(&value_, n, int(order));
  }
  T fetch_or(T n, Order order = Order::kSeqCst) {
    return __atomic_fetch_or(&value_, n, int(order));
  }
  T fetch_and(T n, Order order = Order::kSeqCst) {
    return __atomic_fetch_and(&value_, n, int(order));
  }

 private:
  T value_{};
};

}  // namespace narwhal
