#include "kernel/platform/process/hand_over_policy.h"

namespace narwhal::process_home {

void HandOverPolicy::begin(bool binds) {
  binds_ = binds;
  count_ = 0;
  sum_ = 0;
}

void HandOverPolicy::count(u64 ns) {
  ++count_;
  sum_ += ns;
  if (!binds_) {
    if (count_ < kFreeSample) return;
    free_period_ = sum_ * (kPeriod / kFreeSample);
    periods_ = 0;
    begin(pause_ == 0);
    if (pause_ != 0) --pause_;
    return;
  }
  // One that had to wait for others may have taken longer than a whole period.
  if (sum_ >= free_period_) {
    trust_ = kLeastTrust;
    pause_ = next_pause_;
    if (next_pause_ < kMostPause) next_pause_ *= 4;
    begin(false);
    return;
  }
  if (count_ < kPeriod) return;
  next_pause_ = 1;
  const bool looks_again = ++periods_ == trust_;
  if (looks_again && trust_ < kMostTrust) trust_ *= 2;
  begin(!looks_again);
}

}  // namespace narwhal::process_home
