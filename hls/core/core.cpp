#include "core.h"

#include <cstring>

#include "arithmetic.h"
#include "window.h"

namespace fl {
namespace {

using namespace golden;

constexpr uint32_t TILE_CHANNELS = PART_CHANNELS;  // output channels that are worked on at once: whole planes
constexpr uint32_t ARRAY_PIXELS = 2;    // output pixels x channels of the multiplier array's inner block
constexpr uint32_t ARRAY_CHANNELS = 4;
constexpr uint32_t LANES = 32;          // a patch is padded with zeros to a multiple of this

uint32_t round_up(uint32_t value, uint32_t step) { return (value + step - 1) / step * step; }

// Channels of a tap in a patch: a plane's, or fewer where the input has fewer.
uint32_t tap_lanes(const Descriptor &d) { return d.op != Op::DEPTHWISE && d.input_channels < PLANE_CHANNELS ? d.input_channels : PLANE_CHANNELS; }

inline void fill(int16_t value, uint32_t count, int16_t *to) {
  for (uint32_t i = 0; i < count; i++) to[i] = value;
}

inline void widen_pixel(const int8_t *from, int16_t *to) {
  int16_t wide[PIXEL];
  for (uint32_t i = 0; i < PIXEL; i++) {
    FL_HLS(UNROLL)
    wide[i] = from[i];
  }
  std::memcpy(to, wide, sizeof wide);
}

// All taps of one plane for each pixel of a tile: kernel rows of kernel columns of `lanes` channels, padding as the zero point. Every tap
// writes a whole pixel, so fewer lanes are overwritten by the next tap, and up to a pixel is written behind the last.
FL_HOT void gather_plane(const Plane &plane, const Window &w, const Tile &tile, int16_t zero, uint32_t lanes, size_t patch_stride, int16_t *patches) {
  for (uint32_t p = 0; p < tile.count; p++) {
    const Taps &t = tile.taps[p];
    int16_t *to = patches + p * patch_stride;
    for (uint32_t ky = 0; ky < w.height; ky++, to += w.width * lanes) {
      const bool row_inside = ky >= t.top && ky < t.bottom;
      const uint32_t left = row_inside ? t.left : w.width, right = row_inside ? t.right : w.width;
      for (uint32_t kx = 0; kx < left; kx++) fill(zero, PIXEL, to + kx * lanes);
      if (!row_inside) continue;
      const uint32_t y = uint32_t(t.y + int32_t(ky * w.dilation_h));
      if (plane.half) {
        for (uint32_t kx = left; kx < right; kx++) widen_pixel(plane.pixel(y, uint32_t(t.x + int32_t(kx * w.dilation_w))), to + kx * lanes);
      } else if (left < right) {
        const int8_t *from = plane.pixel(y, uint32_t(t.x + int32_t(left * w.dilation_w)));
        for (uint32_t kx = left; kx < right; kx++, from += w.dilation_w * PIXEL) widen_pixel(from, to + kx * lanes);
      }
      for (uint32_t kx = right; kx < w.width; kx++) fill(zero, PIXEL, to + kx * lanes);
    }
  }
}

// The multiplier array: ARRAY_PIXELS patches times ARRAY_CHANNELS weight rows, int32 accumulators.
inline void multiply(const int16_t *__restrict patches, const int16_t *__restrict weights, uint32_t depth, int32_t *__restrict accumulators) {
  int32_t sum[ARRAY_PIXELS][ARRAY_CHANNELS] = {};
  FL_HLS(ARRAY_PARTITION variable = sum complete dim = 0)
  for (uint32_t k = 0; k < depth; k++) {
    FL_HLS(PIPELINE II = 1)
    for (uint32_t p = 0; p < ARRAY_PIXELS; p++) {
      FL_HLS(UNROLL)
      for (uint32_t c = 0; c < ARRAY_CHANNELS; c++) {
        FL_HLS(UNROLL)
        sum[p][c] += int32_t(patches[size_t(p) * depth + k]) * int32_t(weights[size_t(c) * depth + k]);
      }
    }
  }
  for (uint32_t p = 0; p < ARRAY_PIXELS; p++) {
    for (uint32_t c = 0; c < ARRAY_CHANNELS; c++) accumulators[p * TILE_CHANNELS + c] = sum[p][c];
  }
}

FL_HOT void multiply_tile(const int16_t *patches, const int16_t *weights, uint32_t depth, uint32_t pixels, uint32_t channels, int32_t *accumulators) {
  for (uint32_t c = 0; c < channels; c += ARRAY_CHANNELS) {
    for (uint32_t p = 0; p < pixels; p += ARRAY_PIXELS) {
      multiply(patches + size_t(p) * depth, weights + size_t(c) * depth, depth, accumulators + p * TILE_CHANNELS + c);
    }
  }
}

// Each channel of a plane by itself.
FL_HOT void multiply_plane(const int16_t *__restrict patches, const int16_t *__restrict weights, uint32_t taps, uint32_t pixels, int32_t *__restrict accumulators) {
  for (uint32_t p = 0; p < pixels; p++) {
    int32_t sum[PIXEL] = {};
    FL_HLS(ARRAY_PARTITION variable = sum complete dim = 0)
    for (uint32_t k = 0; k < taps * PIXEL; k += PIXEL) {
      FL_HLS(PIPELINE II = 1)
      for (uint32_t c = 0; c < PIXEL; c++) {
        FL_HLS(UNROLL)
        sum[c] += int32_t(patches[p * taps * PIXEL + k + c]) * int32_t(weights[k + c]);
      }
    }
    for (uint32_t c = 0; c < PIXEL; c++) accumulators[p * TILE_CHANNELS + c] = sum[c];
  }
}

// Requantisation of a tile's channels; pad lanes come out as the zero point.
struct Scales {
  int32_t bias[TILE_CHANNELS];
  uint32_t multiplier[TILE_CHANNELS], shift[TILE_CHANNELS];

