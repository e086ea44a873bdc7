// The int8 layers with NEON, for the board's Cortex-A9: the golden model's arithmetic (hls/core/core.cpp) in another order of the same exact sums.
// Activations and weights stay int8. Two products of a code (-128 to 127) and a weight (-127 to 127) fit into 16 bits, so two are summed there before they
// are added to the 32-bit sums: three instructions for 16 products.
#include "kernels.h"

#if defined(__ARM_NEON) && !defined(FL_NO_NEON)

#include <arm_neon.h>

#include <cstring>

#include "../../core/arithmetic.h"
#include "../../core/window.h"

namespace fl::kernels {
namespace {

using namespace golden;

constexpr uint32_t TILE_CHANNELS = PART_CHANNELS;
constexpr uint32_t STEP = 16;      // products of one step of the dot products: a patch is padded to a multiple of it
constexpr uint32_t TOGETHER = 4;   // output channels whose weights lie together, step by step

uint32_t round_up(uint32_t value, uint32_t step) { return (value + step - 1) / step * step; }
bool sums_channels(const Descriptor &d) { return d.op == Op::CONV || d.op == Op::DENSE; }
// Channels of a tap in a patch: a plane's, or fewer where the input has fewer.
uint32_t tap_lanes(const Descriptor &d) { return sums_channels(d) && d.input_channels < PIXEL ? d.input_channels : PIXEL; }

uint32_t depth_of(const Descriptor &d) {
  const uint32_t taps = window_of(d).taps();
  return sums_channels(d) ? round_up(planes_of(d.input_channels) * taps * tap_lanes(d), STEP) : taps * PIXEL;
}

// round_shift of two products; shift: 1 to MAX_SHIFT, down: -shift, below_half: 2^(shift - 1) - 1.
inline int64x2_t round_shift(int64x2_t product, int64x2_t down, int64x2_t below_half) {
  const int64x2_t odd = vandq_s64(vshlq_s64(product, down), vdupq_n_s64(1));
  return vshlq_s64(vaddq_s64(vaddq_s64(product, below_half), odd), down);
}

struct Shift {
  int64x2_t down, below_half;
};
inline Shift shift_by(uint32_t first, uint32_t second) {
  const int64x2_t down = {-int64_t(first), -int64_t(second)};
  const int64x2_t below_half = {(int64_t(1) << (first - 1)) - 1, (int64_t(1) << (second - 1)) - 1};
  return {down, below_half};
}

// What is added to codes, and how: the layer's own.
struct Add {
  int32x2_t a, b;
  Shift shift;
  int16x8_t zero_a, zero_b;
  int32x4_t zero_out;

  // Where nothing is added the shift is 0, which is none.
  explicit Add(const Descriptor &d)
      : a(vdup_n_s32(int32_t(d.add_multiplier_a))), b(vdup_n_s32(int32_t(d.add_multiplier_b))), shift(shift_by(d.add_shift | (d.add_shift == 0), d.add_shift | (d.add_shift == 0))),
        zero_a(vdupq_n_s16(d.add_zero_a)), zero_b(vdupq_n_s16(d.add_zero_b)), zero_out(vdupq_n_s32(d.add_zero_out)) {}

