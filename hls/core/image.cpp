#include "image.h"

#include <cstring>

namespace fl {
namespace {

// Behind what is there, aligned as the core wants it; where it begins.
uint32_t append(std::vector<uint8_t> &to, const void *from, size_t bytes) {
  const size_t at = size_t(core_aligned(to.size()));
  to.resize(at + bytes);
  if (bytes > 0) std::memcpy(to.data() + at, from, bytes);
  return uint32_t(at);
}

}  // namespace

Geometry geometry_of(uint32_t capability) {
  return {capability >> 8 & 0xff, capability >> 16 & 0xff, 1u << (capability >> 24 & 0xf), 1u << (capability >> 28)};
}

void CoreImage::add(const Schedule &s) {
  const uint32_t at = append(commands, s.commands.data(), s.commands.size() * sizeof(Command));
  parts_.push_back({at, uint32_t(s.commands.size()), append(weights, s.weights.data(), s.weights.size()), uint32_t(s.weights.size())});
}

Job CoreImage::job(size_t segment, const Placement &at, uint32_t arena_bytes) const {
  const Part &p = parts_[segment];
  return {at.commands + p.commands, p.command_count, at.arena, arena_bytes, at.data + p.weights, p.weight_bytes};
}

}  // namespace fl
