// From 32-bit sums to codes in the arena, as hls/core/arithmetic.h defines it.
#include "kernels.h"

#if defined(__ARM_NEON) && !defined(FL_NO_NEON)

#include "neon.h"

namespace fl::kernels::neon {
namespace {

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

// A plane's requantisation, kept in registers or beside them over a tile's pixels.
struct ExactScales {
  int32x4_t bias[2];
  int32x2_t multiplier[4];
  Shift shift[4];

  ExactScales(const Parameter *parameters, uint32_t count, uint32_t step) {
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
inline int8x8_t requantise(const int32_t *sums, const ExactScales &s, int32x4_t zero_point) {
  int16x4_t half[2];
  for (uint32_t i = 0; i < 2; i++) {
    const int32x4_t sum = vaddq_s32(vld1q_s32(sums + 4 * i), s.bias[i]);
    const int64x2_t low = round_shift(vmull_s32(vget_low_s32(sum), s.multiplier[2 * i]), s.shift[2 * i].down, s.shift[2 * i].below_half);
    const int64x2_t high = round_shift(vmull_s32(vget_high_s32(sum), s.multiplier[2 * i + 1]), s.shift[2 * i + 1].down, s.shift[2 * i + 1].below_half);
    half[i] = vqmovn_s32(vqaddq_s32(vcombine_s32(vqmovn_s64(low), vqmovn_s64(high)), zero_point));
  }
  return vqmovn_s16(vcombine_s16(half[0], half[1]));
}

// The same where no product is half way between two results: rounding half up in 32 bits is then rounding half to even. (sum × M) / 2^24 rounded down comes
// first, and what that drops can't carry a sum over a half. See may_tie().
struct Scales {
  struct Half {
    int32x4_t bias, multiplier, down;
  };
  Half low, high;

  static Half half(const Parameter *parameters) {
    const int32x4x2_t four = vld2q_s32(reinterpret_cast<const int32_t *>(parameters));
    const uint32x4_t scale = vreinterpretq_u32_s32(four.val[1]);
    return {four.val[0], vreinterpretq_s32_u32(vshrq_n_u32(vshlq_n_u32(scale, 8), 1)), vreinterpretq_s32_u32(vsubq_u32(vdupq_n_u32(24), vshrq_n_u32(scale, 24)))};
  }
  static int16x4_t rounded(int32x4_t sums, const Half &half) { return vqmovn_s32(vrshlq_s32(vqdmulhq_s32(vaddq_s32(sums, half.bias), half.multiplier), half.down)); }

  // Reads 8 parameters.
  explicit Scales(const Parameter *parameters) : low(half(parameters)), high(half(parameters + 4)) {}

  // Of the next PIXEL sums.
  int8x8_t codes(const int8_t *&sums, int16x8_t zero_point) const {
    const int8x16x2_t both = load_two(sums);
    return vqmovn_s16(vqaddq_s16(vcombine_s16(rounded(vreinterpretq_s32_s8(both.val[0]), low), rounded(vreinterpretq_s32_s8(both.val[1]), high)), zero_point));
  }
};

}  // namespace

bool may_tie(const Parameter &p, uint64_t largest) {
  const uint32_t multiplier = multiplier_of(p.scale), shift = shift_of(p.scale);
  if (shift < 25 || shift > 55 || multiplier == 0) return true;
  const uint32_t twos = uint32_t(__builtin_ctz(multiplier));
  return shift <= twos + 1 || largest + uint64_t(p.bias < 0 ? -int64_t(p.bias) : p.bias) >= uint64_t(1) << (shift - 1 - twos);
}

// Any sums, in 64 bits.
__attribute__((noinline)) static void finish_exactly(const Layer &l, const Places &places, uint32_t plane, uint32_t channels, const int32_t *sums) {
  int8_t codes[TILE_PIXELS * PIXEL];
  const ExactScales scales(l.parameters() + size_t(plane) * PIXEL, channels, 1);
  const int32x4_t zero_point = vdupq_n_s32(l.d.stage_zero_point);
  for (uint32_t p = 0; p < places.count; p++) vst1_s8(codes + p * PIXEL, requantise(sums + p * PIXEL, scales, zero_point));
  output_stage(l, places, plane, codes);
}

int8x8_t requantised(const int32_t *sums, const Parameter &parameter, int8_t zero_point) { return requantise(sums, ExactScales(&parameter, PIXEL, 0), vdupq_n_s32(zero_point)); }

void output_stage(const Layer &l, const Places &places, uint32_t plane, const int8_t *codes) {
  const Descriptor &d = l.d;
  const Memory &m = l.m;
  const int8_t *table = d.flags & DescriptorFlag::HAS_TABLE ? reinterpret_cast<const int8_t *>(m.data + d.table_offset) + 128 : nullptr;
  const int8_t *residual = d.flags & DescriptorFlag::HAS_RESIDUAL ? m.arena + d.residual_offset + size_t(plane) * d.residual_plane_stride : nullptr;
  int8_t *output = m.arena + d.output_offset + size_t(plane) * d.output_plane_stride;
  const Add add(d);
  const int8x8_t least = vdup_n_s8(d.output_min), most = vdup_n_s8(d.output_max);
  for (uint32_t p = 0; p < places.count; p++, codes += PIXEL) {
    int8x8_t code = vld1_s8(codes);
    if (table) {
      int8_t mapped[PIXEL];
      for (uint32_t c = 0; c < PIXEL; c++) mapped[c] = table[codes[c]];
      code = vld1_s8(mapped);
    }
    if (residual) code = add.of(code, vld1_s8(residual + places.residual[p]));
    // The lower end first, as the golden model: where it lies above the upper, it is the result of codes below it.
    code = vbsl_s8(vclt_s8(code, least), least, vmin_s8(code, most));
    int8_t *to = output + places.output[p];
    // The first of a pooled 2 x 2 is stored as it is, the others where they are larger.
    if (places.among[p]) code = vmax_s8(code, vld1_s8(to));
    vst1_s8(to, code);
  }
}

void finish(const Layer &l, const Places &places, uint32_t plane, const int32_t *sums) {
  const Descriptor &d = l.d;
  const Parameter *parameters = l.parameters() + size_t(plane) * PIXEL;
  const uint32_t channels = min_of(PIXEL, d.output_channels - plane * PIXEL);
  if (l.ties[plane] || channels < PIXEL) return finish_exactly(l, places, plane, channels, sums);
  const Scales scales(parameters);
  const int16x8_t zero_point = vdupq_n_s16(d.stage_zero_point);
  const int8_t *from = reinterpret_cast<const int8_t *>(sums);
  if ((d.flags & (DescriptorFlag::HAS_TABLE | DescriptorFlag::HAS_RESIDUAL | DescriptorFlag::POOL_OUTPUT)) || d.output_min > d.output_max) {
    int8_t codes[TILE_PIXELS * PIXEL];
    for (uint32_t p = 0; p < places.count; p++) vst1_s8(codes + p * PIXEL, scales.codes(from, zero_point));
    return output_stage(l, places, plane, codes);
  }
  // All that most layers need.
  int8_t *output = l.m.arena + d.output_offset + size_t(plane) * d.output_plane_stride;
  const int8x8_t least = vdup_n_s8(d.output_min), most = vdup_n_s8(d.output_max);
  for (const uint32_t *at = places.output, *end = at + places.count; at < end; at++) vst1_s8(output + *at, vmax_s8(vmin_s8(scales.codes(from, zero_point), most), least));
}

}  // namespace fl::kernels::neon

#endif
