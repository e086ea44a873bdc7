// When the memory behind the HP ports answers: one server that both ports share, reads and writes alike, after a fixed latency.
// The cycle model and the Verilated core's memory (hls/sim/memory.h) both ask this class, so that they agree to the cycle.
//
//   MemoryTiming memory({});                                  // 1.0 GB/s, 400 ns, 100 MHz
//   MemoryTiming::Read r = memory.read(now, 16);              // AR accepted in cycle `now`
//   memory.ready(r, i)                                        // beat i may be given from this cycle on
//   memory.last(r, from)                                      // cycle of its last beat: one a cycle, the first not before `from`
//   memory.write(now, 16)                                     // last W beat accepted in `now`: the response may be given from this cycle on
//
// Calls in the order of their cycles; in one cycle port 0 before port 1 and reads before writes. Times are exact in 1/65536 cycle.
#pragma once
#include <cstdint>

namespace fl {

struct MemoryConfig {
  uint64_t bytes_per_second = 1000000000;  // of both ports and directions together
  uint32_t latency_ns = 400;
  uint32_t clock_khz = 100000;
};

class MemoryTiming {
 public:
  static constexpr uint32_t BEAT_BYTES = 8;
  static constexpr uint32_t BURST_BEATS = 16;  // AXI3
  static constexpr uint32_t OUTSTANDING = 8;   // reads, and writes, of one port that wait for their end; beyond, address channels are not ready
  static constexpr uint32_t LEAST_BYTES = 32;  // what the DRAM moves for a burst that is shorter

  struct Read {
    uint64_t start;  // of the data, in 1/65536 cycle
    uint64_t cost;   // from its first byte to its last, likewise
    uint32_t beats;
  };

  explicit MemoryTiming(const MemoryConfig &config)
      : config_(config), latency_(uint64_t(config.latency_ns) * config.clock_khz * ONE / 1000000), free_(0) {}

  Read read(uint64_t now, uint32_t beats) {
    const uint64_t cost = cost_of(beats);
    const uint64_t start = serve(now, cost);
    return {start + latency_, cost, beats};
  }

  static uint64_t ready(const Read &r, uint32_t beat) { return ceiling(r.start + r.cost * (beat + 1) / r.beats); }

  // Readiness rises evenly, so that either the first beat or the last decides.
  static uint64_t last(const Read &r, uint64_t from) {
    const uint64_t first = ready(r, 0) > from ? ready(r, 0) : from;
    const uint64_t one_a_cycle = first + r.beats - 1, end = ready(r, r.beats - 1);
    return one_a_cycle > end ? one_a_cycle : end;
  }

  uint64_t write(uint64_t now, uint32_t beats) {
    serve(now, cost_of(beats));
    return ceiling(free_ + latency_);
  }

 private:
  static constexpr uint64_t ONE = 65536;

  static uint64_t ceiling(uint64_t time) { return (time + ONE - 1) / ONE; }

  uint64_t cost_of(uint32_t beats) const {
    const uint64_t bytes = uint64_t(beats) * BEAT_BYTES;
    return (bytes > LEAST_BYTES ? bytes : LEAST_BYTES) * config_.clock_khz * 1000 * ONE / config_.bytes_per_second;
  }

  uint64_t serve(uint64_t now, uint64_t cost) {
    const uint64_t start = now * ONE > free_ ? now * ONE : free_;
    free_ = start + cost;
    return start;
  }

  MemoryConfig config_;
  uint64_t latency_, free_;  // in 1/65536 cycle; free_: when the server has done all that it took
};

}  // namespace fl
