// Random layers that feed one another, with everything the core can be asked for, laid out as the compiler might.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "../core/layout.h"

namespace fl {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 0x632be59bd9b4e019) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return uint32_t((state_ ^ (state_ >> 29)) >> 32);
  }
  uint32_t between(uint32_t low, uint32_t high) { return low + next() % (high - low + 1); }
  uint32_t pick(std::initializer_list<uint32_t> list) { return list.begin()[next() % list.size()]; }
  bool chance(uint32_t percent) { return next() % 100 < percent; }
  int8_t code() { return int8_t(next()); }

 private:
  uint64_t state_;
};

// A tensor in the arena.
struct Laid {
  uint32_t height, width, channels, offset, plane_stride, row_stride;
};

struct Axis {
  uint32_t kernel, stride, dilation, before, after, out;
};

class SegmentBuilder {
 public:
  explicit SegmentBuilder(uint64_t seed) : random(seed) {}

  Random random;
  std::vector<Descriptor> layers;
  std::vector<uint8_t> data;
  uint32_t arena_bytes = 0;

  Laid lay(uint32_t height, uint32_t width, uint32_t channels);
  // A layer over `input` without padding, clamp, table or residual, and its output; weights() makes the rest.
  Descriptor layer(uint32_t op, const Laid &input, const Axis &h, const Axis &w, uint32_t channels);
  void residual(Descriptor &d, const Laid &other);
  void table(Descriptor &d);
  // Weights and parameters; the layer is complete then.
  void add(Descriptor d);

  void add_random_layer();

 private:
  Axis random_axis(uint32_t op, uint32_t length);
  void second_source(Descriptor &d);
  void random_output(Descriptor &d);
  uint32_t parameters(uint32_t count, uint32_t reach);
  void put(Descriptor &d, const Laid &output);

  std::vector<Laid> laid_;  // that later layers may read
};

}  // namespace fl
