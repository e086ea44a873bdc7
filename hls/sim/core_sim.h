// The Verilated core (hls/rtl/fl_core.sv) on its clock, between AxiMemory and an AXI4-Lite master for its registers.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "../core/image.h"
#include "memory.h"

class Vdut;

namespace fl {

class CoreSim {
 public:
  AxiMemory memory;

  CoreSim();
  ~CoreSim();

  // rst_n low: core and memory start anew. First of all.
  void reset();
  void cycle();
  void cycles(uint64_t count) {
    while (count-- > 0) cycle();
  }
  uint64_t now() const { return memory.now(); }

  // Any of them throws ProtocolError where the core does not answer. Handshakes take some cycles, at random when asked for.
  uint32_t read(uint32_t offset);
  void write(uint32_t offset, uint32_t value, uint8_t strobes = 0xf);
  void shake_registers(uint64_t seed) { random_ = seed; }
  // From the next reset() on.
  void set_assertions(bool on) { assertions_ = on; }

  bool irq() const;
  // Writes all registers of a job but the doorbell.
  void describe(const Job &job) {
    fl::describe(job, [this](uint32_t offset, uint32_t value) { write(offset, value); });
  }
  // Until the interrupt; false when `bound` cycles passed without it.
  bool wait_for_irq(uint64_t bound);
  // Asks for a soft reset and waits for its end. Throws ProtocolError where it does not come or leaves transactions under way.
  void soft_reset();

 private:
  // What passed on the register port in the last cycle.
  struct Passed {
    bool aw, w, b, ar, r;
  };

  uint32_t delay();
  void until(bool Passed::*what, const char *text);

  std::unique_ptr<Vdut> model_;
  Passed passed_;
  uint32_t answer_;
  uint8_t response_;
  uint64_t random_;
  bool assertions_;
};

}  // namespace fl
