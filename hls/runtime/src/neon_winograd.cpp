// 3 x 3 convolutions of stride 1 by Winograd's F(4 x 4, 3 x 3): 36 products for 16 results that take 144 directly. Exact, as everything here: the transforms
// are of whole numbers, 24 times too large in each direction, so that a sum comes out 576 times too large, modulo 2^32. 576 = 9 × 64: the inverse of 9 and a
// shift by 6 give the sum back wherever it lies within 2^25, which prepare_winograd() makes sure of with the layer's own weights.
#include "kernels.h"

#if defined(__ARM_NEON) && !defined(FL_NO_NEON)

#include <cstring>

#include "neon.h"

namespace fl::kernels::neon {
namespace {

constexpr uint32_t SIDE = 4, PATCH = SIDE + 2, POSITIONS = PATCH * PATCH;
constexpr uint32_t BLOCK = 8;     // tiles whose transformed inputs lie together
constexpr uint32_t TOGETHER = 4;  // of them, tiles that are multiplied at once
constexpr int64_t LARGEST_SUM = int64_t(1) << 25;
constexpr int32_t INVERSE_OF_9 = 954437177;  // modulo 2^32

// 24 times the usual ones, the last row 6 times: put_back() makes up for it. No entry of a transformed kernel is beyond 144 × 127, nor of a patch beyond 100 × 128.
constexpr int32_t KERNEL[PATCH][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 6}};

uint32_t results_high(const Descriptor &d) { return uint32_t(d.output_height) << is_pooled(d); }
uint32_t results_wide(const Descriptor &d) { return uint32_t(d.output_width) << is_pooled(d); }
uint32_t tiles_wide(const Descriptor &d) { return (results_wide(d) + SIDE - 1) / SIDE; }
uint32_t tiles_of(const Descriptor &d) { return tiles_wide(d) * ((results_high(d) + SIDE - 1) / SIDE); }

size_t patch_values(const Descriptor &d) { return size_t(POSITIONS) * planes_of(d.input_channels) * BLOCK * PIXEL; }

struct Six {
  int16x8_t at[PATCH];
};
inline Six transformed(const Six &x) {
  const int16x8_t p = vsubq_s16(x.at[4], vshlq_n_s16(x.at[2], 2)), q = vsubq_s16(x.at[3], vshlq_n_s16(x.at[1], 2));
  const int16x8_t r = vsubq_s16(x.at[4], x.at[2]), s = vshlq_n_s16(vsubq_s16(x.at[3], x.at[1]), 1);
  return {{vaddq_s16(vshlq_n_s16(vsubq_s16(x.at[0], x.at[2]), 2), r), vaddq_s16(p, q), vsubq_s16(p, q), vaddq_s16(r, s), vsubq_s16(r, s),
           vsubq_s16(vsubq_s16(x.at[5], x.at[3]), vshlq_n_s16(s, 1))}};
}

// One plane of a tile's patch; to: position after position, `step` values apart.
void transform_patch(const int8_t *at, size_t row, int16_t *to, size_t step) {
  Six down[PATCH];
  for (uint32_t x = 0; x < PATCH; x++, at += PIXEL) {
    Six column;
    for (uint32_t y = 0; y < PATCH; y++) column.at[y] = vmovl_s8(vld1_s8(at + y * row));
    down[x] = transformed(column);
  }
  for (uint32_t y = 0; y < PATCH; y++) {
    Six line;
    for (uint32_t x = 0; x < PATCH; x++) line.at[x] = down[x].at[y];
    line = transformed(line);
    for (uint32_t x = 0; x < PATCH; x++, to += step) vst1q_s16(to, line.at[x]);
  }
}

// The patches of `count` tiles, all planes of them. A tile's patch begins a padding before its results.
void transform_patches(const Layer &l, uint32_t first, uint32_t count, int16_t *patches) {
  const Descriptor &d = l.d;
  const uint32_t planes = planes_of(d.input_channels);
  int8_t edge[POSITIONS * PIXEL];
  for (uint32_t t = 0; t < count; t++) {
    const int32_t y = int32_t((first + t) / tiles_wide(d) * SIDE) - l.window.pad_top, x = int32_t((first + t) % tiles_wide(d) * SIDE) - l.window.pad_left;
    const bool inside = y >= 0 && x >= 0 && y + int32_t(PATCH) <= d.input_height && x + int32_t(PATCH) <= d.input_width;
    for (uint32_t plane = 0; plane < planes; plane++) {
      const Plane from = plane_of(d, l.m.arena, plane);
      int16_t *to = patches + (size_t(plane) * BLOCK + t) * PIXEL;
      const size_t step = size_t(planes) * BLOCK * PIXEL;
      if (inside && !from.half) {
        transform_patch(from.pixel(uint32_t(y), uint32_t(x)), from.row_stride, to, step);
        continue;
      }
      for (int32_t i = 0; i < int32_t(POSITIONS); i++) {
        const int32_t at_y = y + i / int32_t(PATCH), at_x = x + i % int32_t(PATCH);
        const bool there = at_y >= 0 && at_y < d.input_height && at_x >= 0 && at_x < d.input_width;
        vst1_s8(edge + i * int32_t(PIXEL), there ? vld1_s8(from.pixel(uint32_t(at_y), uint32_t(at_x))) : vdup_n_s8(d.input_zero_point));
      }
      transform_patch(edge, PATCH * PIXEL, to, step);
    }
  }
}

template <int LANE>
inline void add_products(int32x4_t (&sums)[TOGETHER][2], int16x8_t weights, const int16x4_t (&x)[TOGETHER]) {
  for (uint32_t t = 0; t < TOGETHER; t++) {
    sums[t][0] = vmlal_lane_s16(sums[t][0], vget_low_s16(weights), x[t], LANE);
    sums[t][1] = vmlal_lane_s16(sums[t][1], vget_high_s16(weights), x[t], LANE);
  }
}

inline int16x8x2_t load_weights(const int8_t *&from) {
  const int8x16x2_t two = load_two(from);
  return {{vreinterpretq_s16_s8(two.val[0]), vreinterpretq_s16_s8(two.val[1])}};
}

// Half of a plane's channels.
__attribute__((always_inline)) inline void add_half(int32x4_t (&sums)[TOGETHER][2], const int8_t *&weights, const int16x4_t (&x)[TOGETHER]) {
  const int16x8x2_t w01 = load_weights(weights);
  add_products<0>(sums, w01.val[0], x);
  add_products<1>(sums, w01.val[1], x);
  const int16x8x2_t w23 = load_weights(weights);
  add_products<2>(sums, w23.val[0], x);
  add_products<3>(sums, w23.val[1], x);
}

// TOGETHER tiles times the 8 channels of a plane, at one position; sums: a tile's POSITIONS × PIXEL apart.
void multiply(const int16_t *patches, const int8_t *weights, uint32_t planes, int32_t *sums) {
  int32x4_t total[TOGETHER][2];
  for (auto &tile : total) tile[0] = tile[1] = vdupq_n_s32(0);
  for (; planes > 0; planes--, patches += BLOCK * PIXEL) {
    const int16x8_t a = vld1q_s16(patches), b = vld1q_s16(patches + PIXEL), c = vld1q_s16(patches + 2 * PIXEL), e = vld1q_s16(patches + 3 * PIXEL);
    const int16x4_t low[TOGETHER] = {vget_low_s16(a), vget_low_s16(b), vget_low_s16(c), vget_low_s16(e)};
    const int16x4_t high[TOGETHER] = {vget_high_s16(a), vget_high_s16(b), vget_high_s16(c), vget_high_s16(e)};
    add_half(total, weights, low);
    add_half(total, weights, high);
  }
  for (uint32_t t = 0; t < TOGETHER; t++, sums += POSITIONS * PIXEL) {
    vst1q_s32(sums, total[t][0]);
    vst1q_s32(sums + 4, total[t][1]);
  }
}

struct Four {
  int32x4_t at[SIDE];
};
// Six values, `step` apart.
inline Four put_back(const int32_t *from, size_t step) {
  const int32x4_t m1 = vld1q_s32(from + step), m2 = vld1q_s32(from + 2 * step), m3 = vld1q_s32(from + 3 * step), m4 = vld1q_s32(from + 4 * step);
  const int32x4_t a = vaddq_s32(m1, m2), b = vsubq_s32(m1, m2), c = vaddq_s32(m3, m4), e = vsubq_s32(m3, m4);
  return {{vaddq_s32(vaddq_s32(vld1q_s32(from), a), c), vaddq_s32(b, vshlq_n_s32(e, 1)), vaddq_s32(a, vshlq_n_s32(c, 2)),
           vaddq_s32(b, vshlq_n_s32(vaddq_s32(vshlq_n_s32(e, 1), vld1q_s32(from + 5 * step)), 2))}};
}

// One tile's sums of a plane of results, `high` × `wide` of them one behind the other.
void put_back_tile(const int32_t *products, uint32_t high, uint32_t wide, int32_t *sums) {
  int32_t down[SIDE * PATCH * PIXEL];
  for (uint32_t half = 0; half < PIXEL; half += 4) {
    for (uint32_t x = 0; x < PATCH; x++) {
      const Four column = put_back(products + x * PIXEL + half, PATCH * PIXEL);
      for (uint32_t y = 0; y < SIDE; y++) vst1q_s32(down + (y * PATCH + x) * PIXEL + half, column.at[y]);
    }
    for (uint32_t y = 0; y < high; y++) {
      const Four line = put_back(down + y * PATCH * PIXEL + half, PIXEL);
      int32_t *to = sums + y * wide * PIXEL + half;
      for (uint32_t x = 0; x < wide; x++, to += PIXEL) vst1q_s32(to, vshrq_n_s32(vmulq_n_s32(line.at[x], INVERSE_OF_9), 6));
    }
  }
}

}  // namespace

