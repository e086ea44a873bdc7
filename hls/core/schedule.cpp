#include "schedule.h"

#include <algorithm>
#include <cstdio>

#include "schedule_estimate.h"
#include "schedule_region.h"
#include "schedule_tiles.h"
#include "schedule_weights.h"

namespace fl {
namespace {

constexpr uint64_t WIDEST = 8;   // ways of cutting that are followed
constexpr uint64_t WORK = 8000;  // commands that are tried for one layer, about

// The layers so far, cut in one way: what is needed to judge what may follow.
struct Way {
  std::vector<Tile> sizes;      // of each layer's tiles
  std::vector<Command> recent;  // the last HORIZON commands, or a few more
  uint32_t count;               // of commands
  uint32_t bank_rows;           // of the last command's window
  Estimate estimate;
};

struct Layer {
  const Descriptor &d;
  const Shape shape;
  const Geometry &g;
  uint16_t index;
  uint32_t stream;  // address of its weights
};

struct Source {
  uint32_t address, plane_stride, row_stride, planes;
  bool half;
};

// The part of a source's planes that the tile's channels lie in, at the window's first pixel; planes before `first` are skipped.
Source part(const Source &s, uint32_t first, uint32_t count, const Window &w) {
  const uint32_t before = std::min(first, s.planes);
  const uint32_t y = s.half ? w.y / 2 : w.y, x = s.half ? w.x / 2 : w.x;
  return {s.address + before * s.plane_stride + y * s.row_stride + x * PLANE_CHANNELS, s.plane_stride, s.row_stride, std::min(s.planes - before, count), s.half};
}

void put_sources(const Layer &l, const Tile &t, const Window &w, Command &c) {
  const Descriptor &d = l.d;
  const uint32_t first = channelwise(l.shape) ? t.block * 2 : 0, count = w.words * 2;
  const uint32_t skip = l.shape.skip;
  Source a{d.input_offset, d.input_plane_stride, skip * d.input_row_stride, l.shape.a_planes, (d.flags & DescriptorFlag::UPSAMPLE_FIRST) != 0};
  Source b{d.second_offset, d.second_plane_stride, skip * d.second_row_stride, l.shape.b_planes, (d.flags & DescriptorFlag::UPSAMPLE_SECOND) != 0};
  a = part(a, first, count, w);
  b = part(b, first - std::min(first, l.shape.a_planes), count - a.planes, w);
  if (a.planes == 0) std::swap(a, b);
  c.a_address = a.address;
  c.a_plane_stride = a.plane_stride;
  c.a_row_beats = uint16_t(a.row_stride / PLANE_CHANNELS);
  c.a_planes = uint16_t(a.planes);
  uint32_t mode = l.shape.fold | (a.half ? CommandMode::HALF_A : 0);
  if (b.planes > 0) {
    c.b_address = b.address;
    c.b_plane_stride = b.plane_stride;
    c.b_row_beats = uint16_t(b.row_stride / PLANE_CHANNELS);
    c.b_planes = uint16_t(b.planes);
    mode |= b.half ? CommandMode::HALF_B : 0;
  }
  if (mode & (CommandMode::HALF_A | CommandMode::HALF_B)) mode |= (w.x % 2 ? CommandMode::ODD_COLUMN : 0) | (w.y % 2 ? CommandMode::ODD_ROW : 0);
  c.mode = uint8_t(mode);
}

void put_window(const Layer &l, const Window &w, Command &c) {
  const Shape &s = l.shape;
  const uint32_t banks = l.g.pixel_lanes;
  const auto put = [&](uint32_t pixels, uint8_t &bank, uint16_t &row) {
    bank = uint8_t(pixels % banks);
    row = uint16_t(pixels / banks * w.words);
  };
  c.columns = uint16_t(w.columns);
  c.first_column = uint16_t(w.first_column);
  c.valid_columns = uint16_t(w.valid_columns);
  c.rows = uint16_t(w.rows);
  c.first_row = uint16_t(w.first_row);
  c.valid_rows = uint16_t(w.valid_rows);
  c.pixel_rows = uint16_t(w.words);
  c.fill = s.fill;
  c.kernel_h = uint8_t(s.kernel_h);
  c.kernel_w = uint8_t(s.kernel_w);
  put(w.pitch, c.pitch_bank, c.pitch_row);
  put(s.stride_w, c.x_bank, c.x_row);
  put(s.stride_h * w.pitch, c.row_bank, c.row_row);
  put(s.step_w, c.kx_bank, c.kx_row);
  put(s.step_h * w.pitch, c.ky_bank, c.ky_row);
}

bool end_to_end(const Descriptor &d, const Tile &t, uint32_t row_stride) {
  return t.columns == d.output_width && row_stride == d.output_width * PLANE_CHANNELS;
}

void put_output(const Layer &l, const Tile &t, Command &c) {
  const Descriptor &d = l.d;
  const uint32_t plane = t.block * l.shape.block_planes;
  c.blocks = uint16_t(t.blocks);
  c.out_rows = uint16_t(t.rows * l.shape.pool);
  c.out_columns = uint16_t(t.columns * l.shape.pool);
  if (l.shape.pool > 1) c.flags |= CommandFlag::POOL;
  c.planes = uint16_t(std::min(l.shape.out_planes - plane, t.blocks * l.shape.block_planes));
  c.depth = uint16_t(channelwise(l.shape) ? 1 : l.shape.words);
  c.stage_zero = l.shape.identity ? int8_t(0) : d.stage_zero_point;
  c.out_min = d.output_min;
  c.out_max = d.output_max;
  c.out_address = d.output_offset + plane * d.output_plane_stride + t.y * d.output_row_stride + t.x * PLANE_CHANNELS;
  c.out_plane_stride = d.output_plane_stride;
  c.out_row_beats = uint16_t(d.output_row_stride / PLANE_CHANNELS);
  const bool residual = d.flags & DescriptorFlag::HAS_RESIDUAL;
  if (residual) {
    c.flags |= CommandFlag::RESIDUAL;
    c.add_shift = d.add_shift;
    c.add_zero_a = d.add_zero_a;
    c.add_zero_b = d.add_zero_b;
    c.add_zero_out = d.add_zero_out;
    c.add_multiplier_a = d.add_multiplier_a;
    c.add_multiplier_b = d.add_multiplier_b;
    c.residual_address = d.residual_offset + plane * d.residual_plane_stride + t.y * d.residual_row_stride + t.x * PLANE_CHANNELS;
    c.residual_plane_stride = d.residual_plane_stride;
    c.residual_row_beats = uint16_t(d.residual_row_stride / PLANE_CHANNELS);
  }
  // One long row where the tile's rows lie end to end; the residual's too, so that both are walked alike.
  const bool joined = end_to_end(d, t, d.output_row_stride) && (!residual || end_to_end(d, t, d.residual_row_stride)) && t.rows * t.columns <= UINT16_MAX;
  c.store_columns = uint16_t(joined ? t.rows * t.columns : t.columns);
  c.store_rows = uint16_t(joined ? 1 : t.rows);
}

// `first` and `last` tile of the blocks that it computes.
void put_weights(const Layer &l, const Tile &t, bool keeps, bool first, bool last, Command &c) {
  const Shape &s = l.shape;
  const bool table = s.table_steps > 0 && t.block == 0 && first;
  if (s.table_steps > 0) c.flags |= CommandFlag::USE_TABLE;
  if (s.uniform) c.flags |= CommandFlag::UNIFORM;
  if (keeps && !last) c.flags |= CommandFlag::KEEP;
  if (keeps && !first) {
    c.flags |= CommandFlag::REUSE;
    return;
  }
  if (table) c.flags |= CommandFlag::NEW_TABLE;
  const uint32_t skipped = (table ? 0 : s.table_steps) + t.block * (1 + s.weight_steps);
  c.weight_address = l.stream + skipped * s.step_bytes;
  c.weight_steps = (table ? s.table_steps : 0) + t.blocks * (1 + s.weight_steps);
}

void place(const Layer &l, const Window &w, Way &way, Command &c) {
  // From both ends of the buffer in turn. Where two neighbours do not fit beside each other the second waits for the first.
  c.base_row = uint16_t(way.count % 2 == 0 ? 0 : l.g.bank_rows - w.bank_rows);
  c.wait_stores = way.bank_rows + w.bank_rows > l.g.bank_rows ? way.count : stores_before(c, way.count, way.recent);
  way.bank_rows = w.bank_rows;
}

void append(const Command &c, Way &way) {
  if (way.recent.size() == 4 * HORIZON) way.recent.erase(way.recent.begin(), way.recent.end() - HORIZON);
  way.recent.push_back(c);
  way.count++;
  way.estimate.add(c);
}

// Cuts a layer. Its commands are put behind `all` too where that is not null.
void append_layer(const Layer &l, const Tile &size, Way &way, std::vector<Command> *all) {
  const std::vector<Tile> tiles = cut(l.d, l.shape, size);
  const bool keeps = keeps_weights(l.d, l.shape, l.g, size);
  for (size_t i = 0; i < tiles.size(); i++) {
    const Window w = window_of(l.d, l.shape, l.g, tiles[i]);
    const bool first = i == 0 || tiles[i - 1].block != tiles[i].block, last = i + 1 == tiles.size() || tiles[i + 1].block != tiles[i].block;
    Command c{};
    c.kind = l.shape.kind;
    c.layer = l.index;
    put_sources(l, tiles[i], w, c);
    put_window(l, w, c);
    put_output(l, tiles[i], c);
    put_weights(l, tiles[i], keeps, first, last, c);
    if (i + 1 == tiles.size()) c.flags |= CommandFlag::LAST;
    place(l, w, way, c);
    append(c, way);
    if (all != nullptr) all->push_back(c);
  }
  way.sizes.push_back(size);
}

bool padded(const Descriptor &d) { return (d.pad_top | d.pad_left | d.pad_bottom | d.pad_right) != 0; }

bool pools(const Descriptor &d) { return d.op == Op::MAX_POOL || d.op == Op::AVERAGE_POOL; }

// Of a convolution, and the processor's.
std::string window_reason(const Descriptor &d) {
  const auto of = [](uint32_t height, uint32_t width) { return std::to_string(height) + "x" + std::to_string(width); };
  if (d.kernel_h > MAX_KERNEL || d.kernel_w > MAX_KERNEL) return "a kernel of " + of(d.kernel_h, d.kernel_w) + ": the core has up to " + of(MAX_KERNEL, MAX_KERNEL);
  if (d.stride_h > MAX_STRIDE || d.stride_w > MAX_STRIDE) return "a stride of " + of(d.stride_h, d.stride_w) + ": the core has 1 and 2";
  if (d.dilation_h > MAX_DILATION || d.dilation_w > MAX_DILATION) return "a dilation of " + of(d.dilation_h, d.dilation_w) + ": the core has 1 and 2";
  return {};
}

std::string reason(const Descriptor &d, const Geometry &g) {
  if (d.op < Op::CONV || d.op > Op::COPY) return "the core does not know op " + std::to_string(d.op);
  if (d.op == Op::CONV || d.op == Op::DEPTHWISE) {
    const std::string why = window_reason(d);
    if (!why.empty()) return why;
  }
  if (d.op == Op::AVERAGE_POOL && padded(d) && !(d.flags & DescriptorFlag::COUNT_INCLUDE_PAD)) return "the core's average pooling counts padding, this one does not";
  if (pools(d) && ((d.stride_h > MAX_STRIDE && d.output_height > 1) || (d.stride_w > MAX_STRIDE && d.output_width > 1))) return "a pooling stride of more than 2 is not the core's";
  if (d.op == Op::DENSE && (d.input_height > UINT8_MAX || d.input_width > UINT8_MAX)) return "a dense layer's input has more than 255 rows or columns";
  const Shape s = shape_of(d, g);
  const auto too_long = [](uint32_t row_stride) { return row_stride / PLANE_CHANNELS > UINT16_MAX; };
  if (too_long(s.skip * d.input_row_stride) || too_long(d.output_row_stride) || (d.second_channels > 0 && too_long(s.skip * d.second_row_stride)) ||
      ((d.flags & DescriptorFlag::HAS_RESIDUAL) && too_long(d.residual_row_stride))) {
    return "rows are more than " + std::to_string(uint32_t(UINT16_MAX) * PLANE_CHANNELS) + " bytes apart";
  }
  const Window least = window_of(d, s, g, {0, 0, 0, 1, 1, channelwise(s) ? 1 : s.blocks});
  if (least.bank_rows > g.bank_rows) {
    return "one output pixel needs " + std::to_string(least.bank_rows) + " rows of the core's activation buffer, which has " + std::to_string(g.bank_rows);
  }
  if (s.weight_steps + 1 > g.weight_steps && s.pool * s.pool > g.pixel_lanes) return "the weights of a block that is pooled fill more than the core's ring";
  if (tile_sizes(d, s, g).empty()) return "the layer takes more than " + std::to_string(MAX_COMMANDS) + " commands";
  return {};
}

// How many ways of cutting are followed: a layer's last tile is the next one's wait, so the best for one layer is not the best for two.
size_t width_for(const Layer &l, const std::vector<Tile> &sizes) {
  uint64_t commands = 0;
  for (const Tile &size : sizes) commands += commands_of(l.d, l.shape, size);
  return size_t(std::min(WIDEST, std::max<uint64_t>(1, WORK / commands)));
}

// Each way of cutting the layers so far with the next layer behind it: the best few, the best first.
std::vector<Way> extend(const Layer &l, const std::vector<Way> &ways) {
  struct Choice {
    uint64_t end;
    const Way *before;
    Tile size;
  };
  const std::vector<Tile> sizes = tile_sizes(l.d, l.shape, l.g);
  std::vector<Choice> choices;
  for (const Way &before : ways) {
    for (const Tile &size : sizes) {
      Way way = before;
      append_layer(l, size, way, nullptr);
      choices.push_back({way.estimate.end(), &before, size});
    }
  }
  std::stable_sort(choices.begin(), choices.end(), [](const Choice &a, const Choice &b) { return a.end < b.end; });
  choices.resize(std::min(choices.size(), width_for(l, sizes)));
  std::vector<Way> result;
  for (const Choice &c : choices) {
    result.push_back(*c.before);
    append_layer(l, c.size, result.back(), nullptr);
  }
  return result;
}

}  // namespace

const char *core_refusal(const Descriptor &d, const Geometry &geometry, char *text, size_t size) {
  const std::string why = reason(d, geometry);
  if (why.empty()) return nullptr;
  std::snprintf(text, size, "%s", why.c_str());
  return text;
}

Schedule schedule_segment(const Descriptor *layers, uint32_t count, const uint8_t *data, const Geometry &geometry, const MemoryConfig &memory) {
  const auto refused = [](std::string why) {
    Schedule s;
    s.refusal = std::move(why);
    return s;
  };
  if (count > MAX_CORE_LAYERS) return refused("a segment of the core has more than " + std::to_string(MAX_CORE_LAYERS) + " layers");
  Schedule result;
  const Way nothing{{}, {}, 0, 0, Estimate(geometry, memory)};
  std::vector<Way> ways{nothing};
  std::vector<Layer> all;
  for (uint32_t i = 0; i < count; i++) {
    const Descriptor &d = layers[i];
    const std::string why = reason(d, geometry);
    if (!why.empty()) return refused("layer " + std::to_string(i) + " of the segment: " + why);
    all.push_back({d, shape_of(d, geometry), geometry, uint16_t(i), uint32_t(result.weights.size())});
    if (result.weights.size() + stream_bytes(all[i].shape) > MAX_FILE_BYTES) {
      return refused("packed weights take more than " + std::to_string(MAX_FILE_BYTES) + " bytes");
    }
    append_stream(d, all[i].shape, data, result.weights);
    ways = extend(all[i], ways);
    if (ways[0].count > MAX_COMMANDS) return refused("the segment takes more than " + std::to_string(MAX_COMMANDS) + " commands");
  }
  Way way = nothing;
  for (const Layer &l : all) {
    const Tile size = ways[0].sizes[l.index];
    const uint32_t first = way.count;
    const uint64_t start = way.estimate.end();
    append_layer(l, size, way, &result.commands);
    const bool kept = keeps_weights(l.d, l.shape, geometry, size);
    result.tilings.push_back({first, way.count - first, size.rows, size.columns, size.blocks, kept, way.estimate.end() - start});
  }
  return result;
}

}  // namespace fl
