// Which bytes of the int8 arena cross between the processor's copy and the core's. Each computes on its own: the processor's is cached memory, the core's
// may be uncached, where reading costs hundreds of nanoseconds a word (docs/decisions/pl-driver.md). What crosses is known when a program is loaded.
#pragma once
#include <cstdint>
#include <vector>

#include "program.h"

namespace fl {

// In the arena; `offset` a multiple of ALIGNMENT, and so is the end, but for the arena's own: no range shares a cache line with bytes that the other side changed.
struct Range {
  uint32_t offset, bytes;
};

// Of one segment of target PL.
struct Crossing {
  std::vector<Range> in, out;  // before its doorbell, after its end
};

// One a segment of target PL, in their order. What a program reads without having written it in the same run is undefined, as it always was.
std::vector<Crossing> crossings_of(const Program &program);

}  // namespace fl
