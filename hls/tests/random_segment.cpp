#include "random_segment.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fl {
namespace {

uint32_t planes(uint32_t channels) { return (channels + PLANE_CHANNELS - 1) / PLANE_CHANNELS; }

bool weighs(const Descriptor &d) { return d.op == Op::CONV || d.op == Op::DENSE || d.op == Op::DEPTHWISE; }

// Weights of one output channel.
uint32_t taps_of(const Descriptor &d) {
  if (d.op == Op::DENSE) return uint32_t(d.input_height) * d.input_width * d.input_channels;
  return uint32_t(d.kernel_h) * d.kernel_w * (d.op == Op::CONV ? d.input_channels : 1);
}

// Whether planes of one source lie among those that start at `offset`.
bool meets(uint32_t offset, uint32_t plane_stride, uint32_t channels, uint32_t source, uint32_t source_stride, uint32_t source_channels) {
  return offset < source + source_stride * planes(source_channels) && source < offset + plane_stride * planes(channels);
}

bool reads_its_residual(const Descriptor &d) {
  const auto reads = [&](uint32_t source, uint32_t stride, uint32_t channels) {
    return channels > 0 && meets(d.residual_offset, d.residual_plane_stride, d.output_channels, source, stride, channels);
  };
  return reads(d.input_offset, d.input_plane_stride, d.input_channels - d.second_channels) || reads(d.second_offset, d.second_plane_stride, d.second_channels);
}

}  // namespace

Laid SegmentBuilder::lay(uint32_t height, uint32_t width, uint32_t channels) {
  Laid l{height, width, channels, arena_bytes, 0, 0};
  l.row_stride = (width + random.pick({0, 0, 0, 1, 5})) * 8;
  l.plane_stride = l.row_stride * height + random.pick({0, 0, 8, 40});
  arena_bytes += l.plane_stride * planes(channels) + 8 * random.pick({0, 1, 8});
  return l;
}

Descriptor SegmentBuilder::layer(uint32_t op, const Laid &input, const Axis &h, const Axis &w, uint32_t channels) {
  Descriptor d{};
  d.op = uint16_t(op);
  d.input_offset = input.offset;
  d.input_plane_stride = input.plane_stride;
  d.input_row_stride = input.row_stride;
  d.input_height = uint16_t(input.height);
  d.input_width = uint16_t(input.width);
  d.input_channels = input.channels;
  d.second_offset = d.weights_offset = d.parameters_offset = d.table_offset = d.residual_offset = NONE;
  d.output_height = uint16_t(h.out);
  d.output_width = uint16_t(w.out);
  d.output_channels = channels;
  d.kernel_h = uint8_t(h.kernel);
  d.kernel_w = uint8_t(w.kernel);
  d.stride_h = uint8_t(h.stride);
  d.stride_w = uint8_t(w.stride);
  d.dilation_h = uint8_t(h.dilation);
  d.dilation_w = uint8_t(w.dilation);
  d.pad_top = uint8_t(h.before);
  d.pad_bottom = uint8_t(h.after);
  d.pad_left = uint8_t(w.before);
  d.pad_right = uint8_t(w.after);
  d.input_zero_point = random.code();
  d.stage_zero_point = random.code();
  d.output_min = -128;
  d.output_max = 127;
  return d;
}

void SegmentBuilder::residual(Descriptor &d, const Laid &other) {
  d.flags = uint16_t(d.flags | DescriptorFlag::HAS_RESIDUAL);
  d.residual_offset = other.offset;
  d.residual_plane_stride = other.plane_stride;
  d.residual_row_stride = other.row_stride;
  d.add_multiplier_a = random.next() >> 8;
  d.add_multiplier_b = random.next() >> 8;
  d.add_shift = uint8_t(random.pick({23, 24, 25, 1, MAX_SHIFT}));
  d.add_zero_a = random.code();
  d.add_zero_b = random.code();
  d.add_zero_out = random.code();
}

void SegmentBuilder::table(Descriptor &d) {
  d.flags = uint16_t(d.flags | DescriptorFlag::HAS_TABLE);
  d.table_offset = uint32_t(data.size());
  for (uint32_t i = 0; i < 256; i++) data.push_back(uint8_t(random.next()));
}