  int64x2_t two(int32x2_t x, int32x2_t y) const { return round_shift(vmlal_s32(vmull_s32(x, a), y, b), shift.down, shift.below_half); }
  int16x4_t four(int16x4_t x, int16x4_t y) const {
    const int32x4_t p = vmovl_s16(x), q = vmovl_s16(y);
    const int32x2_t low = vqmovn_s64(two(vget_low_s32(p), vget_low_s32(q))), high = vqmovn_s64(two(vget_high_s32(p), vget_high_s32(q)));
    return vqmovn_s32(vqaddq_s32(vcombine_s32(low, high), zero_out));
  }
  int8x8_t of(int8x8_t codes, int8x8_t residual) const {
    const int16x8_t x = vsubq_s16(vmovl_s8(codes), zero_a), y = vsubq_s16(vmovl_s8(residual), zero_b);
    return vqmovn_s16(vcombine_s16(four(vget_low_s16(x), vget_low_s16(y)), four(vget_high_s16(x), vget_high_s16(y))));
  }
};

struct Layer {
  const Descriptor &d;
  const Memory &m;
  const Window window;
  const uint32_t lanes;  // of a tap
  const uint32_t depth;  // of a patch
  const Add add;
  int8_t *patches() const { return reinterpret_cast<int8_t *>(m.scratch); }
  const int8_t *weights() const { return reinterpret_cast<const int8_t *>(m.weights); }
};

// All taps of one plane for one pixel, padding as the zero point; every tap writes a whole pixel, up to one behind the last.
void gather_pixel(const Plane &plane, const Window &w, const Taps &t, int8x8_t zero, uint32_t lanes, int8_t *to) {
  for (uint32_t ky = 0; ky < w.height; ky++) {
    const bool row_inside = ky >= t.top && ky < t.bottom;
    const uint32_t left = row_inside ? t.left : w.width, right = row_inside ? t.right : w.width;
    uint32_t kx = 0;
    for (; kx < left; kx++, to += lanes) vst1_s8(to, zero);
    if (kx < right) {
      const uint32_t y = uint32_t(t.y + int32_t(ky * w.dilation_h));
      if (plane.half) {
        for (; kx < right; kx++, to += lanes) vst1_s8(to, vld1_s8(plane.pixel(y, uint32_t(t.x + int32_t(kx * w.dilation_w)))));
      } else {
        const int8_t *from = plane.pixel(y, uint32_t(t.x + int32_t(kx * w.dilation_w)));
        for (; kx < right; kx++, to += lanes, from += w.dilation_w * PIXEL) vst1_s8(to, vld1_s8(from));
      }
    }
    for (; kx < w.width; kx++, to += lanes) vst1_s8(to, zero);
  }
}

void gather(const Layer &l, const Tile &tile) {
  const uint32_t planes = planes_of(l.d.input_channels), each = l.window.taps() * l.lanes, used = planes * each;
  const int8x8_t zero = vdup_n_s8(l.d.input_zero_point);
  for (uint32_t plane = 0; plane < planes; plane++) {
    const Plane from = plane_of(l.d, l.m.arena, plane);
    int8_t *to = l.patches() + plane * each;
    for (uint32_t p = 0; p < tile.count; p++, to += l.depth) {
      if (l.window.taps() == 1 && l.lanes == PIXEL && tile.taps[p].inside() == 1) vst1_s8(to, vld1_s8(from.pixel(uint32_t(tile.taps[p].y), uint32_t(tile.taps[p].x))));
      else gather_pixel(from, l.window, tile.taps[p], zero, l.lanes, to);
    }
  }
  for (uint32_t p = 0; p < tile.count; p++) std::memset(l.patches() + size_t(p) * l.depth + used, 0, l.depth - used);
}

inline int32x4_t add_products(int32x4_t sum, int8x16_t a, int8x16_t b) {
  return vpadalq_s16(sum, vmlal_s8(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vget_high_s8(a), vget_high_s8(b)));
}

// Sums of four vectors' lanes.
inline int32x4_t lane_sums(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  const int32x2_t ab = vpadd_s32(vadd_s32(vget_low_s32(a), vget_high_s32(a)), vadd_s32(vget_low_s32(b), vget_high_s32(b)));
  const int32x2_t cd = vpadd_s32(vadd_s32(vget_low_s32(c), vget_high_s32(c)), vadd_s32(vget_low_s32(d), vget_high_s32(d)));
  return vcombine_s32(ab, cd);
}

// Two patches times TOGETHER channels.
inline void multiply(const int8_t *one, const int8_t *two, const int8_t *weights, uint32_t depth, int32_t *sums_one, int32_t *sums_two) {
  int32x4_t a0 = vdupq_n_s32(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (const int8_t *end = one + depth; one < end; one += STEP, two += STEP, weights += TOGETHER * STEP) {
    const int8x16_t x = vld1q_s8(one), y = vld1q_s8(two);
    const int8x16_t w0 = vld1q_s8(weights), w1 = vld1q_s8(weights + STEP), w2 = vld1q_s8(weights + 2 * STEP), w3 = vld1q_s8(weights + 3 * STEP);
    a0 = add_products(a0, x, w0);
    b0 = add_products(b0, y, w0);
    a1 = add_products(a1, x, w1);
    b1 = add_products(b1, y, w1);
    a2 = add_products(a2, x, w2);
    b2 = add_products(b2, y, w2);
    a3 = add_products(a3, x, w3);
    b3 = add_products(b3, y, w3);
  }
  vst1q_s32(sums_one, lane_sums(a0, a1, a2, a3));
  vst1q_s32(sums_two, lane_sums(b0, b1, b2, b3));
}

void multiply_tile(const Layer &l, uint32_t first_channel, uint32_t pixels, uint32_t channels, int32_t *accumulators) {
  for (uint32_t c = 0; c < channels; c += TOGETHER) {
    const int8_t *weights = l.weights() + size_t(first_channel + c) * l.depth, *patch = l.patches();
    for (uint32_t p = 0; p < pixels; p += 2, patch += 2 * l.depth) {
      // An odd last pixel goes twice.
      const bool pair = p + 1 < pixels;
      int32_t *sums = accumulators + p * TILE_CHANNELS + c;
      multiply(patch, pair ? patch + l.depth : patch, weights, l.depth, sums, pair ? sums + TILE_CHANNELS : sums);
    }
  }
}

// Each channel of a plane by itself: one pixel's patch.
inline void multiply_plane(const int8_t *patch, const int8_t *weights, uint32_t taps, int32_t *sums) {
  int32x4_t low = vdupq_n_s32(0), high = low;
  uint32_t k = 0;
  for (; k + 1 < taps; k += 2, patch += 2 * PIXEL, weights += 2 * PIXEL) {
    const int16x8_t products = vmlal_s8(vmull_s8(vld1_s8(patch), vld1_s8(weights)), vld1_s8(patch + PIXEL), vld1_s8(weights + PIXEL));
    low = vaddw_s16(low, vget_low_s16(products));
    high = vaddw_s16(high, vget_high_s16(products));
  }
  if (k < taps) {
    const int16x8_t products = vmull_s8(vld1_s8(patch), vld1_s8(weights));
    low = vaddw_s16(low, vget_low_s16(products));
    high = vaddw_s16(high, vget_high_s16(products));
  }
  vst1q_s32(sums, low);
  vst1q_s32(sums + 4, high);
}

// A plane's requantisation, kept in registers or beside them over a tile's pixels.
struct Scales {
  int32x4_t bias[2];
  int32x2_t multiplier[4];
  Shift shift[4];

  Scales(const Parameter *parameters, uint32_t count, uint32_t step) {
    int32_t biases[PIXEL], multipliers[PIXEL];
    uint32_t shifts[PIXEL];
    for (uint32_t c = 0; c < PIXEL; c++) {
      const Parameter pad{0, 1u << 24};
      const Parameter parameter = c < count ? parameters[c * step] : pad;
      biases[c] = parameter.bias;
      multipliers[c] = int32_t(multiplier_of(parameter.scale));
      shifts[c] = shift_of(parameter.scale);
    }
    for (uint32_t i = 0; i < 2; i++) bias[i] = vld1q_s32(biases + 4 * i);
    for (uint32_t i = 0; i < 4; i++) {
      multiplier[i] = vld1_s32(multipliers + 2 * i);
      shift[i] = shift_by(shifts[2 * i], shifts[2 * i + 1]);
    }
  }
};

// Quotients beyond 32 bits saturate, and so does the zero point's addition: saturating once more to 8 bits then gives what saturating once would.
inline int8x8_t requantise(const int32_t *sums, const Scales &s, int32x4_t zero_point) {
  int16x4_t half[2];
  for (uint32_t i = 0; i < 2; i++) {
    const int32x4_t sum = vaddq_s32(vld1q_s32(sums + 4 * i), s.bias[i]);
    const int64x2_t low = round_shift(vmull_s32(vget_low_s32(sum), s.multiplier[2 * i]), s.shift[2 * i].down, s.shift[2 * i].below_half);
    const int64x2_t high = round_shift(vmull_s32(vget_high_s32(sum), s.multiplier[2 * i + 1]), s.shift[2 * i + 1].down, s.shift[2 * i + 1].below_half);
    half[i] = vqmovn_s32(vqaddq_s32(vcombine_s32(vqmovn_s64(low), vqmovn_s64(high)), zero_point));
  }
  return vqmovn_s16(vcombine_s16(half[0], half[1]));
}

// Codes of one plane of a tile's results: table, residual add, clamp, pool, store.
void output_stage(const Layer &l, const Tile &tile, uint32_t plane, const int8_t *codes) {
  const Descriptor &d = l.d;
  const Memory &m = l.m;
  const int8_t *table = d.flags & DescriptorFlag::HAS_TABLE ? reinterpret_cast<const int8_t *>(m.data + d.table_offset) + 128 : nullptr;
  const int8_t *residual = d.flags & DescriptorFlag::HAS_RESIDUAL ? m.arena + d.residual_offset + size_t(plane) * d.residual_plane_stride : nullptr;
  int8_t *output = m.arena + d.output_offset + size_t(plane) * d.output_plane_stride;
  const int8x8_t least = vdup_n_s8(d.output_min), most = vdup_n_s8(d.output_max);
  const uint32_t halve = is_pooled(d);
  for (uint32_t p = 0; p < tile.count; p++, codes += PIXEL) {
    const uint32_t y = tile.y[p], x = tile.x[p];
    int8x8_t code = vld1_s8(codes);
    if (table) {
      int8_t mapped[PIXEL];
      for (uint32_t c = 0; c < PIXEL; c++) mapped[c] = table[codes[c]];
      code = vld1_s8(mapped);
    }
    if (residual) code = l.add.of(code, vld1_s8(residual + size_t(y) * d.residual_row_stride + size_t(x) * PIXEL));
    // The lower end first, as the golden model: where it lies above the upper, it is the result of codes below it.
    code = vbsl_s8(vclt_s8(code, least), least, vmin_s8(code, most));
    int8_t *to = output + size_t(y >> halve) * d.output_row_stride + size_t(x >> halve) * PIXEL;
    // The first of a pooled 2 x 2 is stored as it is, the others where they are larger.
    if (halve && ((y | x) & 1) != 0) code = vmax_s8(code, vld1_s8(to));
    vst1_s8(to, code);
  }
}

const Parameter *parameters_of(const Descriptor &d, const Memory &m) { return reinterpret_cast<const Parameter *>(m.data + d.parameters_offset); }

void convolve(const Layer &l, const Tile &tile, uint32_t channel, uint32_t channels) {
  int32_t accumulators[TILE_PIXELS * TILE_CHANNELS];
  int8_t codes[TILE_PIXELS * PIXEL];
  const int32x4_t zero_point = vdupq_n_s32(l.d.stage_zero_point);
  const int8x8_t padding = vdup_n_s8(l.d.input_zero_point);
  if (l.d.op != Op::DEPTHWISE) multiply_tile(l, channel, tile.count, round_up(channels, PIXEL), accumulators);
  for (uint32_t c = 0; c < channels; c += PIXEL) {
    const uint32_t plane = (channel + c) / PIXEL;
    if (l.d.op == Op::DEPTHWISE) {
      const Plane from = plane_of(l.d, l.m.arena, plane);
      for (uint32_t p = 0; p < tile.count; p++) {
        gather_pixel(from, l.window, tile.taps[p], padding, PIXEL, l.patches());
        multiply_plane(l.patches(), l.weights() + size_t(plane) * l.depth, l.window.taps(), accumulators + p * TILE_CHANNELS + c);
      }
    }
    const Scales scales(parameters_of(l.d, l.m) + channel + c, min_of(PIXEL, channels - c), 1);
    for (uint32_t p = 0; p < tile.count; p++) vst1_s8(codes + p * PIXEL, requantise(accumulators + p * TILE_CHANNELS + c, scales, zero_point));
    output_stage(l, tile, plane, codes);
  }
}

int8x8_t largest(const Plane &plane, const Taps &t) {
  int8x8_t best = vdup_n_s8(-128);
  for (uint32_t ky = t.top; ky < t.bottom; ky++) {
    for (uint32_t kx = t.left; kx < t.right; kx++) best = vmax_s8(best, vld1_s8(plane.pixel(uint32_t(t.y + int32_t(ky)), uint32_t(t.x + int32_t(kx)))));
  }
  return best;
}

void sum_window(const Plane &plane, const Taps &t, int32_t padding, int32_t *sums) {
  int32x4_t low = vdupq_n_s32(padding), high = low;
  for (uint32_t ky = t.top; ky < t.bottom; ky++) {
    for (uint32_t kx = t.left; kx < t.right; kx++) {
      const int16x8_t codes = vmovl_s8(vld1_s8(plane.pixel(uint32_t(t.y + int32_t(ky)), uint32_t(t.x + int32_t(kx)))));
      low = vaddw_s16(low, vget_low_s16(codes));
      high = vaddw_s16(high, vget_high_s16(codes));
    }
  }
  vst1q_s32(sums, low);
  vst1q_s32(sums + 4, high);
}

// Pooling, add, table, copy: one plane.
void channelwise(const Layer &l, const Tile &tile, uint32_t plane) {
  const Descriptor &d = l.d;
  const Plane from = plane_of(d, l.m.arena, plane);
  const bool per_count = !(d.flags & DescriptorFlag::COUNT_INCLUDE_PAD) && (d.pad_top | d.pad_left | d.pad_bottom | d.pad_right) != 0;
  int8_t codes[TILE_PIXELS * PIXEL];
  for (uint32_t p = 0; p < tile.count; p++) {
    const Taps &t = tile.taps[p];
    int8x8_t code;
    if (d.op == Op::AVERAGE_POOL) {
      int32_t sums[PIXEL];
      sum_window(from, t, per_count ? 0 : int32_t(l.window.taps() - t.inside()) * d.input_zero_point, sums);
      code = requantise(sums, Scales(parameters_of(d, l.m) + (per_count ? t.inside() - 1 : 0), PIXEL, 0), vdupq_n_s32(d.stage_zero_point));
    } else {
      code = d.op == Op::MAX_POOL ? largest(from, t) : vld1_s8(from.pixel(tile.y[p], tile.x[p]));
    }
    vst1_s8(codes + p * PIXEL, code);
  }
  output_stage(l, tile, plane, codes);
}

}  // namespace

size_t prepared_bytes(const Descriptor &d) {
  if (!has_weights(d)) return 0;
  return size_t(d.op == Op::DEPTHWISE ? planes_of(d.output_channels) : round_up(d.output_channels, PIXEL)) * depth_of(d);
}

size_t scratch_bytes(const Descriptor &d) { return has_weights(d) ? size_t(sums_channels(d) ? TILE_PIXELS : 1) * depth_of(d) + PIXEL : 0; }

void prepare(const Descriptor &d, const int8_t *weights, uint8_t *prepared) {
  const uint32_t taps = window_of(d).taps(), lanes = tap_lanes(d), channels = d.input_channels, depth = depth_of(d);
  std::memset(prepared, 0, prepared_bytes(d));
  if (d.op == Op::DEPTHWISE) {
    for (uint32_t tap = 0; tap < taps; tap++) {
      for (uint32_t c = 0; c < channels; c++) prepared[(size_t(c / PIXEL) * taps + tap) * PIXEL + c % PIXEL] = uint8_t(*weights++);
    }
    return;
  }
  for (uint32_t o = 0; o < d.output_channels; o++) {
    uint8_t *group = prepared + size_t(o / TOGETHER * TOGETHER) * depth + o % TOGETHER * STEP;
    for (uint32_t tap = 0; tap < taps; tap++) {
      for (uint32_t c = 0; c < channels; c++) {
        const uint32_t k = (c / PIXEL * taps + tap) * lanes + c % PIXEL;
        group[size_t(k / STEP) * TOGETHER * STEP + k % STEP] = uint8_t(*weights++);
      }
    }
  }
}

void run(const Descriptor &d, const Memory &m, const Part &part) {
  const Layer layer{d, m, window_of(d), tap_lanes(d), depth_of(d), Add(d)};
  Tile tile;
  for (uint32_t first = part.first; first < part.end; first += TILE_PIXELS) {
    locate(d, layer.window, first, min_of(TILE_PIXELS, part.end - first), tile);
    if (sums_channels(d)) gather(layer, tile);
    for (uint32_t channel = part.first_channel; channel < part.end_channel; channel += TILE_CHANNELS) {
      const uint32_t channels = min_of(TILE_CHANNELS, part.end_channel - channel);
      if (has_weights(d)) convolve(layer, tile, channel, channels);
      else for (uint32_t c = 0; c < channels; c += PIXEL) channelwise(layer, tile, (channel + c) / PIXEL);
    }
  }
}

}  // namespace fl::kernels

#endif
