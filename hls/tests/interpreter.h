// Runs the core's commands as the layout and hls/rtl have them, plainly and one at a time, and stops at whatever the core could not do:
// two lanes at one bank, a window over another that is still read, weights that never come, bytes that may not be stored yet.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../core/schedule.h"

namespace fl {

struct Fault {
  std::string text;
};

// Throws Fault.
void interpret(const Schedule &schedule, const Geometry &geometry, std::vector<int8_t> &arena, uint64_t seed);

}  // namespace fl