// `reach`: what sums are of the order of, so that results spread over the codes.
uint32_t SegmentBuilder::parameters(uint32_t count, uint32_t reach) {
  data.resize((data.size() + 7) / 8 * 8);
  const uint32_t offset = uint32_t(data.size());
  const uint32_t shift = 24 + uint32_t(std::lround(std::log2(double(reach) / 160 + 1)));
  for (uint32_t i = 0; i < count; i++) {
    const int32_t bias = int32_t(random.between(0, 4000)) - 2000;
    const bool tie = random.chance(30), any = random.chance(5);
    const uint32_t m = any ? random.next() >> 8 : tie ? 1u << 23 : random.between(1u << 23, (1u << 24) - 1), s = any ? random.between(1, MAX_SHIFT) : shift;
    const uint32_t words[2] = {uint32_t(bias), m | (s << 24)};
    const uint8_t *bytes = reinterpret_cast<const uint8_t *>(words);
    data.insert(data.end(), bytes, bytes + sizeof words);
  }
  return offset;
}

void SegmentBuilder::put(Descriptor &d, const Laid &output) {
  d.output_offset = output.offset;
  d.output_plane_stride = output.plane_stride;
  d.output_row_stride = output.row_stride;
}

void SegmentBuilder::add(Descriptor d) {
  if (weighs(d)) {
    const uint32_t taps = taps_of(d), count = taps * d.output_channels;
    const bool extreme = random.chance(20);
    d.parameters_offset = parameters(d.output_channels, uint32_t(128 * (extreme ? 127 : 73) * std::sqrt(double(taps))));
    d.weights_offset = uint32_t(data.size());
    for (uint32_t i = 0; i < count; i++) {
      const int8_t w = random.code();
      data.push_back(uint8_t(extreme ? (w < 0 ? -127 : 127) : w == -128 ? -127 : w));
    }
  } else if (d.op == Op::AVERAGE_POOL) {
    d.parameters_offset = parameters(1, 128u * d.kernel_h * d.kernel_w);
  }
  layers.push_back(d);
}

Axis SegmentBuilder::random_axis(uint32_t op, uint32_t length) {
  const bool pool = op == Op::MAX_POOL || op == Op::AVERAGE_POOL;
  if (op == Op::DENSE) return {1, 1, 1, 0, 0, 1};
  if (!pool && op != Op::CONV && op != Op::DEPTHWISE) return {1, 1, 1, 0, 0, length};
  Axis a{random.pick({1, 2, 3, 3, 3, 5, 7, pool ? 9u : 4u}), random.between(1, 2), !pool && random.chance(25) ? 2u : 1u, 0, 0, 0};
  if (random.chance(10)) a.kernel = std::min(length, pool ? 255u : 7u);
  const uint32_t extent = (a.kernel - 1) * a.dilation + 1;
  a.before = random.chance(50) ? (extent - 1) / 2 : random.chance(50) ? random.between(0, extent - 1) : 0;
  a.after = random.chance(50) ? (extent - 1) / 2 : random.chance(50) ? random.between(0, extent - 1) : 0;
  if (length + a.before + a.after < extent) a.before = a.after = extent - 1;
  a.out = (length + a.before + a.after - extent) / a.stride + 1;
  if (a.out == 1 && pool) a.stride = random.between(1, 9);
  return a;
}

// Channels behind those of the first source, from a tensor of the same size or half of it.
void SegmentBuilder::second_source(Descriptor &d) {
  if (d.input_channels % 8 != 0 || !random.chance(40)) return;
  const bool half = random.chance(30);
  const uint32_t height = half ? (d.input_height + 1u) / 2 : d.input_height, width = half ? (d.input_width + 1u) / 2 : d.input_width;
  std::vector<Laid> fitting{lay(height, width, random.between(1, 40))};
  for (const Laid &l : laid_) {
    if (l.height == height && l.width == width) fitting.push_back(l);
  }
  const Laid second = fitting[random.next() % fitting.size()];
  d.second_offset = second.offset;
  d.second_plane_stride = second.plane_stride;
  d.second_row_stride = second.row_stride;
  d.second_channels = second.channels;
  d.input_channels += second.channels;
  if (half) d.flags = uint16_t(d.flags | DescriptorFlag::UPSAMPLE_SECOND);
}

