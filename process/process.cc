#include "process/process.h"

#include "process/family.h"
#include "process/signals.h"

namespace narwhal {

void ResourceUsage::add(const ResourceUsage& other) {
  user_ns += other.user_ns;
  system_ns += other.system_ns;
  voluntary_switches += other.voluntary_switches;
  involuntary_switches += other.involuntary_switches;
  minor_faults += other.minor_faults;
  if (other.peak_resident_pages > peak_resident_pages)
    peak_resident_pages = other.peak_resident_pages;
}

void ResourceUsage::add(const Task& task) {
  user_ns += task.user_time_ns();
  system_ns += task.system_time_ns();
  voluntary_switches += task.voluntary_switches();
  involuntary_switches += task.involuntary_switches();
  minor_faults += task.minor_faults;
}

abi::ResourceUsage ResourceUsage::to_abi() const {
  const auto time = [](u64 ns) {
    return abi::TimeVal{i64(ns / kNanosPerSecond), i64(ns % kNanosPerSecond / kNanosPerMicro)};
  };
  abi::ResourceUsage usage{};
  usage.user_time = time(user_ns);
  usage.system_time = time(system_ns);
  usage.peak_resident_kib = i64(peak_resident_pages * (kPageSize / kKiB));
  usage.minor_faults = i64(minor_faults);
  usage.voluntary_switches = i64(voluntary_switches);
  usage.involuntary_switches = i64(involuntary_switches);
  return usage;
}

Process::Process() = default;

Process::~Process() {
  DEBUG_ASSERT(tasks_.empty() && children_.empty());
  discard_all_pending(*this);
}

void Process::set_limit(usize resource, const ResourceLimit& limit) {
  limits_[resource].soft.store(limit.soft, Order::kRelaxed);
  limits_[resource].hard.store(limit.hard, Order::kRelaxed);
}

Path Process::executable() const {
  Guard guard(mutex_);
  return executable_;
}

Ref<RefCounted> Process::write_denial() const {
  Guard guard(mutex_);
  return write_denial_;
}

void Process::set_executable(Path path, Ref<RefCounted> write_denial) {
  Guard guard(mutex_);
  std::swap(executable_, path);  // what was there before goes after the lock
  std::swap(write_denial_, write_denial);
}

AddressSpace::Limits Process::memory_limits() const {
  return {soft_limit(abi::kLimitData), soft_limit(abi::kLimitStack),
          soft_limit(abi::kLimitAddressSpace), soft_limit(abi::kLimitLockedMemory)};
}

ResourceUsage Process::usage() const {
  SpinGuard guard(thread_list_lock);
  ResourceUsage total = ended_tasks_;
  Family::for_each_task(const_cast<Process&>(*this), [&](const Task& task) { total.add(task); });
  return total;
}

ResourceUsage Process::children_usage() const {
  SpinGuard guard(thread_list_lock);
  return ended_children_;
}

u64 Process::cpu_time_ns() const {
  SpinGuard guard(thread_list_lock);
  u64 total = ended_tasks_.user_ns + ended_tasks_.system_ns;
  Family::for_each_task(const_cast<Process&>(*this),
                        [&](const Task& task) { total += task.cpu_time_ns(); });
  return total;
}

// --- signal handlers

Result<Ref<SignalHandlers>> SignalHandlers::copy() {
  auto copied = TRY(make_ref<SignalHandlers>());
  SpinGuard guard(lock_);
  // Not shared yet: nobody else can hold its lock.
  [&]() TA_NO_ANALYSIS {
    for (usize i = 0; i < 65; ++i) copied->actions_[i] = actions_[i];
  }();
  return copied;
}

abi::SignalAction SignalHandlers::get(Signal signal) {
  SpinGuard guard(lock_);
  return actions_[i32(signal)];
}

abi::SignalAction SignalHandlers::exchange(Signal signal, const abi::SignalAction& action) {
  SpinGuard guard(lock_);
  return std::exchange(actions_[i32(signal)], action);
}

void SignalHandlers::reset() {
  SpinGuard guard(lock_);
  for (abi::SignalAction& action : actions_) {
    const bool ignored = action.handler == abi::kSignalIgnore;
    action = {};
    if (ignored) action.handler = abi::kSignalIgnore;
  }
}

}  // namespace narwhal
