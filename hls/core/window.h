// Where the golden model reads: windows over the input, the planes that they lie in, and the tiles of output pixels that share the work.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core.h"

namespace fl::golden {

constexpr uint32_t TILE_PIXELS = PART_RESULTS;  // output pixels that are worked on at once, consecutive in the flattened output
constexpr uint32_t PIXEL = PLANE_CHANNELS;      // bytes of a pixel in its plane

inline uint32_t min_of(uint32_t a, uint32_t b) { return a < b ? a : b; }

// A dense layer is a convolution whose kernel is its whole input.
struct Window {
  uint32_t height, width, stride_h, stride_w, dilation_h, dilation_w;
  int32_t pad_top, pad_left;
  uint32_t taps() const { return height * width; }
};

inline Window window_of(const Descriptor &d) {
  if (d.op == Op::DENSE) return {d.input_height, d.input_width, 1, 1, 1, 1, 0, 0};
  if (d.op == Op::ADD || d.op == Op::TABLE || d.op == Op::COPY) return {1, 1, 1, 1, 1, 1, 0, 0};
  return {d.kernel_h, d.kernel_w, d.stride_h, d.stride_w, d.dilation_h, d.dilation_w, d.pad_top, d.pad_left};
}

// One plane of what the layer sees: of the first source, or of the second behind it.
struct Plane {
  const int8_t *at;
  size_t row_stride;
  uint32_t half;  // 1: lies there at half the resolution

  const int8_t *pixel(uint32_t y, uint32_t x) const { return at + size_t(y >> half) * row_stride + size_t(x >> half) * PIXEL; }
};

inline Plane plane_of(const Descriptor &d, const int8_t *arena, uint32_t plane) {
  const uint32_t first = planes_of(d.input_channels - d.second_channels);
  if (plane < first) {
    return {arena + d.input_offset + size_t(plane) * d.input_plane_stride, d.input_row_stride, (d.flags & DescriptorFlag::UPSAMPLE_FIRST) != 0};
  }
  return {arena + d.second_offset + size_t(plane - first) * d.second_plane_stride, d.second_row_stride, (d.flags & DescriptorFlag::UPSAMPLE_SECOND) != 0};
}

// The window of one output pixel: where it starts, and which of its rows and columns lie inside the input.
struct Taps {
  int32_t y, x;
  uint32_t top, bottom, left, right;  // bottom and right are one past the last

  uint32_t inside() const { return (bottom - top) * (right - left); }
};

inline void inside_of(int32_t start, uint32_t kernel, uint32_t dilation, uint32_t length, uint32_t &first, uint32_t &end) {
  // Most have no dilation, and the board's processor has no division.
  const uint32_t before = uint32_t(-start) + dilation - 1, reach = uint32_t(int32_t(length) - start + int32_t(dilation) - 1);
  first = start >= 0 ? 0 : dilation == 1 ? before : before / dilation;
  end = min_of(kernel, dilation == 1 ? reach : reach / dilation);
  if (end < first) end = first;
}

// Results of the window: four times the outputs where the largest of each 2 x 2 is what is written.
inline bool is_pooled(const Descriptor &d) { return (d.flags & DescriptorFlag::POOL_OUTPUT) != 0; }
inline uint32_t results_of(const Descriptor &d) { return uint32_t(d.output_height) * d.output_width * (is_pooled(d) ? 4 : 1); }

// Results, consecutive in the flattened output; those of one output pixel behind one another where they are pooled.
struct Tile {
  uint32_t count;
  uint32_t y[TILE_PIXELS], x[TILE_PIXELS];
  Taps taps[TILE_PIXELS];
};

inline void locate(const Descriptor &d, const Window &w, uint32_t first, uint32_t count, Tile &tile) {
  tile.count = count;
  const bool pooled = is_pooled(d);
  uint32_t y = (pooled ? first / 4 : first) / d.output_width, x = (pooled ? first / 4 : first) % d.output_width;
  for (uint32_t p = 0; p < count; p++) {
    const uint32_t index = first + p;
    tile.y[p] = pooled ? 2 * y + index / 2 % 2 : y;
    tile.x[p] = pooled ? 2 * x + index % 2 : x;
    // The next output pixel: behind each result, or behind the fourth of those that are pooled.
    if ((!pooled || index % 4 == 3) && ++x == d.output_width) {
      x = 0;
      y++;
    }
    Taps &t = tile.taps[p];
    t.y = int32_t(tile.y[p] * w.stride_h) - w.pad_top;
    t.x = int32_t(tile.x[p] * w.stride_w) - w.pad_left;
    inside_of(t.y, w.height, w.dilation_h, d.input_height, t.top, t.bottom);
    inside_of(t.x, w.width, w.dilation_w, d.input_width, t.left, t.right);
  }
}

}  // namespace fl::golden
