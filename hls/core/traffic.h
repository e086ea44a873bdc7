// Bytes that one command moves in memory, by what it is for. Part of what the cycle model counts (cycles.h), which knows bursts and no layers.
#pragma once
#include <cstdint>

#include "layout.h"
#include "schedule.h"

namespace fl {

struct Traffic {
  uint64_t weights = 0;  // and the command itself
  uint64_t read = 0, written = 0;
};

inline uint64_t source_bytes(const Command &c, uint32_t planes, bool half) {
  const uint32_t columns = half ? (c.valid_columns + ((c.mode & CommandMode::ODD_COLUMN) ? 1u : 0u) + 1) / 2 : c.valid_columns;
  return uint64_t(planes) * c.valid_rows * columns * PLANE_CHANNELS;
}

inline void count_traffic(const Command &c, const Geometry &geometry, Traffic &t) {
  const uint64_t out = uint64_t(c.out_rows) * c.out_columns * c.planes * PLANE_CHANNELS;
  t.weights += sizeof(Command) + uint64_t(c.weight_steps) * 16 * geometry.output_lanes;
  t.read += source_bytes(c, c.a_planes, c.mode & CommandMode::HALF_A) + source_bytes(c, c.b_planes, c.mode & CommandMode::HALF_B);
  t.read += (c.flags & CommandFlag::RESIDUAL) ? out : 0;
  t.written += (c.flags & CommandFlag::POOL) ? out / 4 : out;
}

}  // namespace fl
