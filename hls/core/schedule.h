// Cuts the layers of a PL segment into the core's commands (tiles) and packs their weights, for one array shape. It runs when a program
// is loaded, on the host or the board's ARM cores; it is not synthesised, so std::vector is fine here.
//
//   Schedule s = schedule_segment(layers, count, data);   // layers as hls/runtime/src/check_layer.cpp lets them pass
//   if (!s.refusal.empty()) …                              // one sentence that names the limit; the rest is empty then
//   s.commands → COMMAND_ADDRESS, s.weights → DATA_ADDRESS
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "layout.h"
#include "memory_timing.h"

namespace fl {

// What register CAPABILITY states.
struct Geometry {
  uint32_t output_lanes;  // 8 or 16 output channels at once
  uint32_t pixel_lanes;   // 3 or 1 output pixels at once, and as many buffer banks
  uint32_t bank_rows;     // of 16 channels
  uint32_t weight_steps;  // of the ring: a step is a weight for each of 16 x output_lanes multipliers
};
constexpr Geometry DEFAULT_GEOMETRY{8, 3, 4096, 1024};

constexpr uint32_t MAX_COMMANDS = 65535;  // COMMAND_COUNT has 16 bits

// How a layer was cut.
struct Tiling {
  uint32_t first_command, commands;
  uint32_t rows, columns, blocks;  // of a full tile
  bool kept;                       // the weights are read once and stay in the ring
  uint64_t cycles;                 // estimated, from the end of the layer before
};

struct Schedule {
  std::vector<Command> commands;
  std::vector<uint8_t> weights;  // what DATA_ADDRESS points at
  std::vector<Tiling> tilings;   // one a layer
  std::string refusal;           // empty, or why the core cannot run the segment
};

// nullptr if a core of this shape can run the layer; else `text`, one sentence that names the limit.
const char *core_refusal(const Descriptor &d, const Geometry &geometry, char *text, size_t size);

// `data` is section DATA. The memory's numbers matter for the choice of tiles alone.
Schedule schedule_segment(const Descriptor *layers, uint32_t count, const uint8_t *data, const Geometry &geometry = DEFAULT_GEOMETRY,
                          const MemoryConfig &memory = {});

}  // namespace fl
