// Cycles of a program's PL segments by the cycle model (hls/core/cycles.h), layer by layer.
#pragma once
#include <cstdint>
#include <vector>

#include "../../core/schedule.h"
#include "../../core/traffic.h"
#include "program.h"

struct fl_program;

namespace fl {

// Of one descriptor that the core runs.
struct LayerEstimate {
  uint64_t cycles = 0;  // from the end of the layer before it in the segment
  Traffic traffic;
};

struct ProgramEstimate {
  uint64_t cycles = 0, bytes_read = 0, bytes_written = 0;
  std::vector<LayerEstimate> layers;  // one a descriptor; zeros for the processor's
};

// Throws Refusal (FL_ERROR_UNSUPPORTED) where a core of this shape cannot run a segment, or where it would take more than MAX_ESTIMATED_CYCLES.
ProgramEstimate estimate_program(const fl_program &program, const Geometry &geometry, const MemoryConfig &memory);

// The cycle model takes some ten nanoseconds a cycle: this is a minute, and at 100 MHz as long on the core.
constexpr uint64_t MAX_ESTIMATED_CYCLES = 6000000000;

// What a program was loaded from, but for its strings (runtime.cpp).
const Program &parsed(const fl_program &program);

// A segment of target PL as a driver cuts it, which does not know the memory's speed. `before`: layers of the segments before it. Throws Refusal
// (FL_ERROR_UNSUPPORTED), with the layer's name where it is one layer's fault.
Schedule scheduled(const fl_program &program, const Segment &segment, uint32_t before, const Geometry &geometry);

}  // namespace fl