// A place of its own, planes of a larger tensor, or over the residual or the input where the layer allows it.
void SegmentBuilder::random_output(Descriptor &d) {
  Laid out{d.output_height, d.output_width, d.output_channels, 0, 0, 0};
  const bool pointwise = d.op == Op::ADD || d.op == Op::TABLE || d.op == Op::COPY;
  if ((d.flags & DescriptorFlag::HAS_RESIDUAL) && !reads_its_residual(d) && random.chance(20)) {
    out.offset = d.residual_offset;
    out.plane_stride = d.residual_plane_stride;
    out.row_stride = d.residual_row_stride;
  } else if (pointwise && d.second_channels == 0 && !(d.flags & DescriptorFlag::UPSAMPLE_FIRST) && random.chance(20)) {
    out.offset = d.input_offset;
    out.plane_stride = d.input_plane_stride;
    out.row_stride = d.input_row_stride;
  } else {
    // Nothing stands behind a last plane that is not full: its pad lanes mean nothing.
    const uint32_t before = random.chance(25) ? 8 * random.between(0, 3) : 0, behind = out.channels % 8 == 0 && random.chance(25) ? random.between(0, 20) : 0;
    out = lay(out.height, out.width, before + out.channels + behind);
    if (before + behind > 0) laid_.push_back(out);  // later layers read it together with its neighbours
    out.offset += before / 8 * out.plane_stride;
    out.channels = d.output_channels;
  }
  put(d, out);
  laid_.push_back(out);
}

void SegmentBuilder::add_random_layer() {
  const uint32_t op = random.pick({Op::CONV, Op::CONV, Op::CONV, Op::CONV, Op::DENSE, Op::MAX_POOL, Op::AVERAGE_POOL, Op::ADD, Op::TABLE, Op::DEPTHWISE,
                                   Op::DEPTHWISE, Op::COPY});
  Laid input = !laid_.empty() && random.chance(80) ? laid_[laid_.size() - 1 - random.next() % std::min<size_t>(laid_.size(), 3)]
                                                   : lay(random.between(1, 14), random.between(1, 14), random.pick({1, 2, 3, 4, 8, 16, 17, 24, 32, 40, 70}));
  const bool half = random.chance(15);
  if (half) {
    input.height = input.height * 2 - random.between(0, 1);
    input.width = input.width * 2 - random.between(0, 1);
  }
  uint32_t op_now = op;
  if (op == Op::DENSE && input.height * input.width * input.channels > 6000) op_now = Op::CONV;
  const Axis h = random_axis(op_now, input.height), w = random_axis(op_now, input.width);
  Descriptor d = layer(op_now, input, h, w, 0);
  if (half) d.flags = DescriptorFlag::UPSAMPLE_FIRST;
  second_source(d);
  d.output_channels = op_now == Op::CONV || op_now == Op::DENSE ? random.pick({1, 5, 8, 16, 24, 33, 50}) : d.input_channels;
  const bool padded = (d.pad_top | d.pad_left | d.pad_bottom | d.pad_right) != 0;
  if (op_now == Op::AVERAGE_POOL && (padded || random.chance(50))) d.flags = uint16_t(d.flags | DescriptorFlag::COUNT_INCLUDE_PAD);
  if (op_now == Op::TABLE || random.chance(30)) table(d);
  if ((op_now == Op::CONV || op_now == Op::DEPTHWISE) && d.output_height > 1 && d.output_width > 1 && random.chance(20)) {
    d.flags = uint16_t(d.flags | DescriptorFlag::POOL_OUTPUT);
    d.output_height /= 2;
    d.output_width /= 2;
  } else if (op_now == Op::ADD || random.chance(30)) {
    std::vector<Laid> fitting{lay(d.output_height, d.output_width, d.output_channels)};
    for (const Laid &l : laid_) {
      if (l.height == d.output_height && l.width == d.output_width && l.channels == d.output_channels) fitting.push_back(l);
    }
    residual(d, fitting[random.next() % fitting.size()]);
  }
  if (random.chance(40)) {
    d.output_min = int8_t(random.between(0, 60) - 60);
    d.output_max = int8_t(random.between(0, 100));
  }
  random_output(d);
  add(d);
}

}  // namespace fl