bool suits_winograd(const Descriptor &d) {
  return d.op == Op::CONV && d.kernel_h == 3 && d.kernel_w == 3 && d.stride_h == 1 && d.stride_w == 1 && d.dilation_h == 1 && d.dilation_w == 1 && d.input_channels >= PIXEL &&
         d.output_channels >= PIXEL && tiles_of(d) * SIDE * SIDE <= 2 * results_of(d);
}

size_t winograd_weight_bytes(const Descriptor &d) { return sizeof(int16_t) * POSITIONS * planes_of(d.output_channels) * PIXEL * planes_of(d.input_channels) * PIXEL; }

size_t winograd_scratch_bytes(const Descriptor &d) { return sizeof(int16_t) * patch_values(d) + sizeof(int32_t) * BLOCK * POSITIONS * PIXEL; }

bool prepare_winograd(const Descriptor &d, const int8_t *weights, uint8_t *prepared) {
  const uint32_t channels = d.input_channels, inputs = planes_of(channels) * PIXEL, outputs = planes_of(d.output_channels) * PIXEL;
  for (uint32_t o = 0; o < d.output_channels; o++) {
    int64_t largest = 0;
    for (const int8_t *w = weights + size_t(o) * 9 * channels, *end = w + 9 * channels; w < end; w++) largest += 128 * (*w < 0 ? -*w : *w);
    if (largest >= LARGEST_SUM) return false;
  }
  for (uint32_t o = 0; o < d.output_channels; o++, weights += 9 * channels) {
    for (uint32_t c = 0; c < channels; c++) {
      int32_t down[PATCH][3];
      for (uint32_t i = 0; i < PATCH; i++) {
        for (uint32_t x = 0; x < 3; x++) down[i][x] = KERNEL[i][0] * weights[x * channels + c] + KERNEL[i][1] * weights[(3 + x) * channels + c] + KERNEL[i][2] * weights[(6 + x) * channels + c];
      }
      for (uint32_t i = 0; i < POSITIONS; i++) {
        const int32_t *row = down[i / PATCH], *k = KERNEL[i % PATCH];
        const int16_t value = int16_t(k[0] * row[0] + k[1] * row[1] + k[2] * row[2]);
        std::memcpy(prepared + sizeof value * ((size_t(i) * outputs + o / PIXEL * PIXEL) * inputs + c * PIXEL + o % PIXEL), &value, sizeof value);
      }
    }
  }
  return true;
}

