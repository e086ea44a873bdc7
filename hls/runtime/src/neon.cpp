// The int8 layers with NEON, for the board's Cortex-A9: the golden model's arithmetic (hls/core/core.cpp) in another order of the same exact sums.
// Activations and weights stay int8. Two products of a code (-128 to 127) and a weight (-127 to 127) fit into 16 bits, so two are summed there before they
// are added to the 32-bit sums: three instructions for 16 products.
#include "kernels.h"

#if defined(__ARM_NEON) && !defined(FL_NO_NEON)

#include <cstring>

#include "neon.h"

namespace fl::kernels {
namespace {

using namespace neon;

constexpr uint32_t TOGETHER = 4;  // output channels whose weights lie together

bool sums_channels(const Descriptor &d) { return d.op == Op::CONV || d.op == Op::DENSE; }
// Channels of a tap in a patch: a plane's, or fewer where the input has fewer.
uint32_t tap_lanes(const Descriptor &d) { return sums_channels(d) && d.input_channels < PIXEL ? d.input_channels : PIXEL; }

// Units of PIXEL products of a patch.
uint32_t units_of(const Descriptor &d) {
  const uint32_t taps = window_of(d).taps();
  return sums_channels(d) ? round_up(planes_of(d.input_channels) * taps * tap_lanes(d), PIXEL) / PIXEL : taps;
}

uint32_t weight_planes(const Descriptor &d) { return planes_of(d.output_channels); }
bool by_winograd(const Descriptor &d, bool roomy) { return roomy && suits_winograd(d); }
// Behind them prepare() notes which planes may tie, and whether they are as Winograd takes them.
size_t weight_bytes(const Descriptor &d, bool roomy) {
  return by_winograd(d, roomy) ? winograd_weight_bytes(d) : size_t(weight_planes(d)) * (d.op == Op::DEPTHWISE ? 1 : PIXEL) * units_of(d) * PIXEL;
}

// All taps of one plane for one pixel, padding as the zero point; tap after tap, `step` apart; every tap writes a whole pixel.
void gather_pixel(const Plane &plane, const Window &w, const Taps &t, int8x8_t zero, uint32_t step, int8_t *to) {
  if (t.inside() == w.taps() && !plane.half && w.dilation_w == 1) {
    const int8_t *row = plane.pixel(uint32_t(t.y), uint32_t(t.x));
    for (uint32_t ky = w.height; ky > 0; ky--, row += plane.row_stride * w.dilation_h) {
      const int8_t *from = row;
      for (uint32_t kx = w.width; kx > 0; kx--, to += step, from += PIXEL) vst1_s8(to, vld1_s8(from));
    }
    return;
  }
  for (uint32_t ky = 0; ky < w.height; ky++) {
    const bool row_inside = ky >= t.top && ky < t.bottom;
    const uint32_t left = row_inside ? t.left : w.width, right = row_inside ? t.right : w.width;
    uint32_t kx = 0;
    for (; kx < left; kx++, to += step) vst1_s8(to, zero);
    for (; kx < right; kx++, to += step) vst1_s8(to, vld1_s8(plane.pixel(uint32_t(t.y + int32_t(ky * w.dilation_h)), uint32_t(t.x + int32_t(kx * w.dilation_w)))));
    for (; kx < w.width; kx++, to += step) vst1_s8(to, zero);
  }
}

// Where the two pixels of a pair lie, unit by unit: 8 bytes of the one, 8 of the other.
struct Pairs {
  const int8_t *at;
  size_t unit, pair;  // bytes from one to the next
};

// A 1 x 1 kernel finds its pairs in the arena as they are: pixels of a plane that lie behind one another.
bool reads_in_place(const Descriptor &d, const Window &w, uint32_t count) {
  return d.op == Op::CONV && w.taps() == 1 && w.stride_h == 1 && w.stride_w == 1 && tap_lanes(d) == PIXEL && d.second_channels == 0 && count % 2 == 0 &&
         (d.flags & (DescriptorFlag::UPSAMPLE_FIRST | DescriptorFlag::POOL_OUTPUT)) == 0 && d.input_row_stride == d.input_width * PIXEL &&
         d.input_height == d.output_height && d.input_width == d.output_width && (d.pad_top | d.pad_left) == 0;
}

// Are the results of a plane, and what is added to them, one behind the other?
bool lies_together(const Descriptor &d) {
  const uint32_t row = d.output_width * PIXEL;
  return d.output_row_stride == row && (!(d.flags & DescriptorFlag::HAS_RESIDUAL) || d.residual_row_stride == row) && !is_pooled(d);
}

// Patches of a tile in pairs. Fewer channels than a pixel has lie tap behind tap: such a patch is made behind the pairs first.
Pairs gather(const Layer &l, const Tile &tile) {
  const uint32_t planes = planes_of(l.d.input_channels), units = units_of(l.d), lanes = tap_lanes(l.d), taps = l.window.taps();
  const int8x8_t zero = vdup_n_s8(l.d.input_zero_point);
  const size_t pair = size_t(units) * 2 * PIXEL;
  for (uint32_t plane = 0; plane < planes; plane++) {
    const Plane from = plane_of(l.d, l.m.arena, plane);
    for (uint32_t p = 0; p < tile.count; p++) {
      int8_t *to = l.scratch() + p / 2 * pair + p % 2 * PIXEL + size_t(plane) * taps * 2 * PIXEL;
      if (lanes == PIXEL) {
        gather_pixel(from, l.window, tile.taps[p], zero, 2 * PIXEL, to);
        continue;
      }
      int8_t *row = l.scratch() + TILE_PIXELS / 2 * pair;
      gather_pixel(from, l.window, tile.taps[p], zero, lanes, row);
      std::memset(row + taps * lanes, 0, units * PIXEL - taps * lanes);
      for (uint32_t u = 0; u < units; u++) vst1_s8(to + u * 2 * PIXEL, vld1_s8(row + u * PIXEL));
    }
  }
  return {l.scratch(), 2 * PIXEL, pair};
}

inline int16x8_t products(int8x8_t a, int8x8_t b, int8x16_t weights) { return vmlal_s8(vmull_s8(a, vget_low_s8(weights)), b, vget_high_s8(weights)); }

// Sums of four vectors' lanes, stored.
inline void store_sums(const int32x4_t (&of)[TOGETHER], int32_t *to) {
  int32x2_t half[TOGETHER];
  for (uint32_t c = 0; c < TOGETHER; c++) half[c] = vadd_s32(vget_low_s32(of[c]), vget_high_s32(of[c]));
  vst1_s32(to, vpadd_s32(half[0], half[1]));
  vst1_s32(to + 2, vpadd_s32(half[2], half[3]));
}

// Two units of a pair of pixels times TOGETHER channels. The first sums are set, not added to.
template <bool FIRST>
__attribute__((always_inline)) inline void two_units(const int8_t *&first, const int8_t *&second, size_t step, const int8_t *&weights, int32x4_t (&one)[TOGETHER], int32x4_t (&two)[TOGETHER]) {
  const int8x16_t x = vld1q_s8(first), y = vld1q_s8(second);
  first += step;
  second += step;
  const int8x16x2_t w01 = load_two(weights), w23 = load_two(weights);
  const int8x16_t each[TOGETHER] = {w01.val[0], w01.val[1], w23.val[0], w23.val[1]};
  for (uint32_t c = 0; c < TOGETHER; c++) {
    const int16x8_t p = products(vget_low_s8(x), vget_low_s8(y), each[c]), q = products(vget_high_s8(x), vget_high_s8(y), each[c]);
    one[c] = FIRST ? vpaddlq_s16(p) : vpadalq_s16(one[c], p);
    two[c] = FIRST ? vpaddlq_s16(q) : vpadalq_s16(two[c], q);
  }
}

// A pair of pixels times TOGETHER channels; weights: an odd first unit by itself, then two units of a channel, of the next, ...
inline void multiply(const int8_t *pixels, size_t step, const int8_t *weights, uint32_t units, int32_t *sums_one, int32_t *sums_two) {
  int32x4_t one[TOGETHER], two[TOGETHER];
  const int8_t *second = pixels + step;
  if (units % 2 != 0) {
    const int8x16_t x = vld1q_s8(pixels);
    pixels += step;
    second += step;
    const int8x16x2_t w = load_two(weights);
    const int8x8_t each[TOGETHER] = {vget_low_s8(w.val[0]), vget_high_s8(w.val[0]), vget_low_s8(w.val[1]), vget_high_s8(w.val[1])};
    for (uint32_t c = 0; c < TOGETHER; c++) {
      one[c] = vpaddlq_s16(vmull_s8(vget_low_s8(x), each[c]));
      two[c] = vpaddlq_s16(vmull_s8(vget_high_s8(x), each[c]));
    }
  } else {
    two_units<true>(pixels, second, 2 * step, weights, one, two);
  }
  for (uint32_t twice = (units - 1) / 2; twice > 0; twice--) two_units<false>(pixels, second, 2 * step, weights, one, two);
  store_sums(one, sums_one);
  store_sums(two, sums_two);
}

// One plane of results of a tile. Of an odd last pixel's pair the other is whatever lies there, and nobody reads its sums.
__attribute__((noinline)) void multiply_tile(const Layer &l, uint32_t plane, uint32_t units, uint32_t count, const Pairs &pairs, int32_t *sums) {
  const int8_t *weights = l.weights() + size_t(plane) * PIXEL * units * PIXEL;
  for (uint32_t c = 0; c < PIXEL; c += TOGETHER, weights += size_t(TOGETHER) * units * PIXEL) {
    const int8_t *pixels = pairs.at;
    for (uint32_t p = 0; p < count; p += 2, pixels += pairs.pair) multiply(pixels, pairs.unit, weights, units, sums + p * PIXEL + c, sums + (p + 1) * PIXEL + c);
  }
}

// Each channel of a plane by itself: one pixel's patch.
inline void multiply_taps(const int8_t *patch, const int8_t *weights, uint32_t taps, int32_t *sums) {
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

// The same for 3 x 3 taps, whose weights stay in registers over a tile's pixels.
struct Nine {
  int8x8_t w[9];
  explicit Nine(const int8_t *weights) {
    for (uint32_t i = 0; i < 9; i++) w[i] = vld1_s8(weights + i * PIXEL);
  }
  // Three rows of three taps side by side.
  void multiply(const int8_t *top, const int8_t *middle, const int8_t *bottom, int32_t *sums) const {
    const int8x16_t a = vld1q_s8(top), b = vld1q_s8(middle), c = vld1q_s8(bottom);
    const int8x8_t a2 = vld1_s8(top + 2 * PIXEL), b2 = vld1_s8(middle + 2 * PIXEL), c2 = vld1_s8(bottom + 2 * PIXEL);
    const int16x8_t p = vmlal_s8(vmull_s8(vget_low_s8(a), w[0]), vget_high_s8(a), w[1]), q = vmlal_s8(vmull_s8(vget_low_s8(b), w[3]), vget_high_s8(b), w[4]);
    const int16x8_t r = vmlal_s8(vmull_s8(vget_low_s8(c), w[6]), vget_high_s8(c), w[7]), s = vmlal_s8(vmull_s8(a2, w[2]), b2, w[5]), t = vmull_s8(c2, w[8]);
    const int32x4_t low = vaddl_s16(vget_low_s16(p), vget_low_s16(q)), high = vaddl_s16(vget_high_s16(p), vget_high_s16(q));
    vst1q_s32(sums, vaddw_s16(vaddw_s16(vaddw_s16(low, vget_low_s16(r)), vget_low_s16(s)), vget_low_s16(t)));
    vst1q_s32(sums + 4, vaddw_s16(vaddw_s16(vaddw_s16(high, vget_high_s16(r)), vget_high_s16(s)), vget_high_s16(t)));
  }
};

// Where the 3 x 3 taps of a tile's pixels begin in each plane, in bytes, and whether some of them are padding. All planes have the same rows.
struct Starts {
  bool use;
  int32_t at[TILE_PIXELS];
  bool outside[TILE_PIXELS];

  Starts(const Layer &l, const Tile &tile) {
    const Window &w = l.window;
    use = l.d.op == Op::DEPTHWISE && w.height == 3 && w.width == 3 && w.dilation_h == 1 && w.dilation_w == 1 && l.d.second_channels == 0 && !(l.d.flags & DescriptorFlag::UPSAMPLE_FIRST);
    for (uint32_t p = 0; use && p < tile.count; p++) {
      const Taps &t = tile.taps[p];
      at[p] = t.y * int32_t(l.d.input_row_stride) + t.x * int32_t(PIXEL);
      outside[p] = t.inside() != 9;
    }
  }
};

__attribute__((noinline)) void multiply_depthwise(const Layer &l, const Tile &tile, const Starts &starts, uint32_t plane, int32_t *sums) {
  const Window &w = l.window;
  const Plane from = plane_of(l.d, l.m.arena, plane);
  const int8_t *weights = l.weights() + size_t(plane) * w.taps() * PIXEL;
  const int8x8_t zero = vdup_n_s8(l.d.input_zero_point);
  if (!starts.use) {
    for (uint32_t p = 0; p < tile.count; p++) {
      gather_pixel(from, w, tile.taps[p], zero, PIXEL, l.scratch());
      multiply_taps(l.scratch(), weights, w.taps(), sums + p * PIXEL);
    }
    return;
  }
  const Nine nine(weights);
  const size_t row = from.row_stride;
  int8_t *const edge = l.scratch();
  for (uint32_t p = 0; p < tile.count; p++, sums += PIXEL) {
    const Taps &t = tile.taps[p];
    const int8_t *rows[3];
    for (uint32_t ky = 0; ky < 3; ky++) rows[ky] = from.at + starts.at[p] + ky * row;
    if (starts.outside[p]) {
      for (uint32_t ky = 0; ky < 3; ky++) {
        int8_t *const to = edge + ky * 3 * PIXEL;
        const bool inside = ky >= t.top && ky < t.bottom;
        if (inside && t.left == 0 && t.right == 3) continue;
        for (uint32_t kx = 0; kx < 3; kx++) vst1_s8(to + kx * PIXEL, inside && kx >= t.left && kx < t.right ? vld1_s8(rows[ky] + kx * PIXEL) : zero);
        rows[ky] = to;
      }
    }
    nine.multiply(rows[0], rows[1], rows[2], sums);
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
void channelwise(const Layer &l, const Tile &tile, const Places &places, uint32_t plane) {
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
      code = requantised(sums, l.parameters()[per_count ? t.inside() - 1 : 0], d.stage_zero_point);
    } else {
      code = d.op == Op::MAX_POOL ? largest(from, t) : vld1_s8(from.pixel(tile.y[p], tile.x[p]));
    }
    vst1_s8(codes + p * PIXEL, code);
  }
  output_stage(l, places, plane, codes);
}

}  // namespace

size_t prepared_bytes(const Descriptor &d, bool roomy) { return has_weights(d) ? weight_bytes(d, roomy) + weight_planes(d) + 1 : 0; }

size_t scratch_bytes(const Descriptor &d, bool roomy) {
  if (!has_weights(d)) return 0;
  const size_t patch = size_t(units_of(d)) * PIXEL;
  const size_t direct = (sums_channels(d) ? TILE_PIXELS * patch : 0) + (tap_lanes(d) < PIXEL || !sums_channels(d) ? patch : 0) + PIXEL;
  return by_winograd(d, roomy) && winograd_scratch_bytes(d) > direct ? winograd_scratch_bytes(d) : direct;
}

void prepare(const Descriptor &d, const uint8_t *data, bool roomy, uint8_t *prepared) {
  const int8_t *weights = reinterpret_cast<const int8_t *>(data + d.weights_offset);
  const Parameter *parameters = reinterpret_cast<const Parameter *>(data + d.parameters_offset);
  const uint32_t taps = window_of(d).taps(), lanes = tap_lanes(d), channels = d.input_channels, units = units_of(d);
  uint8_t *ties = prepared + weight_bytes(d, roomy);
  std::memset(prepared, 0, prepared_bytes(d, roomy));
  const auto note = [&](uint32_t channel, uint64_t largest) { ties[channel / PIXEL] |= may_tie(parameters[channel], largest); };
  if (d.op == Op::DEPTHWISE) {
    for (uint32_t c = 0; c < channels; c++) {
      uint64_t largest = 0;
      for (uint32_t tap = 0; tap < taps; tap++) {
        const int32_t weight = weights[size_t(tap) * channels + c];
        prepared[(size_t(c / PIXEL) * taps + tap) * PIXEL + c % PIXEL] = uint8_t(weight);
        largest += uint64_t(weight < 0 ? -weight : weight) * 128;
      }
      note(c, largest);
    }
    return;
  }
  uint8_t &transformed = ties[weight_planes(d)];
  transformed = by_winograd(d, roomy) && prepare_winograd(d, weights, prepared);
  for (uint32_t o = 0; o < d.output_channels; o++) {
    uint8_t *group = prepared + size_t(o / TOGETHER * TOGETHER) * units * PIXEL;
    uint64_t largest = 0;
    for (uint32_t tap = 0; tap < taps; tap++) {
      for (uint32_t c = 0; c < channels; c++) {
        const uint32_t k = (c / PIXEL * taps + tap) * lanes + c % PIXEL, odd = units % 2, unit = k / PIXEL + odd;
        const int32_t weight = *weights++;
        // See multiply(): an odd first unit lies as if it were the second of its two, at half their length.
        const size_t at = unit < 2 * odd ? o % TOGETHER : size_t(unit / 2) * 2 * TOGETHER - odd * TOGETHER + o % TOGETHER * 2 + unit % 2;
        if (!transformed) group[at * PIXEL + k % PIXEL] = uint8_t(weight);
        largest += uint64_t(weight < 0 ? -weight : weight) * 128;
      }
    }
    note(o, largest);
  }
}

void run(const Descriptor &d, const Memory &m, const Part &part) {
  const Layer layer{d, m, window_of(d), m.weights + (has_weights(d) ? weight_bytes(d, m.roomy) : 0)};
  if (by_winograd(d, m.roomy) && layer.ties[weight_planes(d)] != 0) return run_winograd(layer, part);
  const uint32_t units = units_of(d);
  int32_t sums[TILE_PIXELS * PIXEL];
  Tile tile;
  for (uint32_t first = part.first; first < part.end; first += TILE_PIXELS) {
    const uint32_t count = min_of(TILE_PIXELS, part.end - first);
    const bool in_place = reads_in_place(d, layer.window, count), located = !in_place || !lies_together(d);
    if (located) locate(d, layer.window, first, count, tile);
    const Places places = located ? Places(d, tile) : Places(first, count);
    const Starts starts(layer, tile);
    const Pairs pairs = in_place ? Pairs{m.arena + d.input_offset + size_t(first) * PIXEL, d.input_plane_stride, 2 * PIXEL} : sums_channels(d) ? gather(layer, tile) : Pairs{};
    for (uint32_t plane = part.first_channel / PIXEL; plane < planes_of(part.end_channel); plane++) {
      if (!has_weights(d)) {
        channelwise(layer, tile, places, plane);
        continue;
      }
      if (d.op == Op::DEPTHWISE) multiply_depthwise(layer, tile, starts, plane, sums);
      else multiply_tile(layer, plane, units, count, pairs, sums);
      finish(layer, places, plane, sums);
    }
  }
}

}  // namespace fl::kernels

#endif
