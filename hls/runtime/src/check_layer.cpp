// What a descriptor must satisfy before hls/core runs it: the core itself checks nothing.
#include <cstdlib>
#include <cstring>

#include "../../core/core.h"
#include "../include/fabriclens_runtime.h"
#include "program.h"

namespace fl {
namespace {

// Multiply-accumulates, or pooled elements, of one layer: cancellation is looked at between layers only, so a layer may take seconds, not hours.
constexpr uint64_t MAX_LAYER_WORK = uint64_t(1) << 35;

// Refuses with the layer's index and name in front.
struct Layer {
  const Program &program;
  uint32_t index;
  const Descriptor &d;
  uint32_t target;  // Target

  [[noreturn]] void refuse(const std::string &text) const {
    throw Refusal{FL_ERROR_FORMAT, text_of("layer %u (%s): %s", index, name_of(program, d.name_offset, d.name_bytes).c_str(), text.c_str())};
  }
  void require(bool holds, const char *text) const {
    if (!holds) refuse(text);
  }
};

// An activation's place: aligned, and its last pixel inside the arena. Strides may repeat or overlap, but not leave it.
void check_range(const Layer &l, const char *what, uint32_t offset, uint32_t height, uint32_t width, uint32_t channels, uint32_t plane_stride,
                 uint32_t row_stride) {
  if ((offset | plane_stride | row_stride) % PLANE_CHANNELS != 0) l.refuse(text_of("%s: offset or stride is not a multiple of %u", what, PLANE_CHANNELS));
  const uint64_t end = uint64_t(offset) + uint64_t(planes_of(channels) - 1) * plane_stride + uint64_t(height - 1) * row_stride + uint64_t(width) * PLANE_CHANNELS;
  if (end > l.program.header.arena_bytes) {
    l.refuse(text_of("%s ends at byte %llu of an arena of %u", what, static_cast<unsigned long long>(end), l.program.header.arena_bytes));
  }
}

// The one or two sources of the input, each at full or half resolution.
void check_sources(const Layer &l) {
  const Descriptor &d = l.d;
  const auto length = [&](uint32_t full, uint32_t flag) { return d.flags & flag ? (full + 1) / 2 : full; };
  l.require(d.second_channels < d.input_channels, "second source leaves the first no channels");
  const uint32_t first = d.input_channels - d.second_channels, up_first = DescriptorFlag::UPSAMPLE_FIRST, up_second = DescriptorFlag::UPSAMPLE_SECOND;
  check_range(l, "input", d.input_offset, length(d.input_height, up_first), length(d.input_width, up_first), first, d.input_plane_stride, d.input_row_stride);
  if (d.second_channels == 0) {
    l.require(!(d.flags & up_second) && d.second_offset == NONE, "second source without channels");
    return;
  }
  l.require(first % PLANE_CHANNELS == 0, "first source of two has no multiple of 8 channels");
  check_range(l, "second source", d.second_offset, length(d.input_height, up_second), length(d.input_width, up_second), d.second_channels, d.second_plane_stride,
              d.second_row_stride);
}

void check_data(const Layer &l, const char *what, uint32_t offset, uint64_t bytes, uint32_t alignment) {
  if (offset % alignment != 0) l.refuse(text_of("%s is at offset %u, not a multiple of %u", what, offset, alignment));
  if (offset + bytes > l.program.data_bytes) l.refuse(text_of("%s lies outside DATA (%u bytes)", what, l.program.data_bytes));
}

Parameter parameter_at(const Layer &l, uint32_t index) {
  Parameter parameter;
  std::memcpy(&parameter, l.program.data + l.d.parameters_offset + size_t(index) * sizeof(Parameter), sizeof parameter);
  return parameter;
}

void check_shift(const Layer &l, const char *what, uint32_t shift) {
  if (shift < 1 || shift > MAX_SHIFT) l.refuse(text_of("%s is %u, not 1..%u", what, shift, MAX_SHIFT));
}

// Output size that input, padding, kernel and stride give along one axis.
void check_axis(const Layer &l, const char *axis, uint32_t in, uint32_t out, uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t before,
                uint32_t after) {
  if (kernel == 0 || stride == 0 || dilation == 0) l.refuse(text_of("%s: kernel, stride or dilation is 0", axis));
  const uint32_t extent = (kernel - 1) * dilation + 1;
  if (before >= extent || after >= extent) l.refuse(text_of("%s: padding reaches the kernel's extent", axis));
  if (in + before + after < extent) l.refuse(text_of("%s: the kernel is larger than the padded input", axis));
  const uint32_t results = (in + before + after - extent) / stride + 1, expected = (l.d.flags & DescriptorFlag::POOL_OUTPUT) ? results / 2 : results;
  if (out != expected) l.refuse(text_of("%s: output is %u, not %u", axis, out, expected));
}

void check_window(const Layer &l) {
  const Descriptor &d = l.d;
  check_axis(l, "height", d.input_height, d.output_height, d.kernel_h, d.stride_h, d.dilation_h, d.pad_top, d.pad_bottom);
  check_axis(l, "width", d.input_width, d.output_width, d.kernel_w, d.stride_w, d.dilation_w, d.pad_left, d.pad_right);
}

// |accumulator| < 2^31 whatever the input codes are: 128 * sum|w| + |bias|. The compiler proves it too; a damaged file must not undo it.
void check_weights(const Layer &l) {
  const Descriptor &d = l.d;
  const uint64_t count = weights_per_channel(d);
  check_data(l, "weights", d.weights_offset, count * d.output_channels, 1);
  check_data(l, "parameters", d.parameters_offset, uint64_t(d.output_channels) * PARAMETER_BYTES, PARAMETER_BYTES);
  const int8_t *weights = reinterpret_cast<const int8_t *>(l.program.data) + d.weights_offset;
  // A depthwise layer's weights of one channel stand a pixel apart, the others' end to end.
  const size_t channel_step = d.op == Op::DEPTHWISE ? 1 : size_t(count), step = d.op == Op::DEPTHWISE ? d.output_channels : 1;
  for (uint32_t c = 0; c < d.output_channels; c++) {
    uint64_t sum = 0;
    for (uint64_t k = 0; k < count; k++) {
      const int8_t weight = weights[c * channel_step + k * step];
      if (weight == -128) l.refuse(text_of("weight %llu of output channel %u is -128, which the core cannot hold", static_cast<unsigned long long>(k), c));
      sum += uint64_t(std::abs(int32_t(weight)));
    }
    const Parameter parameter = parameter_at(l, c);
    if (128 * sum + uint64_t(std::llabs(parameter.bias)) >= uint64_t(1) << 31) l.refuse(text_of("output channel %u can overflow its 32-bit accumulator", c));
    check_shift(l, "shift", shift_of(parameter.scale));
  }
}

void check_convolution(const Layer &l) {
  const Descriptor &d = l.d;
  if (l.target == Target::PL) {
    l.require(d.kernel_h <= MAX_KERNEL && d.kernel_w <= MAX_KERNEL, "kernel is larger than the core's");
    l.require(d.stride_h <= MAX_STRIDE && d.stride_w <= MAX_STRIDE, "stride is not 1 or 2");
    l.require(d.dilation_h <= MAX_DILATION && d.dilation_w <= MAX_DILATION, "dilation is not 1 or 2");
  }
  // With at most MAX_CHANNELS channels an output's weights are 2^29 at most: no count of them leaves 32 bits.
  l.require(uint32_t(d.kernel_h) * d.kernel_w <= MAX_TAPS, "kernel has too many taps");
  l.require(d.op != Op::DEPTHWISE || d.input_channels == d.output_channels, "input and output channels differ");
  check_window(l);
  check_weights(l);
}

void check_dense(const Layer &l) {
  const Descriptor &d = l.d;
  l.require(d.output_height == 1 && d.output_width == 1, "output of a dense layer is not one pixel");
  l.require(uint64_t(d.input_height) * d.input_width * d.input_channels <= MAX_CHANNELS, "too many columns");
  check_weights(l);
}

void check_pool(const Layer &l) {
  const Descriptor &d = l.d;
  l.require(d.dilation_h == 1 && d.dilation_w == 1, "dilation of a pooling window is not 1");
  l.require(d.input_channels == d.output_channels, "input and output channels differ");
  check_window(l);
  if (d.op == Op::MAX_POOL) return;
  const bool padded = (d.pad_top | d.pad_left | d.pad_bottom | d.pad_right) != 0;
  const uint32_t count = padded && !(d.flags & DescriptorFlag::COUNT_INCLUDE_PAD) ? uint32_t(d.kernel_h) * d.kernel_w : 1;
  check_data(l, "parameters", d.parameters_offset, uint64_t(count) * PARAMETER_BYTES, PARAMETER_BYTES);
  for (uint32_t i = 0; i < count; i++) {
    const Parameter parameter = parameter_at(l, i);
    l.require(std::llabs(parameter.bias) < int64_t(1) << 30, "bias can overflow its 32-bit accumulator");
    check_shift(l, "shift", shift_of(parameter.scale));
  }
}

void check_same_shape(const Layer &l) {
  const Descriptor &d = l.d;
  l.require(d.input_height == d.output_height && d.input_width == d.output_width && d.input_channels == d.output_channels, "input and output shapes differ");
}

void check_work(const Layer &l) {
  const Descriptor &d = l.d;
  const uint64_t outputs = uint64_t(d.output_height) * d.output_width * d.output_channels * ((d.flags & DescriptorFlag::POOL_OUTPUT) ? 4 : 1);
  const uint64_t each = has_weights(d) ? weights_per_channel(d) : uint64_t(d.kernel_h) * d.kernel_w;
  l.require(outputs <= MAX_LAYER_WORK && (each == 0 || outputs <= MAX_LAYER_WORK / each), "too much work for one layer");
}

void check_output_stage(const Layer &l) {
  const Descriptor &d = l.d;
  const uint32_t known = DescriptorFlag::HAS_TABLE | DescriptorFlag::HAS_RESIDUAL | DescriptorFlag::COUNT_INCLUDE_PAD | DescriptorFlag::UPSAMPLE_FIRST |
                         DescriptorFlag::UPSAMPLE_SECOND | DescriptorFlag::POOL_OUTPUT;
  l.require((d.flags & ~known) == 0, "unknown flags");
  if (d.flags & DescriptorFlag::POOL_OUTPUT) {
    l.require(d.op == Op::CONV || d.op == Op::DEPTHWISE, "pools the output of what is no convolution");
    l.require(!(d.flags & DescriptorFlag::HAS_RESIDUAL), "pools the output of a residual add");
  }
  if (d.flags & DescriptorFlag::HAS_TABLE) check_data(l, "table", d.table_offset, 256, 1);
  if (d.flags & DescriptorFlag::HAS_RESIDUAL) {
    check_range(l, "residual", d.residual_offset, d.output_height, d.output_width, d.output_channels, d.residual_plane_stride, d.residual_row_stride);
    l.require(d.add_multiplier_a < 1u << MULTIPLIER_BITS && d.add_multiplier_b < 1u << MULTIPLIER_BITS, "add multiplier has more than 24 bits");
    check_shift(l, "add_shift", d.add_shift);
  }
}

}  // namespace

void check_descriptor(const Program &program, uint32_t index, uint32_t target) {
  const Layer l{program, index, program.descriptors[index], target};
  const Descriptor &d = l.d;
  l.require(d.input_height > 0 && d.input_width > 0 && d.input_channels > 0 && d.output_height > 0 && d.output_width > 0 && d.output_channels > 0, "a dimension is 0");
  l.require(d.input_height <= MAX_DIMENSION && d.input_width <= MAX_DIMENSION && d.output_height <= MAX_DIMENSION && d.output_width <= MAX_DIMENSION, "height or width is too large");
  l.require(d.input_channels <= MAX_CHANNELS && d.output_channels <= MAX_CHANNELS, "too many channels");
  check_sources(l);
  check_range(l, "output", d.output_offset, d.output_height, d.output_width, d.output_channels, d.output_plane_stride, d.output_row_stride);
  l.require(d.output_tensor < program.tensors.size(), "output_tensor is out of range");
  const Tensor &t = program.tensors[d.output_tensor];
  l.require(t.arena_offset == d.output_offset && t.height == d.output_height && t.width == d.output_width && t.channels == d.output_channels &&
                t.plane_stride == d.output_plane_stride && t.row_stride == d.output_row_stride, "output differs from the tensor it names");
  l.require(d.reserved16 == 0 && d.reserved == 0, "reserved is not 0");
  check_work(l);
  check_output_stage(l);
  switch (d.op) {
    case Op::CONV:
    case Op::DEPTHWISE: return check_convolution(l);
    case Op::DENSE: return check_dense(l);
    case Op::MAX_POOL:
    case Op::AVERAGE_POOL: return check_pool(l);
    case Op::ADD: l.require(d.flags & DescriptorFlag::HAS_RESIDUAL, "an add without its residual"); return check_same_shape(l);
    case Op::TABLE: l.require(d.flags & DescriptorFlag::HAS_TABLE, "a table layer without its table"); return check_same_shape(l);
    case Op::COPY: return check_same_shape(l);
    default: l.refuse(text_of("unknown op %u", d.op));
  }
}

}  // namespace fl
