#include "loaded.h"

#include <algorithm>

#include "../include/fabriclens_runtime.h"
#include "float_ops.h"
#include "kernels.h"

namespace fl {
namespace {

// What faster kernels may take beyond the golden model's memory: the board has 512 MB for everything.
constexpr uint64_t ROOM = uint64_t(64) << 20;

// Weights are put into the kernels' order once; biases, scales and tables are read where they lie. Sums in 64 bits: layers may share weights
// in the file, so that a small file can ask for more than a 32-bit board can address.
void take_memory(fl_program &p, uint64_t budget) {
  uint64_t row = 0, scratch = 0, golden = 0, golden_patches = 0;
  for (const Descriptor &d : p.parsed.descriptors) {
    golden += prepared_elements(d);
    golden_patches = std::max(golden_patches, uint64_t(patch_elements(d)));
  }
  const auto widest = [&](uint32_t tensor) {
    if (tensor != NONE) row = std::max(row, uint64_t(p.parsed.tensors[tensor].width));
  };
  for (const Binding &b : p.parsed.bindings) widest(b.tensor);
  for (const FloatOp &op : p.parsed.float_ops) {
    widest(op.tensor);
    scratch = std::max(scratch, float_scratch_bytes(p.parsed, op));
  }
  const Header &h = p.parsed.header;
  // What the golden model takes, so that a budget means the same on every machine; other kernels take more where it allows that, and only there.
  const uint64_t shared = uint64_t(h.arena_bytes) + h.float_arena_bytes + p.parsed.data_bytes + row + scratch, bytes = shared + sizeof(int16_t) * (golden + golden_patches);
  if (bytes > budget || bytes > PTRDIFF_MAX) {
    throw Refusal{FL_ERROR_MEMORY, text_of("program needs %llu bytes, the budget is %llu", static_cast<unsigned long long>(bytes),
                                           static_cast<unsigned long long>(budget))};
  }
  uint64_t weights = 0, patches = 0;
  const auto add_up = [&](bool roomy) {
    p.roomy = roomy;
    p.layer_weights.clear();
    weights = patches = 0;
    for (const Descriptor &d : p.parsed.descriptors) {
      p.layer_weights.push_back(size_t(weights));
      weights += kernels::prepared_bytes(d, roomy);
      patches = std::max(patches, uint64_t(kernels::scratch_bytes(d, roomy)));
    }
  };
  add_up(true);
  if (shared + weights + patches > std::min(budget, bytes + ROOM)) add_up(false);
  p.arena = allocate<int8_t>(h.arena_bytes);
  p.float_arena = allocate<float>(h.float_arena_bytes / sizeof(float));
  p.scratch = allocate<uint8_t>(size_t(scratch));
  p.data = allocate<uint8_t>(p.parsed.data_bytes);
  p.weights = allocate<uint8_t>(size_t(weights));
  p.patch_bytes = (size_t(patches) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  p.patches = allocate<uint8_t>(p.patch_bytes);
  p.row = allocate<int8_t>(size_t(row));
  if (p.parsed.data_bytes > 0) std::memcpy(p.data.get(), p.parsed.data, p.parsed.data_bytes);
  p.parsed.data = p.data.get();
  for (size_t i = 0; i < p.parsed.descriptors.size(); i++) {
    const Descriptor &d = p.parsed.descriptors[i];
    if (!has_weights(d)) continue;
    kernels::prepare(d, p.data.get(), p.roomy, p.weights.get() + p.layer_weights[i]);
  }
}

}  // namespace

std::unique_ptr<fl_program> load_program(const uint8_t *bytes, size_t size, uint32_t flags, uint64_t budget) {
  auto p = std::make_unique<fl_program>();
  p->parsed = parse_program(bytes, size, (flags & FL_LOAD_VERIFY_DATA) != 0, budget);
  for (const Binding &b : p->parsed.bindings) {
    p->tensor_names.push_back(name_of(p->parsed, b.name_offset, b.name_bytes));
    p->input_count += b.direction == Direction::INPUT;
  }
  const auto add_layer = [&](uint32_t target, uint32_t index, uint32_t name_offset, uint32_t name_bytes) {
    p->layers.push_back({target, index, name_of(p->parsed, name_offset, name_bytes)});
  };
  for (const Segment &s : p->parsed.segments) {
    for (uint32_t i = s.first; i < s.first + s.count; i++) {
      if (s.target == Target::FLOAT) add_layer(s.target, i, p->parsed.float_ops[i].name_offset, p->parsed.float_ops[i].name_bytes);
      else add_layer(s.target, i, p->parsed.descriptors[i].name_offset, p->parsed.descriptors[i].name_bytes);
    }
  }
  take_memory(*p, budget);
  p->parsed.strings = nullptr;
  return p;
}

uint32_t elements_of(const fl_program &p, const Binding &b) {
  if (b.float_tensor != NONE) return uint32_t(elements_of(p.parsed.float_tensors[b.float_tensor]));
  const Tensor &t = p.parsed.tensors[b.tensor];
  return t.height * t.width * t.channels;
}

}  // namespace fl
