// What a driver puts into the core's memory for the segments of one program, and what it tells the core of each.
//
//   CoreImage image;
//   image.add(schedule_segment(...));                   // once a segment, in order
//   image.commands, image.weights → memory
//   describe(image.job(0, where, arena_bytes), write)   // then the doorbell
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "schedule.h"

namespace fl {

// To the next place in the core's memory.
inline uint64_t core_aligned(uint64_t bytes) { return (bytes + CORE_ALIGNMENT - 1) / CORE_ALIGNMENT * CORE_ALIGNMENT; }

// Where the parts of a program lie, as the core sees them; each a multiple of CORE_ALIGNMENT.
struct Placement {
  uint32_t arena, data, commands;
};

struct Job {
  uint32_t command_address, command_count;
  uint32_t arena_address, arena_bytes;
  uint32_t data_address, data_bytes;
};

// Calls write(register, value) for all of a job but the doorbell.
template <typename Write>
void describe(const Job &job, Write write) {
  write(Register::COMMAND_ADDRESS, job.command_address);
  write(Register::COMMAND_COUNT, job.command_count);
  write(Register::ARENA_ADDRESS, job.arena_address);
  write(Register::ARENA_BYTES, job.arena_bytes);
  write(Register::DATA_ADDRESS, job.data_address);
  write(Register::DATA_BYTES, job.data_bytes);
}

// The shape that register CAPABILITY states.
Geometry geometry_of(uint32_t capability);

class CoreImage {
 public:
  std::vector<uint8_t> commands, weights;  // of all segments, one behind the other

  void add(const Schedule &schedule);
  size_t segments() const { return parts_.size(); }
  Job job(size_t segment, const Placement &at, uint32_t arena_bytes) const;

 private:
  struct Part {
    uint32_t commands, command_count, weights, weight_bytes;
  };
  std::vector<Part> parts_;
};

}  // namespace fl
