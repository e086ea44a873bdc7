// A program.bin in the simulated memory, beside the golden model's own memory: what one of them leaves is held against the other.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../core/core.h"
#include "../core/image.h"
#include "../runtime/src/program.h"
#include "core_sim.h"

namespace fl {

class Network {
 public:
  // Layers that one doorbell runs, or that the processor runs; or float operators, which stand behind the layers before first_layer.
  struct Stage {
    bool on_core;
    uint32_t first_layer, layers;
    uint32_t first_float, floats;
    Job job;  // of a stage on the core
  };

  // Two can lie in memory at once. Throws Refusal. single: a doorbell a layer, so that the first layer at fault is found whatever the arena reuses.
  Network(std::vector<uint8_t> bytes, const Geometry &geometry, const Placement &placement, bool single);
  Network(const Network &) = delete;

  void map(AxiMemory &memory);
  const std::vector<Stage> &stages() const { return stages_; }
  const Program &program() const { return program_; }
  uint32_t input_bytes() const { return ports_bytes(Direction::INPUT); }
  uint32_t output_bytes() const { return ports_bytes(Direction::OUTPUT); }

  // Both arenas: random bytes, other ones in each, then all inputs, one behind the other.
  void start(const std::vector<uint8_t> &inputs, uint64_t seed);
  void run_golden(const Stage &stage);
  // A stage of the processor, on the core's arena.
  void run_processor(const Stage &stage);
  // "" or which layer of the stage differs first, and where. Looks at the layers whose output no later layer of the stage overwrites; float operators,
  // the same code on both sides, are no layers here.
  std::string differences(const Stage &stage) const;
  // Of the core's arena.
  std::vector<uint8_t> outputs() const;

  uint8_t *commands_of(const Stage &stage) { return image_.commands.data() + (stage.job.command_address - placement_.commands); }

 private:
  void add_stage(bool on_core, uint32_t first_layer, uint32_t layers, const Geometry &geometry);
  void run(const Stage &stage, std::vector<int8_t> &arena, std::vector<float> &float_arena);
  uint32_t ports_bytes(uint32_t direction) const;
  std::string difference(uint32_t layer) const;

  std::vector<uint8_t> bytes_;
  Program program_;
  Placement placement_;
  std::vector<Stage> stages_;
  std::vector<int8_t> golden_, arena_, row_;
  std::vector<float> golden_floats_, floats_;
  std::vector<uint32_t> scratch_;
  std::vector<std::vector<int16_t>> weights_;  // prepared, of each layer
  std::vector<int16_t> patches_;
  CoreImage image_;
};

}  // namespace fl
