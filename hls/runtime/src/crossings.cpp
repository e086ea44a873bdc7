#include "crossings.h"

#include <algorithm>

#include "../../core/core.h"

namespace fl {
namespace {

constexpr uint32_t LINE = ALIGNMENT;  // no processor's cache lines are longer

// An activation's bytes, from its first to behind its last.
struct Hull {
  uint64_t first, end;
  bool dense;  // no byte between them belongs to another
};

Hull hull_of(uint32_t offset, uint32_t height, uint32_t width, uint32_t channels, uint32_t plane_stride, uint32_t row_stride) {
  const uint64_t row = uint64_t(width) * PLANE_CHANNELS, plane = uint64_t(height - 1) * row_stride + row, planes = planes_of(channels);
  return {offset, offset + (planes - 1) * plane_stride + plane, (height == 1 || row_stride == row) && (planes == 1 || plane_stride == plane)};
}

Hull hull_of(const Tensor &t) { return hull_of(t.arena_offset, t.height, t.width, t.channels, t.plane_stride, t.row_stride); }

std::vector<Range> ranges_of(std::vector<uint32_t> &lines, uint32_t arena_bytes) {
  std::sort(lines.begin(), lines.end());
  std::vector<Range> ranges;
  for (const uint32_t line : lines) {
    const uint32_t offset = line * LINE, bytes = std::min(LINE, arena_bytes - offset);
    if (!ranges.empty() && ranges.back().offset + ranges.back().bytes == offset) ranges.back().bytes += bytes;
    else ranges.push_back({offset, bytes});
  }
  return ranges;
}

// Goes through a run, layer by layer, and notes who has the newest bytes of each line.
class Walk {
 public:
  explicit Walk(const Program &program) : program_(program), newest_((size_t(program.header.arena_bytes) + LINE - 1) / LINE, BOTH) {}

  std::vector<Crossing> all() {
    for (const Binding &b : program_.bindings) {
      if (b.direction == Direction::INPUT) write(hull_of(program_.tensors[b.tensor]), PROCESSOR);
    }
    for (const Segment &s : program_.segments) segment(s);
    for (const Binding &b : program_.bindings) {
      if (b.direction == Direction::OUTPUT && b.float_tensor == NONE) read(hull_of(program_.tensors[b.tensor]), PROCESSOR);
    }
    std::vector<Crossing> crossings;
    for (Lines &l : lines_) crossings.push_back({ranges_of(l.in, program_.header.arena_bytes), ranges_of(l.out, program_.header.arena_bytes)});
    return crossings;
  }

 private:
  enum Side : uint8_t { BOTH, PROCESSOR, CORE };
  struct Lines {
    std::vector<uint32_t> in, out;
  };

  void segment(const Segment &s) {
    if (s.target == Target::PL) lines_.emplace_back();
    for (uint32_t i = s.first; i < s.first + s.count; i++) {
      if (s.target == Target::FLOAT) float_op(program_.float_ops[i]);
      else layer(program_.descriptors[i], s.target == Target::PL ? CORE : PROCESSOR);
    }
  }

  void layer(const Descriptor &d, Side side) {
    const auto length = [&](uint32_t full, uint32_t flag) { return d.flags & flag ? (full + 1) / 2 : full; };
    const uint32_t first = DescriptorFlag::UPSAMPLE_FIRST, second = DescriptorFlag::UPSAMPLE_SECOND;
    read(hull_of(d.input_offset, length(d.input_height, first), length(d.input_width, first), d.input_channels - d.second_channels, d.input_plane_stride,
                 d.input_row_stride), side);
    if (d.second_channels > 0) {
      read(hull_of(d.second_offset, length(d.input_height, second), length(d.input_width, second), d.second_channels, d.second_plane_stride,
                   d.second_row_stride), side);
    }
    if (d.flags & DescriptorFlag::HAS_RESIDUAL) {
      read(hull_of(d.residual_offset, d.output_height, d.output_width, d.output_channels, d.residual_plane_stride, d.residual_row_stride), side);
    }
    write(hull_of(d.output_offset, d.output_height, d.output_width, d.output_channels, d.output_plane_stride, d.output_row_stride), side);
  }

  void float_op(const FloatOp &op) {
    if (op.tensor == NONE) return;
    const Hull hull = hull_of(program_.tensors[op.tensor]);
    if (op.op == FloatOperator::QUANTIZE) write(hull, PROCESSOR);
    else read(hull, PROCESSOR);
  }

  // Before its first segment the core has nothing that is newer.
  void bring(uint64_t line, Side side) {
    uint8_t &newest = newest_[size_t(line)];
    if (newest == BOTH || newest == side || lines_.empty()) return;
    (side == CORE ? lines_.back().in : lines_.back().out).push_back(uint32_t(line));
    newest = BOTH;
  }

  void read(const Hull &h, Side side) {
    for (uint64_t line = h.first / LINE; line * LINE < h.end; line++) bring(line, side);
  }

  // A line that is written in part is brought first, so that the whole of it is newest afterwards.
  void write(const Hull &h, Side side) {
    for (uint64_t line = h.first / LINE; line * LINE < h.end; line++) {
      const bool whole = h.dense && line * LINE >= h.first && (line + 1) * LINE <= h.end;
      if (!whole) bring(line, side);
      newest_[size_t(line)] = side;
    }
  }

  const Program &program_;
  std::vector<uint8_t> newest_;
  std::vector<Lines> lines_;
};

}  // namespace

std::vector<Crossing> crossings_of(const Program &program) { return Walk(program).all(); }

}  // namespace fl
