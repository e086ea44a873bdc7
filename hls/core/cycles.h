// The core's clock cycles without its arithmetic: every unit of hls/rtl that decides when something happens, cycle by cycle, on the same
// commands and the same memory (memory_timing.h). What moves no data and compares no bits takes some ten nanoseconds a cycle; a test
// holds it against the RTL. A number from here is of source `model`.
#pragma once
#include <cstdint>

#include "layout.h"
#include "memory_timing.h"
#include "schedule.h"

namespace fl {

struct CycleCount {
  uint64_t cycles;                    // of the segment, as the core's CYCLES registers tell them
  uint64_t stall_read, stall_write;   // cycles the array waited for what it reads, and for room to store
  uint64_t bytes_read, bytes_written; // in memory, commands included
  bool stuck;                         // the commands contradict one another: the core's watchdog would end them
};

// Counts a segment. `layer_cycles`, where it is not null, receives the cycle at each layer's end (Command.layer is the index, below
// `layer_capacity`). The commands are taken as correct.
CycleCount count_cycles(const Command *commands, uint32_t count, const Geometry &geometry, const MemoryConfig &memory, uint64_t *layer_cycles,
                        uint32_t layer_capacity);

}  // namespace fl
