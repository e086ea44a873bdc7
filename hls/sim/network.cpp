#include "network.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "../runtime/include/fabriclens_runtime.h"
#include "../runtime/src/convert.h"
#include "../runtime/src/float_ops.h"

namespace fl {
namespace {

constexpr uint64_t BUDGET = uint64_t(1) << 31;  // of the golden model's prepared weights
constexpr uint32_t SHOWN = 6;                   // differing values that a text lists

const char *op_name(uint32_t op) {
  static const char *const NAMES[] = {"?", "conv", "dense", "max_pool", "average_pool", "add", "table", "depthwise", "copy"};
  return NAMES[op < sizeof NAMES / sizeof *NAMES ? op : 0];
}

// What a layer writes, as a tensor.
Tensor output_of(const Descriptor &d) {
  Tensor t{};
  t.height = d.output_height;
  t.width = d.output_width;
  t.channels = d.output_channels;
  t.arena_offset = d.output_offset;
  t.plane_stride = d.output_plane_stride;
  t.row_stride = d.output_row_stride;
  return t;
}

struct Range {
  uint64_t first, end;
};

Range range_of(const Tensor &t) {
  const uint64_t planes = planes_of(t.channels);
  return {t.arena_offset, t.arena_offset + (planes - 1) * t.plane_stride + uint64_t(t.height - 1) * t.row_stride + uint64_t(t.width) * PLANE_CHANNELS};
}

size_t elements_of(const Tensor &t) { return size_t(t.height) * t.width * t.channels; }

// Of a binding: codes, or fp32 values that float operators made.
size_t bytes_of(const Program &p, const Binding &b) {
  return b.float_tensor == NONE ? elements_of(p.tensors[b.tensor]) : size_t(elements_of(p.float_tensors[b.float_tensor])) * sizeof(float);
}

void scramble(std::vector<int8_t> &bytes, uint64_t seed) {
  uint64_t random = seed * 0x9e3779b97f4a7c15 + 1;
  for (int8_t &byte : bytes) {
    random = random * 6364136223846793005 + 1442695040888963407;
    byte = int8_t(random >> 56);
  }
}

}  // namespace

Network::Network(std::vector<uint8_t> bytes, const Geometry &geometry, const Placement &placement, bool single)
    : bytes_(std::move(bytes)), program_(parse_program(bytes_.data(), bytes_.size(), true, BUDGET)), placement_(placement) {
  uint64_t patches = 0;
  for (const Descriptor &d : program_.descriptors) {
    weights_.emplace_back(size_t(prepared_elements(d)));
    if (!weights_.back().empty()) prepare_weights(d, reinterpret_cast<const int8_t *>(program_.data) + d.weights_offset, weights_.back().data());
    patches = std::max(patches, patch_elements(d));
  }
  patches_.resize(size_t(patches));
  golden_.resize(program_.header.arena_bytes);
  arena_.resize(program_.header.arena_bytes);
  golden_floats_.resize(program_.header.float_arena_bytes / sizeof(float));
  floats_.resize(golden_floats_.size());
  for (const FloatOp &op : program_.float_ops) {
    scratch_.resize(std::max(scratch_.size(), size_t(float_scratch_bytes(program_, op) / sizeof(uint32_t) + 1)));
    if (op.tensor != NONE) row_.resize(std::max(row_.size(), size_t(program_.tensors[op.tensor].width)));
  }
  uint32_t layers = 0;
  for (const Segment &s : program_.segments) {
    if (s.target == Target::FLOAT) {
      stages_.push_back({false, layers, 0, s.first, s.count, {}});
      continue;
    }
    layers += s.count;
    const uint32_t step = single && s.target == Target::PL ? 1 : s.count;
    for (uint32_t first = s.first; first < s.first + s.count; first += step) add_stage(s.target == Target::PL, first, step, geometry);
  }
}

void Network::add_stage(bool on_core, uint32_t first_layer, uint32_t layers, const Geometry &geometry) {
  Stage stage{on_core, first_layer, layers, 0, 0, {}};
  if (on_core) {
    const Schedule s = schedule_segment(program_.descriptors.data() + first_layer, layers, program_.data, geometry);
    if (!s.refusal.empty()) throw Refusal{FL_ERROR_UNSUPPORTED, s.refusal};
    image_.add(s);
    stage.job = image_.job(image_.segments() - 1, placement_, uint32_t(arena_.size()));
  }
  stages_.push_back(stage);
}

void Network::map(AxiMemory &memory) {
  memory.map(placement_.arena, reinterpret_cast<uint8_t *>(arena_.data()), uint32_t(arena_.size()));
  memory.map(placement_.data, image_.weights.data(), uint32_t(image_.weights.size()));
  memory.map(placement_.commands, image_.commands.data(), uint32_t(image_.commands.size()));
}

void Network::start(const std::vector<uint8_t> &inputs, uint64_t seed) {
  scramble(golden_, 2 * seed);
  scramble(arena_, 2 * seed + 1);
  const int8_t *from = reinterpret_cast<const int8_t *>(inputs.data());
  for (const Binding &b : program_.bindings) {
    if (b.direction != Direction::INPUT) continue;
    const Tensor &t = program_.tensors[b.tensor];
    load_int8(t, from, golden_.data());
    load_int8(t, from, arena_.data());
    from += elements_of(t);
  }
}

void Network::run(const Stage &stage, std::vector<int8_t> &arena, std::vector<float> &float_arena) {
  for (uint32_t i = stage.first_float; i < stage.first_float + stage.floats; i++) {
    run_float_op(program_, program_.float_ops[i], {float_arena.data(), arena.data(), program_.data, row_.data(), reinterpret_cast<uint8_t *>(scratch_.data())});
  }
  for (uint32_t i = stage.first_layer; i < stage.first_layer + stage.layers; i++) {
    run_layer(program_.descriptors[i], {arena.data(), program_.data, weights_[i].data(), patches_.data()});
  }
}

void Network::run_golden(const Stage &stage) { run(stage, golden_, golden_floats_); }
void Network::run_processor(const Stage &stage) { run(stage, arena_, floats_); }

std::string Network::difference(uint32_t layer) const {
  const Descriptor &d = program_.descriptors[layer];
  const Tensor t = output_of(d);
  std::vector<int8_t> want(elements_of(t)), got(elements_of(t));
  store_int8(t, golden_.data(), want.data());
  store_int8(t, arena_.data(), got.data());
  size_t count = 0;
  std::string list;
  uint32_t low[3] = {NONE, NONE, NONE}, high[3] = {0, 0, 0};
  for (size_t i = 0; i < want.size(); i++) {
    if (want[i] == got[i]) continue;
    const uint32_t at[3] = {uint32_t(i / t.width / t.height), uint32_t(i / t.width % t.height), uint32_t(i % t.width)};
    for (int k = 0; k < 3; k++) low[k] = std::min(low[k], at[k]), high[k] = std::max(high[k], at[k]);
    if (count++ < SHOWN) list += text_of("\n  channel %u row %u column %u: %d, not %d", at[0], at[1], at[2], got[i], want[i]);
  }
  if (count == 0) return "";
  return text_of("layer %u (%s, %s): %zu of %zu values differ, in channels %u-%u, rows %u-%u, columns %u-%u of %u x %u x %u:", layer,
                 name_of(program_, d.name_offset, d.name_bytes).c_str(), op_name(d.op), count, want.size(), low[0], high[0], low[1], high[1], low[2], high[2],
                 t.channels, t.height, t.width) + list;
}

std::string Network::differences(const Stage &stage) const {
  const uint32_t end = stage.first_layer + stage.layers;
  for (uint32_t i = stage.first_layer; i < end; i++) {
    const Range mine = range_of(output_of(program_.descriptors[i]));
    bool overwritten = false;
    for (uint32_t k = i + 1; k < end && !overwritten; k++) {
      const Range other = range_of(output_of(program_.descriptors[k]));
      overwritten = other.first < mine.end && mine.first < other.end;
    }
    if (overwritten) continue;
    std::string text = difference(i);
    if (!text.empty()) return text;
  }
  return "";
}

uint32_t Network::ports_bytes(uint32_t direction) const {
  size_t bytes = 0;
  for (const Binding &b : program_.bindings) bytes += b.direction == direction ? bytes_of(program_, b) : 0;
  return uint32_t(bytes);
}

std::vector<uint8_t> Network::outputs() const {
  std::vector<uint8_t> bytes(output_bytes());
  int8_t *to = reinterpret_cast<int8_t *>(bytes.data());
  for (const Binding &b : program_.bindings) {
    if (b.direction != Direction::OUTPUT) continue;
    if (b.float_tensor == NONE) {
      store_int8(program_.tensors[b.tensor], arena_.data(), to);
    } else {
      const FloatTensor &t = program_.float_tensors[b.float_tensor];
      const uint8_t *from = t.place == FloatPlace::CONSTANT ? program_.data : reinterpret_cast<const uint8_t *>(floats_.data());
      std::memcpy(to, from + t.offset, bytes_of(program_, b));
    }
    to += bytes_of(program_, b);
  }
  return bytes;
}

}  // namespace fl