  void set(uint32_t channel, Parameter parameter) {
    bias[channel] = parameter.bias;
    multiplier[channel] = multiplier_of(parameter.scale);
    shift[channel] = shift_of(parameter.scale);
  }
};

const Parameter *parameters_of(const Descriptor &d, const Memory &m) {
  return reinterpret_cast<const Parameter *>(m.data + d.parameters_offset);
}

void load_scales(const Parameter *parameters, uint32_t channels, Scales &scales) {
  constexpr Parameter PAD{0, 1u << 24};
  for (uint32_t c = 0; c < round_up(channels, PIXEL); c++) scales.set(c, c < channels ? parameters[c] : PAD);
}

FL_HOT void requantise_row(const int32_t *__restrict accumulators, const Scales &scales, uint32_t channels, int32_t zero_point, int8_t *__restrict codes) {
  for (uint32_t c = 0; c < channels; c++) {
    FL_HLS(PIPELINE II = 1)
    codes[c] = requantise(accumulators[c] + scales.bias[c], scales.multiplier[c], scales.shift[c], zero_point);
  }
}

FL_HOT void add_row(const Descriptor &d, const int8_t *__restrict residual, uint32_t channels, int8_t *__restrict codes) {
  const int64_t a = d.add_multiplier_a, b = d.add_multiplier_b;
  const uint32_t shift = d.add_shift;
  const int32_t zero_a = d.add_zero_a, zero_b = d.add_zero_b, zero_out = d.add_zero_out;
  for (uint32_t c = 0; c < channels; c++) {
    FL_HLS(PIPELINE II = 1)
    codes[c] = saturate(round_shift((codes[c] - zero_a) * a + (residual[c] - zero_b) * b, shift) + zero_out);
  }
}

// Codes of one result's channels from plane `plane` on: table, residual add, clamp, pool, store.
FL_HOT void output_stage(const Descriptor &d, const Memory &m, uint32_t y, uint32_t x, uint32_t plane, uint32_t channels, int8_t *codes) {
  if (d.flags & DescriptorFlag::HAS_TABLE) {
    const int8_t *table = reinterpret_cast<const int8_t *>(m.data + d.table_offset);
    for (uint32_t c = 0; c < channels; c++) codes[c] = table[int32_t(codes[c]) + 128];
  }
  if (d.flags & DescriptorFlag::HAS_RESIDUAL) {
    int8_t residual[TILE_CHANNELS] = {};
    const int8_t *from = m.arena + d.residual_offset + size_t(plane) * d.residual_plane_stride + size_t(y) * d.residual_row_stride + size_t(x) * PIXEL;
    for (uint32_t c = 0; c < channels; c += PIXEL, from += d.residual_plane_stride) std::memcpy(residual + c, from, PIXEL);
    add_row(d, residual, channels, codes);
  }
  for (uint32_t c = 0; c < channels; c++) codes[c] = codes[c] < d.output_min ? d.output_min : codes[c] > d.output_max ? d.output_max : codes[c];
  const uint32_t halve = is_pooled(d);
  int8_t *to = m.arena + d.output_offset + size_t(plane) * d.output_plane_stride + size_t(y >> halve) * d.output_row_stride + size_t(x >> halve) * PIXEL;
  // The first of a pooled 2 x 2 is stored as it is, the others where they are larger.
  const bool first = !halve || ((y | x) & 1) == 0;
  for (uint32_t c = 0; c < channels; c += PIXEL, to += d.output_plane_stride) {
    for (uint32_t i = 0; i < PIXEL; i++) to[i] = first || codes[c + i] > to[i] ? codes[c + i] : to[i];
  }
}

FL_HOT void max_window(const Plane &plane, const Taps &t, int8_t *codes) {
  int8_t best[PIXEL];
  std::memset(best, -128, PIXEL);
  for (uint32_t ky = t.top; ky < t.bottom; ky++) {
    for (uint32_t kx = t.left; kx < t.right; kx++) {
      const int8_t *in = plane.pixel(uint32_t(t.y + int32_t(ky)), uint32_t(t.x + int32_t(kx)));
      for (uint32_t c = 0; c < PIXEL; c++) best[c] = in[c] > best[c] ? in[c] : best[c];
    }
  }
  std::memcpy(codes, best, PIXEL);
}

FL_HOT void sum_window(const Plane &plane, const Taps &t, int32_t padding, int32_t *sums) {
  int32_t sum[PIXEL];
  for (uint32_t c = 0; c < PIXEL; c++) sum[c] = padding;
  for (uint32_t ky = t.top; ky < t.bottom; ky++) {
    for (uint32_t kx = t.left; kx < t.right; kx++) {
      const int8_t *in = plane.pixel(uint32_t(t.y + int32_t(ky)), uint32_t(t.x + int32_t(kx)));
      for (uint32_t c = 0; c < PIXEL; c++) sum[c] += in[c];
    }
  }
  std::memcpy(sums, sum, sizeof sum);
}

// One layer, and what its tiles share.
struct Layer {
  const Descriptor &d;
  const Memory &m;
  const Window window;
  const uint32_t lanes;  // of a tap
  const uint32_t depth;  // of a patch
};

uint32_t depth_of(const Descriptor &d) {
  const uint32_t taps = window_of(d).taps();
  return d.op == Op::DEPTHWISE ? taps * PIXEL : round_up(planes_of(d.input_channels) * taps * tap_lanes(d), LANES);
}

void gather(const Layer &l, const Tile &tile) {
  const uint32_t planes = planes_of(l.d.input_channels), each = l.window.taps() * l.lanes, used = planes * each;
  for (uint32_t plane = 0; plane < planes; plane++) {
    gather_plane(plane_of(l.d, l.m.arena, plane), l.window, tile, l.d.input_zero_point, l.lanes, l.depth, l.m.patches + size_t(plane) * each);
  }
  for (uint32_t p = 0; p < tile.count; p++) fill(0, l.depth - used, l.m.patches + size_t(p) * l.depth + used);
}

// `channels` output channels from plane `plane` on; codes hold TILE_CHANNELS a pixel.
void convolve(const Layer &l, const Tile &tile, uint32_t plane, uint32_t channels, int8_t *codes) {
  int32_t accumulators[TILE_PIXELS * TILE_CHANNELS];
  Scales scales;
  const uint32_t first = plane * PLANE_CHANNELS, padded = round_up(channels, PIXEL);
  if (l.d.op == Op::DEPTHWISE) {
    for (uint32_t c = 0; c < padded; c += PIXEL) {
      gather_plane(plane_of(l.d, l.m.arena, plane + c / PIXEL), l.window, tile, l.d.input_zero_point, PIXEL, l.depth, l.m.patches);
      multiply_plane(l.m.patches, l.m.weights + size_t(first + c) * l.window.taps(), l.window.taps(), tile.count, accumulators + c);
    }
  } else {
    multiply_tile(l.m.patches, l.m.weights + size_t(first) * l.depth, l.depth, tile.count, padded, accumulators);
  }
  load_scales(parameters_of(l.d, l.m) + first, channels, scales);
  for (uint32_t p = 0; p < tile.count; p++) {
    requantise_row(accumulators + p * TILE_CHANNELS, scales, padded, l.d.stage_zero_point, codes + p * TILE_CHANNELS);
  }
}

void average(const Layer &l, const Tile &tile, uint32_t plane, uint32_t channels, int8_t *codes) {
  const Descriptor &d = l.d;
  const bool per_count = !(d.flags & DescriptorFlag::COUNT_INCLUDE_PAD) && (d.pad_top | d.pad_left | d.pad_bottom | d.pad_right) != 0;
  int32_t sums[TILE_CHANNELS];
  Scales scales;
  for (uint32_t p = 0; p < tile.count; p++) {
    const Taps &t = tile.taps[p];
    const int32_t padding = per_count ? 0 : int32_t(l.window.taps() - t.inside()) * d.input_zero_point;
    const Parameter parameter = parameters_of(d, l.m)[per_count ? t.inside() - 1 : 0];
    for (uint32_t c = 0; c < channels; c++) scales.set(c, parameter);
    for (uint32_t c = 0; c < channels; c += PIXEL) sum_window(plane_of(d, l.m.arena, plane + c / PIXEL), t, padding, sums + c);
    requantise_row(sums, scales, channels, d.stage_zero_point, codes + p * TILE_CHANNELS);
  }
}

void channelwise(const Layer &l, const Tile &tile, uint32_t plane, uint32_t channels, int8_t *codes) {
  for (uint32_t c = 0; c < channels; c += PIXEL) {
    const Plane from = plane_of(l.d, l.m.arena, plane + c / PIXEL);
    for (uint32_t p = 0; p < tile.count; p++) {
      int8_t *to = codes + p * TILE_CHANNELS + c;
      if (l.d.op == Op::MAX_POOL) max_window(from, tile.taps[p], to);
      else std::memcpy(to, from.pixel(tile.y[p], tile.x[p]), PIXEL);
    }
  }
}

}  // namespace

bool has_weights(const Descriptor &d) { return d.op == Op::CONV || d.op == Op::DENSE || d.op == Op::DEPTHWISE; }

uint32_t weights_per_channel(const Descriptor &d) {
  if (!has_weights(d)) return 0;
  return window_of(d).taps() * (d.op == Op::DEPTHWISE ? 1 : d.input_channels);
}

uint64_t prepared_elements(const Descriptor &d) {
  if (!has_weights(d)) return 0;
  // Depthwise: depth_of is of a plane, of all its channels.
  if (d.op == Op::DEPTHWISE) return uint64_t(planes_of(d.output_channels)) * depth_of(d);
  return uint64_t(round_up(d.output_channels, PIXEL)) * depth_of(d);
}

uint64_t patch_elements(const Descriptor &d) { return has_weights(d) ? uint64_t(TILE_PIXELS) * depth_of(d) + PIXEL : 0; }

void prepare_weights(const Descriptor &d, const int8_t *weights, int16_t *prepared) {
  const uint32_t taps = window_of(d).taps(), lanes = tap_lanes(d), channels = d.input_channels;
  std::memset(prepared, 0, size_t(prepared_elements(d)) * sizeof(int16_t));
  if (d.op == Op::DEPTHWISE) {
    for (uint32_t tap = 0; tap < taps; tap++) {
      for (uint32_t c = 0; c < channels; c++) prepared[(size_t(c / PIXEL) * taps + tap) * PIXEL + c % PIXEL] = *weights++;
    }
    return;
  }
  const uint32_t depth = depth_of(d);
  for (uint32_t o = 0; o < d.output_channels; o++, prepared += depth) {
    for (uint32_t tap = 0; tap < taps; tap++) {
      for (uint32_t c = 0; c < channels; c++) prepared[(size_t(c / PIXEL) * taps + tap) * lanes + c % PIXEL] = *weights++;
    }
  }
}

uint64_t macs(const Descriptor &d) { return uint64_t(results_of(d)) * d.output_channels * weights_per_channel(d); }

Part whole_of(const Descriptor &d) { return {0, results_of(d), 0, d.output_channels}; }

void run_layer(const Descriptor &d, const Memory &memory) { run_part(d, memory, whole_of(d)); }

void run_part(const Descriptor &d, const Memory &memory, const Part &part) {
  const Layer layer{d, memory, window_of(d), tap_lanes(d), depth_of(d)};
  Tile tile;
  int8_t codes[TILE_PIXELS * TILE_CHANNELS];
  for (uint32_t first = part.first; first < part.end; first += TILE_PIXELS) {
    locate(d, layer.window, first, min_of(TILE_PIXELS, part.end - first), tile);
    if (d.op == Op::CONV || d.op == Op::DENSE) gather(layer, tile);
    for (uint32_t channel = part.first_channel; channel < part.end_channel; channel += TILE_CHANNELS) {
      const uint32_t plane = channel / PLANE_CHANNELS, channels = min_of(TILE_CHANNELS, part.end_channel - channel), padded = round_up(channels, PIXEL);
      if (has_weights(d)) convolve(layer, tile, plane, channels, codes);
      else if (d.op == Op::AVERAGE_POOL) average(layer, tile, plane, padded, codes);
      else channelwise(layer, tile, plane, padded, codes);
      for (uint32_t p = 0; p < tile.count; p++) output_stage(d, memory, tile.y[p], tile.x[p], plane, padded, codes + p * TILE_CHANNELS);
    }
  }
}

}  // namespace fl
