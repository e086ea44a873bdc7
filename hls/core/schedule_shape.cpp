#include "schedule_shape.h"

#include <algorithm>

namespace fl {
namespace {

// Stems of 1 to 4 channels: neighbouring pixels fill the lanes that channels leave empty.
uint8_t fold_of(const Descriptor &d, uint32_t kernel_w) {
  if (d.input_channels > 4 || d.second_channels > 0 || (d.flags & DescriptorFlag::UPSAMPLE_FIRST) || d.dilation_w != 1 || kernel_w == 1) return 0;
  return d.input_channels > 2 ? 1 : d.input_channels == 2 ? 2 : 3;
}

uint32_t inverse_of(uint32_t value, uint32_t modulus) {
  uint32_t inverse = 1;
  while (value * inverse % modulus != 1 % modulus) inverse++;
  return inverse;
}

// Pixels that follow one another in the flattened tile must lie in different banks, across the ends of rows too.
uint32_t pitch_of(const Shape &s, const Geometry &g, const Tile &t, uint32_t columns) {
  if (t.rows * s.pool == 1) return columns;
  const uint32_t banks = g.pixel_lanes;
  const uint32_t remainder = t.columns * s.pool * s.stride_w * inverse_of(s.stride_h, banks) % banks;
  return columns + (remainder + banks - columns % banks) % banks;
}

}  // namespace

Shape shape_of(const Descriptor &d, const Geometry &g) {
  const bool dense = d.op == Op::DENSE, reduces = dense || d.op == Op::CONV, pools = d.op == Op::MAX_POOL || d.op == Op::AVERAGE_POOL;
  Shape s{};
  s.kind = uint8_t(reduces ? CommandKind::REDUCE : d.op == Op::MAX_POOL ? CommandKind::MAXIMUM : CommandKind::DEPTHWISE);
  s.uniform = !reduces && d.op != Op::MAX_POOL && d.op != Op::DEPTHWISE;
  s.identity = !reduces && d.op != Op::AVERAGE_POOL && d.op != Op::DEPTHWISE;
  const bool windowed = d.op == Op::CONV || d.op == Op::DEPTHWISE || pools;
  s.kernel_h = dense ? d.input_height : windowed ? d.kernel_h : 1;
  const uint32_t kernel_w = dense ? d.input_width : windowed ? d.kernel_w : 1;
  // Where an axis has one result its stride says nothing.
  s.pool = d.flags & DescriptorFlag::POOL_OUTPUT ? 2 : 1;
  s.stride_h = windowed && d.output_height * s.pool > 1 ? d.stride_h : 1;
  s.skip = 1;
  if (s.kernel_h == 1 && !(d.flags & (DescriptorFlag::UPSAMPLE_FIRST | DescriptorFlag::UPSAMPLE_SECOND))) std::swap(s.skip, s.stride_h);
  s.stride_w = windowed && d.output_width * s.pool > 1 ? d.stride_w : 1;
  s.step_h = windowed ? d.dilation_h : 1;
  s.step_w = windowed ? d.dilation_w : 1;
  s.pad_top = windowed ? d.pad_top : 0;
  s.pad_left = windowed ? d.pad_left : 0;
  s.reach = (kernel_w - 1) * s.step_w + 1;
  s.fold = reduces ? fold_of(d, kernel_w) : 0;
  s.span = s.fold == 0 ? 1 : 2u << s.fold;
  s.kernel_w = ceil_div(kernel_w, s.span);
  if (s.fold != 0) s.step_w = s.span;
  s.fill = d.op == Op::MAX_POOL ? int8_t(-128) : d.input_zero_point;

  s.a_planes = ceil_div(d.input_channels - d.second_channels, PLANE_CHANNELS);
  s.b_planes = ceil_div(d.second_channels, PLANE_CHANNELS);
  s.out_planes = ceil_div(d.output_channels, PLANE_CHANNELS);
  s.words = ceil_div(s.a_planes + s.b_planes, 2);
  s.block_channels = reduces ? g.output_lanes : LANES;
  s.block_planes = s.block_channels / PLANE_CHANNELS;
  s.blocks = ceil_div(d.output_channels, s.block_channels);
  s.steps = s.kernel_h * s.kernel_w * (reduces ? s.words : 1);
  s.weight_steps = s.kind == CommandKind::MAXIMUM ? 0 : s.uniform ? 1 : s.steps;
  s.step_bytes = LANES * g.output_lanes;
  s.table_steps = d.flags & DescriptorFlag::HAS_TABLE ? ceil_div(256, s.step_bytes) : 0;
  return s;
}

Window window_of(const Descriptor &d, const Shape &s, const Geometry &g, const Tile &t) {
  Window w{};
  w.rows = (t.rows * s.pool - 1) * s.stride_h + (s.kernel_h - 1) * s.step_h + 1;
  w.columns = (t.columns * s.pool - 1) * s.stride_w + (s.kernel_w - 1) * s.step_w + s.span;
  const int32_t top = int32_t(t.y * s.pool * s.stride_h) - s.pad_top, left = int32_t(t.x * s.pool * s.stride_w) - s.pad_left;
  w.y = uint32_t(std::max(top, 0));
  w.x = uint32_t(std::max(left, 0));
  w.first_row = uint32_t(int32_t(w.y) - top);
  w.first_column = uint32_t(int32_t(w.x) - left);
  w.valid_rows = std::min(ceil_div(d.input_height, s.skip), uint32_t(top + int32_t(w.rows))) - w.y;
  w.valid_columns = std::min(uint32_t(d.input_width), uint32_t(left + int32_t((t.columns * s.pool - 1) * s.stride_w + s.reach))) - w.x;
  w.pitch = pitch_of(s, g, t, w.columns);
  w.words = channelwise(s) ? t.blocks : s.words;
  // A folded word stands at its first pixel: the last span - 1 positions are never written.
  const uint64_t pixels = uint64_t(w.rows - 1) * w.pitch + w.columns - (s.span - 1);
  w.bank_rows = uint32_t(std::min<uint64_t>((pixels + g.pixel_lanes - 1) / g.pixel_lanes * w.words, UINT32_MAX));
  return w;
}

}  // namespace fl
