#include "kernel/mm/page_marks.h"

namespace narwhal {

PageMarks::~PageMarks() {
  for (Part* part : parts_) delete part;
}

Result<> PageMarks::mark(u64 index) {
  const u64 part_index = index / kPartPages;
  if (part_index >= parts_.size()) TRY(parts_.resize(part_index + 1));
  Part*& part = parts_[part_index];
  if (!part) {
    part = new (std::nothrow) Part();
    if (!part) return Errno::kNoMem;
  }
  u64& word = part->words[index / kWordBits % kWords];
  const u64 bit = u64{1} << index % kWordBits;
  if (word & bit) return {};
  word |= bit;
  ++part->count;
  ++count_;
  return {};
}

bool PageMarks::is_marked(u64 index) const {
  const u64 part_index = index / kPartPages;
  if (part_index >= parts_.size() || !parts_[part_index]) return false;
  return (parts_[part_index]->words[index / kWordBits % kWords] >> index % kWordBits & 1) != 0;
}

u64 PageMarks::find(u64 from, u64 to) const {
  while (from < to) {
    const u64 part_index = from / kPartPages;
    if (part_index >= parts_.size()) return to;
    const Part* part = parts_[part_index];
    if (!part || part->count == 0) {
      from = (part_index + 1) * kPartPages;
      continue;
    }
    const u64 word = part->words[from / kWordBits % kWords] >> from % kWordBits;
    if (word != 0) {
      from += u64(__builtin_ctzll(word));
      return from < to ? from : to;
    }
    from = (from / kWordBits + 1) * kWordBits;
  }
  return to;
}

void PageMarks::unmark(u64 index) {
  Part& part = *parts_[index / kPartPages];
  part.words[index / kWordBits % kWords] &= ~(u64{1} << index % kWordBits);
  --part.count;
  --count_;
}

PageMarks::Run PageMarks::take_run(u64 from, u64 to, u64 most) {
  if (count_ == 0) return {};
  Run run{find(from, to), 0};
  if (run.first == to) return {};
  while (run.count < most && run.first + run.count < to && is_marked(run.first + run.count))
    unmark(run.first + run.count++);
  return run;
}

void PageMarks::clear(u64 first, u64 last) {
  while (take_run(first, last, last - first).count != 0) continue;
}

}  // namespace narwhal
