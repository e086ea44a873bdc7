#include "core.h"

#include <cstring>

#include "arithmetic.h"

namespace fl {
namespace {

constexpr uint32_t TILE_PIXELS = 16;    // output pixels whose patches are gathered at once, consecutive in the flattened output
constexpr uint32_t TILE_CHANNELS = 64;  // channels that pass the output stage at once
constexpr uint32_t ARRAY_PIXELS = 2;    // output pixels x channels of the multiplier array's inner block
constexpr uint32_t ARRAY_CHANNELS = 4;
constexpr uint32_t LANES = 32;          // a patch is padded with zeros to a multiple of this

uint32_t round_up(uint32_t value, uint32_t step) { return (value + step - 1) / step * step; }
uint32_t min_of(uint32_t a, uint32_t b) { return a < b ? a : b; }

// A dense layer is a convolution whose kernel is its whole input.
struct Window {
  uint32_t height, width, stride_h, stride_w, dilation_h, dilation_w;
  int32_t pad_top, pad_left;
};

Window window_of(const Descriptor &d) {
  if (d.op == Op::DENSE) return {d.input_height, d.input_width, 1, 1, 1, 1, 0, 0};
  return {d.kernel_h, d.kernel_w, d.stride_h, d.stride_w, d.dilation_h, d.dilation_w, d.pad_top, d.pad_left};
}

const int8_t *input_pixel(const Descriptor &d, const Memory &m, uint32_t y, uint32_t x) {
  return m.arena + d.input_offset + size_t(y) * d.input_row_stride + size_t(x) * d.input_pixel_stride;
}

void widen(const int8_t *from, uint32_t count, int16_t *to) {
  for (uint32_t i = 0; i < count; i++) to[i] = from[i];
}

void fill(int16_t value, uint32_t count, int16_t *to) {
  for (uint32_t i = 0; i < count; i++) to[i] = value;
}

// One kernel row of one output pixel's patch: `width` taps of all input channels, padding as the zero point.
void gather_row(const Descriptor &d, const Memory &m, const Window &w, int32_t y, int32_t x0, int16_t *to) {
  const uint32_t channels = d.input_channels;
  if (y < 0 || y >= int32_t(d.input_height)) {
    fill(d.input_zero_point, w.width * channels, to);
    return;
  }
  const bool inside = x0 >= 0 && x0 + int32_t((w.width - 1) * w.dilation_w) < int32_t(d.input_width);
  if (inside && w.dilation_w == 1 && d.input_pixel_stride == channels) {
    widen(input_pixel(d, m, uint32_t(y), uint32_t(x0)), w.width * channels, to);
    return;
  }
  for (uint32_t k = 0; k < w.width; k++) {
    const int32_t x = x0 + int32_t(k * w.dilation_w);
    int16_t *tap = to + size_t(k) * channels;
    if (x < 0 || x >= int32_t(d.input_width)) fill(d.input_zero_point, channels, tap);
    else widen(input_pixel(d, m, uint32_t(y), uint32_t(x)), channels, tap);
  }
}

FL_HOT void gather_patch(const Descriptor &d, const Memory &m, const Window &w, uint32_t pixel, int16_t *patch) {
  const int32_t y0 = int32_t(pixel / d.output_width * w.stride_h) - w.pad_top;
  const int32_t x0 = int32_t(pixel % d.output_width * w.stride_w) - w.pad_left;
  const uint32_t row = w.width * d.input_channels;
  for (uint32_t k = 0; k < w.height; k++) gather_row(d, m, w, y0 + int32_t(k * w.dilation_h), x0, patch + size_t(k) * row);
}

// The multiplier array: ARRAY_PIXELS patches times ARRAY_CHANNELS weight rows, int32 accumulators.
FL_HOT void multiply(const int16_t *__restrict patches, const int16_t *__restrict weights, uint32_t depth, int32_t *__restrict accumulators) {
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

FL_HOT void requantise_row(const int32_t *__restrict accumulators, const Parameter *__restrict parameters, uint32_t count, int32_t zero_point,
                           int8_t *__restrict codes) {
  for (uint32_t c = 0; c < count; c++) {
    FL_HLS(PIPELINE II = 1)
    codes[c] = requantise(accumulators[c] + parameters[c].bias, multiplier_of(parameters[c].scale), shift_of(parameters[c].scale), zero_point);
  }
}

FL_HOT void add_row(const Descriptor &d, const int8_t *residual, uint32_t count, int8_t *codes) {
  const int64_t a = d.add_multiplier_a, b = d.add_multiplier_b;
  const uint32_t shift = d.add_shift;
  const int32_t zero_a = d.add_zero_a, zero_b = d.add_zero_b, zero_out = d.add_zero_out;
  for (uint32_t c = 0; c < count; c++) {
    FL_HLS(PIPELINE II = 1)
    codes[c] = saturate(round_shift((codes[c] - zero_a) * a + (residual[c] - zero_b) * b, shift) + zero_out);
  }
}

// Codes of `count` channels (from `channel` on) of one output pixel: table, residual add, clamp, store.
void output_stage(const Descriptor &d, const Memory &m, uint32_t pixel, uint32_t channel, uint32_t count, int8_t *codes) {
  const size_t y = pixel / d.output_width, x = pixel % d.output_width;
  if (d.flags & DescriptorFlag::HAS_TABLE) {
    const int8_t *table = reinterpret_cast<const int8_t *>(m.data + d.table_offset);
    for (uint32_t c = 0; c < count; c++) codes[c] = table[int32_t(codes[c]) + 128];
  }
  if (d.flags & DescriptorFlag::HAS_RESIDUAL) {
    add_row(d, m.arena + d.residual_offset + y * d.residual_row_stride + x * d.residual_pixel_stride + channel, count, codes);
  }
  int8_t *out = m.arena + d.output_offset + y * d.output_row_stride + x * d.output_pixel_stride + channel;
  for (uint32_t c = 0; c < count; c++) out[c] = codes[c] < d.output_min ? d.output_min : codes[c] > d.output_max ? d.output_max : codes[c];
}

const Parameter *parameters_of(const Descriptor &d, const Memory &m) {
  return reinterpret_cast<const Parameter *>(m.data + d.parameters_offset);
}

void run_convolution(const Descriptor &d, const Memory &m) {
  const Window w = window_of(d);
  const uint32_t depth = round_up(weights_per_channel(d), LANES);
  const uint32_t pixels = uint32_t(d.output_height) * d.output_width;
  int32_t accumulators[TILE_PIXELS * TILE_CHANNELS];
  int8_t codes[TILE_CHANNELS];
  for (uint32_t first = 0; first < pixels; first += TILE_PIXELS) {
    const uint32_t tile = min_of(TILE_PIXELS, pixels - first);
    for (uint32_t p = 0; p < tile; p++) {
      int16_t *patch = m.patches + size_t(p) * depth;
      gather_patch(d, m, w, first + p, patch);
      fill(0, depth - weights_per_channel(d), patch + weights_per_channel(d));
    }
    for (uint32_t channel = 0; channel < d.output_channels; channel += TILE_CHANNELS) {
      const uint32_t count = min_of(TILE_CHANNELS, d.output_channels - channel);
      for (uint32_t c = 0; c < count; c += ARRAY_CHANNELS) {
        for (uint32_t p = 0; p < tile; p += ARRAY_PIXELS) {
          multiply(m.patches + size_t(p) * depth, m.weights + size_t(channel + c) * depth, depth, accumulators + p * TILE_CHANNELS + c);
        }
      }
      for (uint32_t p = 0; p < tile; p++) {
        requantise_row(accumulators + p * TILE_CHANNELS, parameters_of(d, m) + channel, count, d.stage_zero_point, codes);
        output_stage(d, m, first + p, channel, count, codes);
      }
    }
  }
}

// Rows and columns of a pooling window that lie inside the input.
struct Valid {
  uint32_t top, bottom, left, right;  // bottom and right are one past the last
};

Valid valid_of(const Descriptor &d, uint32_t pixel) {
  const int32_t y = int32_t(pixel / d.output_width * d.stride_h) - d.pad_top;
  const int32_t x = int32_t(pixel % d.output_width * d.stride_w) - d.pad_left;
  return {uint32_t(y < 0 ? 0 : y), min_of(uint32_t(y + d.kernel_h), d.input_height), uint32_t(x < 0 ? 0 : x),
          min_of(uint32_t(x + d.kernel_w), d.input_width)};
}

FL_HOT void max_row(const int8_t *in, uint32_t count, int8_t *codes) {
  for (uint32_t c = 0; c < count; c++) codes[c] = in[c] > codes[c] ? in[c] : codes[c];
}

FL_HOT void sum_row(const int8_t *in, uint32_t count, int32_t *sums) {
  for (uint32_t c = 0; c < count; c++) sums[c] += in[c];
}

void run_max_pool(const Descriptor &d, const Memory &m, uint32_t pixel, uint32_t channel, uint32_t count, int8_t *codes) {
  const Valid v = valid_of(d, pixel);
  std::memset(codes, -128, count);
  for (uint32_t y = v.top; y < v.bottom; y++) {
    for (uint32_t x = v.left; x < v.right; x++) max_row(input_pixel(d, m, y, x) + channel, count, codes);
  }
}

void run_average_pool(const Descriptor &d, const Memory &m, uint32_t pixel, uint32_t channel, uint32_t count, int8_t *codes) {
  const Valid v = valid_of(d, pixel);
  const uint32_t inside = (v.bottom - v.top) * (v.right - v.left), all = uint32_t(d.kernel_h) * d.kernel_w;
  const bool per_count = !(d.flags & DescriptorFlag::COUNT_INCLUDE_PAD) && (d.pad_top | d.pad_left | d.pad_bottom | d.pad_right) != 0;
  const Parameter parameter = parameters_of(d, m)[per_count ? inside - 1 : 0];
  const int32_t padding = per_count ? 0 : int32_t(all - inside) * d.input_zero_point;
  int32_t sums[TILE_CHANNELS];
  for (uint32_t c = 0; c < count; c++) sums[c] = padding;
  for (uint32_t y = v.top; y < v.bottom; y++) {
    for (uint32_t x = v.left; x < v.right; x++) sum_row(input_pixel(d, m, y, x) + channel, count, sums);
  }
  for (uint32_t c = 0; c < count; c++) {
    codes[c] = requantise(sums[c] + parameter.bias, multiplier_of(parameter.scale), shift_of(parameter.scale), d.stage_zero_point);
  }
}

// Pooling, add and table: no channel sees another.
void run_channelwise(const Descriptor &d, const Memory &m) {
  const uint32_t pixels = uint32_t(d.output_height) * d.output_width;
  int8_t codes[TILE_CHANNELS];
  for (uint32_t pixel = 0; pixel < pixels; pixel++) {
    for (uint32_t channel = 0; channel < d.output_channels; channel += TILE_CHANNELS) {
      const uint32_t count = min_of(TILE_CHANNELS, d.output_channels - channel);
      if (d.op == Op::MAX_POOL) run_max_pool(d, m, pixel, channel, count, codes);
      else if (d.op == Op::AVERAGE_POOL) run_average_pool(d, m, pixel, channel, count, codes);
      else std::memcpy(codes, input_pixel(d, m, pixel / d.output_width, pixel % d.output_width) + channel, count);
      output_stage(d, m, pixel, channel, count, codes);
    }
  }
}

bool multiplies(const Descriptor &d) { return d.op == Op::CONV || d.op == Op::DENSE; }

}  // namespace

uint32_t weights_per_channel(const Descriptor &d) {
  const Window w = window_of(d);
  return w.height * w.width * d.input_channels;
}

size_t prepared_elements(const Descriptor &d) {
  if (!multiplies(d)) return 0;
  return size_t(round_up(d.output_channels, ARRAY_CHANNELS)) * round_up(weights_per_channel(d), LANES);
}

size_t patch_elements(const Descriptor &d) {
  return multiplies(d) ? size_t(TILE_PIXELS) * round_up(weights_per_channel(d), LANES) : 0;
}

void prepare_weights(const Descriptor &d, const int8_t *weights, int16_t *prepared) {
  const uint32_t count = weights_per_channel(d), depth = round_up(count, LANES);
  for (uint32_t c = 0; c < round_up(d.output_channels, ARRAY_CHANNELS); c++) {
    for (uint32_t k = 0; k < depth; k++) {
      prepared[size_t(c) * depth + k] = c < d.output_channels && k < count ? weights[size_t(c) * count + k] : int16_t(0);
    }
  }
}

uint64_t macs(const Descriptor &d) {
  if (!multiplies(d)) return 0;
  return uint64_t(d.output_height) * d.output_width * d.output_channels * weights_per_channel(d);
}

void run_layer(const Descriptor &d, const Memory &memory) {
  if (multiplies(d)) run_convolution(d, memory);
  else run_channelwise(d, memory);
}

}  // namespace fl
