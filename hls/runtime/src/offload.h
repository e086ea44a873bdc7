// A program's share of a core: its commands and weights in the core's memory, its segments of target PL run there.
#pragma once
#include <cstdint>
#include <vector>

#include "crossings.h"
#include "device.h"

struct fl_program;

namespace fl {

class Offload {
 public:
  // Throws Refusal: nothing has changed then.
  Offload(const fl_program &program, CoreDevice &core);
  ~Offload();
  Offload(const Offload &) = delete;
  Offload &operator=(const Offload &) = delete;

  const CoreDevice &core() const { return core_; }
  // Of target PL, in the order of execution.
  uint32_t segments() const { return uint32_t(segments_.size()); }
  uint32_t layers(uint32_t segment) const { return segments_[segment].layers; }
  // Takes what the segment needs from the arena, and brings what others need of it. layer_ns: of the first layer_count layers, where there are any.
  // False: result.status, and the arena's bytes are nobody's answer.
  bool run(uint32_t segment, int8_t *arena, const Limits &limits, uint64_t *layer_ns, uint32_t layer_count, CoreResult &result);

 private:
  struct Part {
    Job job;
    uint32_t layers;
    Crossing crossing;
  };

  bool copy_in(const Part &part, const int8_t *arena);
  bool copy_out(const Part &part, int8_t *arena);

  CoreDevice &core_;
  uint32_t base_ = 0;  // of the activations, in the core's memory; the rest stands behind them
  std::vector<Part> segments_;
};

}  // namespace fl
