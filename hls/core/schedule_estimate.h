// How long commands take, roughly: enough to choose between tilings (hls/core's cycle model is the one to quote). Part of schedule.h.
// While a command computes, the memory brings the next one's window, streams weights and stores; what the next one must wait for is added.
#pragma once
#include "schedule.h"

namespace fl {

class Estimate {
 public:
  Estimate(const Geometry &geometry, const MemoryConfig &memory);
  void add(const Command &c);
  uint64_t end() const;  // cycles until all commands so far are stored

 private:
  struct Cost {
    uint64_t compute, load;  // cycles of the array and of the input loader
    uint64_t input, traffic;  // cycles of the memory: the window; weights, residual and output
  };
  Cost cost_of(const Command &c) const;
  uint64_t cycles_of(uint64_t bytes) const;
  uint64_t rows_cost(uint64_t rows, uint64_t bytes) const;
  uint64_t rows_pace(uint64_t rows, uint64_t bytes) const;

  Geometry geometry_;
  MemoryConfig memory_;
  uint64_t latency_;  // cycles
  uint64_t ring_;     // cycles of the memory to fill the weight ring
  uint64_t start_ = 0;  // of the last command's computation
  uint32_t count_ = 0;
  Cost last_{};
  static constexpr uint32_t AHEAD = 4;  // commands that are fetched before they compute
  uint64_t free_[AHEAD] = {};           // cycles of the memory that were left while the last few computed, for weights to come
};

}  // namespace fl
