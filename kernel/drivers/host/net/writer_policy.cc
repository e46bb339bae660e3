#include "kernel/drivers/host/net/writer_policy.h"

namespace narwhal {

void WriterPolicy::look(u64 now, u64 idle) {
  if (now - start_ < kPeriod) return;
  end_period(now - start_, idle - idle_before_);
  start_ = now;
  idle_before_ = idle;
  sent_ = 0;
}

void WriterPolicy::end_period(u64 length, u64 idle) {
  const u64 rate = sent_ * (kNanosPerSecond / kNanosPerMicro) / (length / kNanosPerMicro);
  if (uses_writer_) {
    end_try(rate);
    return;
  }
  if (pause_ != 0) --pause_;
  busy_ = sent_ != 0 && idle < length / kLittleIdle ? busy_ + 1 : 0;
  if (busy_ < kEnoughBusy || pause_ != 0) return;
  uses_writer_ = true;
  rate_ = rate;
  used_ = 0;
}

void WriterPolicy::end_try(u64 rate) {
  if (rate <= rate_ + rate_ / kGain) {
    uses_writer_ = false;
    busy_ = 0;
    pause_ = next_pause_;
    if (next_pause_ < kMostPause) next_pause_ *= 4;
    return;
  }
  next_pause_ = kLeastPause;
  if (++used_ < kTrust) return;
  // For one period, if that is as busy.
  uses_writer_ = false;
  busy_ = kEnoughBusy - 1;
}

}  // namespace narwhal
