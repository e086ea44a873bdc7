// The core's driver: registers, its memory, one segment at a time, and a way back after anything that went wrong.
//
// What it waits for is never something that it wrote itself: the count of finished segments, the error bit, a reset bit that the core clears. So it needs
// no answer between two accesses, and whoever serves the registers may take its time (hls/sim/simulated_board.cpp does).
#pragma once
#include <atomic>
#include <cstdint>
#include <map>

#include "../../core/image.h"
#include "../include/fabriclens_runtime.h"
#include "limits.h"

namespace fl {

// How a segment ended.
struct CoreResult {
  int32_t status = FL_OK;  // or FL_ERROR_DEVICE, FL_ERROR_CANCELLED, FL_ERROR_DEADLINE
  uint32_t layer = NONE;   // of the segment, where the core named one
  uint64_t core_ns = 0;    // its own cycles
  char text[320] = "";     // with FL_ERROR_DEVICE
};

class CoreDevice {
 public:
  // Throws Refusal.
  explicit CoreDevice(const fl_core_device &device);
  CoreDevice(const CoreDevice &) = delete;
  CoreDevice &operator=(const CoreDevice &) = delete;

  const Geometry &geometry() const { return geometry_; }
  bool simulated() const { return simulated_; }
  const char *source() const { return simulated_ ? "rtl" : "measured"; }

  // One holder at a time: of the core, and of the list of what lies in its memory.
  class Hold {
   public:
    Hold(CoreDevice &core, const Limits &limits);
    ~Hold();
    Hold(const Hold &) = delete;
    Hold &operator=(const Hold &) = delete;
    int32_t status() const { return status_; }  // FL_OK: held; else which limit came first

   private:
    CoreDevice &core_;
    int32_t status_;
  };

  // --- For a holder.

  // Bytes of the core's memory, all 0, their place a multiple of CORE_ALIGNMENT. Throws Refusal.
  uint32_t take(uint64_t bytes);
  // Overwrites them with 0.
  void give_back(uint32_t offset);
  uint8_t *at(uint32_t offset) const { return static_cast<uint8_t *>(device_.memory) + offset; }
  uint32_t address_of(uint32_t offset) const { return device_.memory_address + offset; }
  // What was written to, or is to be read from, its memory. False where the caller's sync failed.
  bool to_core(uint32_t offset, uint64_t bytes) const;
  bool from_core(uint32_t offset, uint64_t bytes) const;

  // Stops whatever still runs. False, and a text, where the core does not answer; nothing may be given to it then.
  bool ready(CoreResult &result);
  // Rings and waits for the end. False: result.status, and the core has been reset.
  bool run(const Job &job, const Limits &limits, CoreResult &result);
  // Of the segment that ended last: nanoseconds of each layer.
  void layer_times(uint32_t count, uint64_t *ns);

  bool in_use() const { return !used_.empty(); }
  void describe(fl_core_info &info) const;

 private:
  uint32_t read(uint32_t offset) const { return device_.registers[offset / sizeof(uint32_t)]; }
  void write(uint32_t offset, uint32_t value) { device_.registers[offset / sizeof(uint32_t)] = value; }
  void identify();
  bool reset();
  bool fail(CoreResult &result, int32_t status);
  void name_error(CoreResult &result) const;
  uint64_t ns_of(uint64_t cycles) const { return cycles * 1000000 / device_.clock_khz; }

  fl_core_device device_;
  bool simulated_;
  uint32_t version_ = 0;
  Geometry geometry_{};
  std::atomic<bool> held_{false};
  bool running_ = true;                // as far as is known: before the first reset, and after one that did not end
  std::map<uint32_t, uint64_t> used_;  // offset → bytes
};

// Between what the processor wrote to, or reads from, memory and its accesses to registers: the doorbell comes after all of the former.
inline void settle() {
#if defined(__arm__) || defined(__aarch64__)
  __asm__ volatile("dsb sy" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace fl

struct fl_core : fl::CoreDevice {
  using CoreDevice::CoreDevice;
};
