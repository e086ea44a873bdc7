#include "schedule_estimate.h"

#include <algorithm>

#include "schedule_shape.h"

namespace fl {
namespace {

constexpr uint64_t COMMAND_OVERHEAD = 60;  // cycles between the last step of a command and the first of the next
constexpr uint64_t BLOCK_CYCLES = 32;      // from a header to the next, at least
constexpr uint64_t DRAIN = 40;             // from the last step to the last byte on its way to the memory
constexpr uint64_t BURST_BYTES = uint64_t(MemoryTiming::BURST_BEATS) * MemoryTiming::BEAT_BYTES;

}  // namespace

Estimate::Estimate(const Geometry &geometry, const MemoryConfig &memory)
    : geometry_(geometry), memory_(memory), latency_(uint64_t(memory.latency_ns) * memory.clock_khz / 1000000) {
  ring_ = cycles_of(uint64_t(geometry.weight_steps) * LANES * geometry.output_lanes);
}

uint64_t Estimate::cycles_of(uint64_t bytes) const { return bytes * memory_.clock_khz * 1000 / memory_.bytes_per_second; }

// Cycles of the memory for rows of so many bytes: what is shorter than the least burst costs as much.
uint64_t Estimate::rows_cost(uint64_t rows, uint64_t bytes) const { return cycles_of(rows * std::max<uint64_t>(bytes, MemoryTiming::LEAST_BYTES)); }

// Cycles of the port: a beat a cycle, and no more bursts than may be outstanding.
uint64_t Estimate::rows_pace(uint64_t rows, uint64_t bytes) const {
  const uint64_t bursts = (bytes + BURST_BYTES - 1) / BURST_BYTES;
  return rows * std::max(bytes / MemoryTiming::BEAT_BYTES, bursts * latency_ / MemoryTiming::OUTSTANDING);
}

Estimate::Cost Estimate::cost_of(const Command &c) const {
  Cost cost{};
  const uint32_t lanes = geometry_.output_lanes;
  const uint64_t pixels = uint64_t(c.out_rows) * c.out_columns, groups = (pixels + geometry_.pixel_lanes - 1) / geometry_.pixel_lanes;
  const uint64_t steps = uint64_t(c.kernel_h) * c.kernel_w * c.depth;
  const uint64_t planes = std::min<uint64_t>(c.kind == CommandKind::REDUCE ? lanes / PLANE_CHANNELS : 2, c.planes);
  const uint64_t group = std::max(steps, planes * std::min<uint64_t>(pixels, geometry_.pixel_lanes));
  cost.compute = COMMAND_OVERHEAD + c.blocks * std::max(BLOCK_CYCLES, 1 + groups * group);

  for (uint32_t source = 0; source < 2; source++) {
    const bool half = c.mode & (source == 0 ? CommandMode::HALF_A : CommandMode::HALF_B);
    const uint64_t bytes = (half ? (c.valid_columns + 1u) / 2 : c.valid_columns) * uint64_t(PLANE_CHANNELS);
    const uint64_t rows = uint64_t(source == 0 ? c.a_planes : c.b_planes) * c.valid_rows;
    cost.input += rows_cost(rows, bytes);
    cost.load += std::max(rows_pace(rows, bytes), uint64_t(source == 0 ? c.a_planes : c.b_planes) * c.rows * c.columns);
  }
  cost.load = std::max(cost.load, cost.input);

  const uint64_t stream = uint64_t(c.weight_steps) * LANES * lanes;
  const uint64_t out_rows = uint64_t(c.planes) * c.store_rows, out_bytes = uint64_t(c.store_columns) * PLANE_CHANNELS;
  const uint64_t out = rows_cost(out_rows, out_bytes);
  cost.traffic = cycles_of(stream) + out + (c.flags & CommandFlag::RESIDUAL ? out : 0);
  cost.compute = std::max({cost.compute, stream / MemoryTiming::BEAT_BYTES, rows_pace(out_rows, out_bytes)});
  // A block that fills more than half the ring leaves no room for the next one until its last group.
  const uint64_t needed = 2 * (c.weight_steps / std::max<uint32_t>(c.blocks, 1));
  if (groups > 1 && needed > geometry_.weight_steps) cost.compute += c.blocks * cycles_of((needed - geometry_.weight_steps) * LANES * lanes);
  return cost;
}

void Estimate::add(const Command &c) {
  Cost next = cost_of(c);
  uint64_t free = latency_;  // cycles in which the memory can bring weights before the next command starts
  if (count_ == 0) {
    start_ = 2 * latency_ + next.load;
  } else if (c.wait_stores == count_) {
    const uint64_t computed = std::max(last_.compute, last_.traffic);
    start_ += computed + DRAIN + 2 * latency_ + next.load;
    free = computed - last_.traffic + DRAIN + 2 * latency_;
  } else {
    const uint64_t shared = last_.traffic + next.input;
    const uint64_t loaded = (c.wait_stores + 1 == count_ ? DRAIN + latency_ : 0) + latency_ + next.load;
    const uint64_t all = std::max({last_.compute, shared, loaded});
    start_ += all;
    free = all - shared;
  }
  free_[count_ % AHEAD] = free;
  uint64_t early = std::min(cycles_of(uint64_t(c.weight_steps) * LANES * geometry_.output_lanes), ring_);
  for (uint32_t back = 0; back < AHEAD; back++) {
    uint64_t &left = free_[(count_ + AHEAD - back) % AHEAD];
    const uint64_t used = std::min(left, early);
    left -= used;
    early -= used;
    next.traffic -= used;
  }
  last_ = next;
  count_++;
}

uint64_t Estimate::end() const { return start_ + std::max(last_.compute, last_.traffic) + DRAIN + latency_; }

}  // namespace fl