void run_winograd(const Layer &l, const Part &part) {
  const Descriptor &d = l.d;
  const uint32_t planes = planes_of(d.input_channels), outputs = planes_of(d.output_channels), high = results_high(d), wide = results_wide(d);
  int16_t *patches = reinterpret_cast<int16_t *>(l.m.scratch);
  int32_t *products = reinterpret_cast<int32_t *>(l.m.scratch + sizeof(int16_t) * patch_values(d));
  // As much of the tiles as the part is of the results.
  const auto tile_at = [&](uint32_t result) { return uint32_t(uint64_t(result) * tiles_of(d) / results_of(d)); };
  int32_t sums[TILE_PIXELS * PIXEL];
  Tile tile;
  for (uint32_t first = tile_at(part.first), end = tile_at(part.end); first < end; first += BLOCK) {
    const uint32_t count = min_of(BLOCK, end - first);
    transform_patches(l, first, count, patches);
    for (uint32_t plane = part.first_channel / PIXEL; plane < planes_of(part.end_channel); plane++) {
      for (uint32_t i = 0; i < POSITIONS; i++) {
        const int8_t *weights = l.weights() + sizeof(int16_t) * (size_t(i) * outputs + plane) * PIXEL * planes * PIXEL;
        for (uint32_t t = 0; t < count; t += TOGETHER) {
          multiply(patches + (size_t(i) * planes * BLOCK + t) * PIXEL, weights, planes, products + (t * POSITIONS + i) * PIXEL);
        }
      }
      for (uint32_t t = 0; t < count; t++) {
        const uint32_t y = (first + t) / tiles_wide(d) * SIDE, x = (first + t) % tiles_wide(d) * SIDE, rows = min_of(SIDE, high - y), columns = min_of(SIDE, wide - x);
        tile.count = rows * columns;
        for (uint32_t p = 0; p < tile.count; p++) {
          tile.y[p] = y + p / columns;
          tile.x[p] = x + p % columns;
        }
        put_back_tile(products + t * POSITIONS * PIXEL, rows, columns, sums);
        finish(l, Places(d, tile), plane, sums);
      }
    }
  }
}

}  // namespace fl::kernels::neon

#endif
