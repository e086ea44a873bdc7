#include "offload.h"

#include <cstdio>
#include <cstring>

#include "estimate.h"

namespace fl {
namespace {

// Programs too large for any memory of the core's are refused by its size; this keeps what is made before that from filling this computer's.
constexpr uint64_t MOST_BYTES = uint64_t(1) << 32;

}  // namespace

Offload::Offload(const fl_program &program, CoreDevice &core) : core_(core) {
  const Program &parsed = fl::parsed(program);
  CoreImage image;
  uint32_t before = 0;
  for (const Segment &s : parsed.segments) {
    if (s.target == Target::PL) {
      image.add(scheduled(program, s, before, core.geometry()));
      if (image.commands.size() + image.weights.size() > MOST_BYTES) throw Refusal{FL_ERROR_MEMORY, "commands and weights take more than the 4 GB that the core can address"};
      segments_.push_back({{}, s.count, {}});
    }
    before += s.count;
  }
  const uint64_t arena = core_aligned(parsed.header.arena_bytes), weights = core_aligned(image.weights.size());
  // Before anything is taken: what fails from there on has to give it back.
  std::vector<Crossing> crossings = crossings_of(parsed);
  const CoreDevice::Hold hold(core, {});
  base_ = core.take(arena + weights + image.commands.size());
  // Inside what was taken, and so inside the buffer: the core itself keeps every access inside what a job names.
  const uint32_t weights_at = base_ + uint32_t(arena), commands_at = weights_at + uint32_t(weights);
  if (!image.weights.empty()) std::memcpy(core.at(weights_at), image.weights.data(), image.weights.size());
  if (!image.commands.empty()) std::memcpy(core.at(commands_at), image.commands.data(), image.commands.size());
  const Placement place{core.address_of(base_), core.address_of(weights_at), core.address_of(commands_at)};
  for (size_t i = 0; i < segments_.size(); i++) {
    segments_[i].job = image.job(i, place, parsed.header.arena_bytes);
    segments_[i].crossing = std::move(crossings[i]);
  }
  if (!core.to_core(base_, arena + weights + image.commands.size())) {
    core.give_back(base_);
    throw Refusal{FL_ERROR_DEVICE, "the core's memory cannot be synchronised"};
  }
}

Offload::~Offload() {
  const CoreDevice::Hold hold(core_, {});
  core_.give_back(base_);
}

bool Offload::copy_in(const Part &part, const int8_t *arena) {
  for (const Range &r : part.crossing.in) {
    uint8_t *to = core_.at(base_ + r.offset);
    std::memcpy(to, arena + r.offset, r.bytes);
    if (!core_.to_core(base_ + r.offset, r.bytes)) return false;
    // What is read back has left every buffer on its way: memory that isn't cached is written with delay, and no barrier of user space reaches a Zynq's L2.
    settle();
    static_cast<void>(*static_cast<const volatile uint8_t *>(to + r.bytes - 1));
  }
  return true;
}

bool Offload::copy_out(const Part &part, int8_t *arena) {
  for (const Range &r : part.crossing.out) {
    if (!core_.from_core(base_ + r.offset, r.bytes)) return false;
    std::memcpy(arena + r.offset, core_.at(base_ + r.offset), r.bytes);
  }
  return true;
}

bool Offload::run(uint32_t segment, int8_t *arena, const Limits &limits, uint64_t *layer_ns, uint32_t layer_count, CoreResult &result) {
  const Part &part = segments_[segment];
  const CoreDevice::Hold hold(core_, limits);
  if (hold.status() != FL_OK) {
    result.status = hold.status();
    return false;
  }
  const auto lost = [&] {
    result.status = FL_ERROR_DEVICE;
    std::snprintf(result.text, sizeof result.text, "the core's memory cannot be synchronised");
    return false;
  };
  // Ready before anything is copied: what still runs may write here.
  if (!core_.ready(result)) return false;
  if (!copy_in(part, arena)) return lost();
  if (!core_.run(part.job, limits, result)) return false;
  if (layer_count > 0) core_.layer_times(layer_count, layer_ns);
  return copy_out(part, arena) || lost();
}

}  // namespace fl
