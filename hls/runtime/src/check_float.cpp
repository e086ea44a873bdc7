// What float operators must satisfy before float_ops.cpp runs them, which itself checks nothing.
#include <cmath>
#include <cstring>
#include <map>

#include "../include/fabriclens_runtime.h"
#include "float_ops.h"
#include "program.h"

namespace fl {
namespace {

constexpr uint64_t MAX_ELEMENTS = MAX_FLOAT_ARENA_BYTES / sizeof(float);
// Multiply-accumulates of one product: cancellation is looked at between operators only.
constexpr uint64_t MAX_FLOAT_WORK = uint64_t(1) << 33;
// Boxes that NMS may keep, each held against each candidate.
constexpr uint32_t MAX_DETECTIONS = MAX_NMS_CANDIDATES;
// Words of parameters of all operators together, which may share them: each is looked at when a program is loaded.
constexpr uint64_t MAX_PARAMETERS = uint64_t(1) << 26;
constexpr uint32_t FUNCTIONS_OF_UNARY = UnaryFunction::SIGN + 1, FUNCTIONS_OF_BINARY = BinaryFunction::MAX + 1;

// Bytes of a memory that have been written, as ranges that do not touch.
class Written {
 public:
  void add(uint64_t first, uint64_t end) {
    auto at = ranges_.upper_bound(first);
    if (at != ranges_.begin() && std::prev(at)->second >= first) at--;
    while (at != ranges_.end() && at->first <= end) {
      first = at->first < first ? at->first : first;
      end = at->second > end ? at->second : end;
      at = ranges_.erase(at);
    }
    ranges_[first] = end;
  }
  bool has(uint64_t first, uint64_t end) const {
    const auto at = ranges_.upper_bound(first);
    return at != ranges_.begin() && std::prev(at)->second >= end;
  }

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

// First to last byte of an activation in the int8 arena; its slack counts as part of it.
void add_codes(Written &written, uint64_t offset, uint64_t height, uint64_t width, uint32_t channels, uint64_t plane_stride, uint64_t row_stride) {
  written.add(offset, offset + uint64_t((channels - 1) / PLANE_CHANNELS) * plane_stride + (height - 1) * row_stride + width * PLANE_CHANNELS);
}

void add_codes(Written &written, const Tensor &t) { add_codes(written, t.arena_offset, t.height, t.width, t.channels, t.plane_stride, t.row_stride); }

bool has_codes(const Written &written, const Tensor &t) {
  return written.has(t.arena_offset, t.arena_offset + uint64_t((t.channels - 1) / PLANE_CHANNELS) * t.plane_stride + uint64_t(t.height - 1) * t.row_stride + uint64_t(t.width) * PLANE_CHANNELS);
}

// A tensor that PLACE puts together: it can be read once its parts, which do not overlap, are as many elements as it has.
struct Assembly {
  uint32_t tensor;
  uint64_t elements;
  struct Box {
    uint32_t first[MAX_RANK], end[MAX_RANK];
  };
  std::vector<Box> boxes;
};

struct State {
  Written codes, floats;
  uint64_t parameters = 0;
  std::vector<Assembly> assemblies;
};

class Check {
 public:
  Check(const Program &program, uint32_t index) : p_(program), index_(index), op_(program.float_ops[index]) {}

  void run(State &state) {
    require(op_.op <= FloatOperator::NMS, "op is unknown");
    for (uint32_t word : op_.reserved) require(word == 0, "reserved is not 0");
    operands();
    parameters();
    state.parameters += op_.parameters_count;
    require(state.parameters <= MAX_PARAMETERS, "too many parameters up to here");
    shape();
    memory(state);
  }

 private:
  [[noreturn]] void refuse(const std::string &text) const {
    throw Refusal{FL_ERROR_FORMAT, text_of("float operator %u (%s): %s", index_, name_of(p_, op_.name_offset, op_.name_bytes).c_str(), text.c_str())};
  }
  void require(bool holds, const char *text) const {
    if (!holds) refuse(text);
  }
  bool is(uint32_t op) const { return op_.op == op; }
  const FloatTensor &a() const { return p_.float_tensors[op_.input_a]; }
  const FloatTensor &b() const { return p_.float_tensors[op_.input_b]; }
  const FloatTensor &out() const { return p_.float_tensors[op_.output]; }
  uint32_t word(uint32_t index) const {
    uint32_t value;
    std::memcpy(&value, p_.data + op_.parameters_offset + size_t(index) * sizeof value, sizeof value);
    return value;
  }
  float number(uint32_t index) const {
    const uint32_t bits = word(index);
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  // Which indices there are, and that each names something.
  void operands() const {
    const bool coded = is(FloatOperator::DEQUANTIZE) || is(FloatOperator::QUANTIZE), two = is(FloatOperator::BINARY) || is(FloatOperator::MATMUL);
    index_of("input_a", op_.input_a, !is(FloatOperator::DEQUANTIZE), p_.float_tensors.size());
    index_of("input_b", op_.input_b, two, p_.float_tensors.size());
    index_of("output", op_.output, !is(FloatOperator::QUANTIZE), p_.float_tensors.size());
    index_of("tensor", op_.tensor, coded, p_.tensors.size());
    if (op_.output != NONE) require(out().place == FloatPlace::ARENA, "its output is a constant");
    const uint32_t functions = is(FloatOperator::UNARY) ? FUNCTIONS_OF_UNARY : is(FloatOperator::BINARY) ? FUNCTIONS_OF_BINARY : is(FloatOperator::REDUCE) ? 4 : is(FloatOperator::SOFTMAX) || is(FloatOperator::NMS) ? 2 : 1;
    if (op_.function >= functions) refuse(text_of("function is %u, there are %u", op_.function, functions));
    const bool along = is(FloatOperator::INTERPOLATE) || is(FloatOperator::SOFTMAX);
    if (op_.axis >= (along ? a().rank : 1)) refuse(text_of("axis is %u", op_.axis));
  }
  void index_of(const char *what, uint32_t index, bool wanted, size_t count) const {
    if (wanted ? index >= count : index != NONE) refuse(text_of(wanted ? "%s is %u of %zu" : "%s is %u, not NONE", what, index, count));
  }

  // As many words as the operator takes, inside DATA.
  void parameters() const {
    const uint64_t count = is(FloatOperator::UNARY) ? 2 : is(FloatOperator::TRANSPOSE) || is(FloatOperator::PLACE) ? a().rank : is(FloatOperator::SLICE) ? 2 * a().rank
                           : is(FloatOperator::INTERPOLATE) ? 3 * uint64_t(out().dims[op_.axis]) : is(FloatOperator::REDUCE) ? 1 : is(FloatOperator::NMS) ? 3 : 0;
    if (op_.parameters_count != count) refuse(text_of("parameters_count is %u, not %llu", op_.parameters_count, static_cast<unsigned long long>(count)));
    if (count == 0) return require(op_.parameters_offset == NONE, "parameters_offset of no parameters");
    require(op_.parameters_offset % sizeof(uint32_t) == 0 && op_.parameters_offset + count * sizeof(uint32_t) <= p_.data_bytes, "its parameters lie outside DATA or are not aligned");
  }

  void shape() const {
    switch (op_.op) {
      case FloatOperator::DEQUANTIZE: return coded(out());
      case FloatOperator::QUANTIZE: return coded(a());
      case FloatOperator::UNARY:
      case FloatOperator::SOFTMAX: return same(a(), out(), NONE);
      case FloatOperator::BINARY: return broadcast(out().rank);
      case FloatOperator::TRANSPOSE: return permutation();
      case FloatOperator::SLICE: return ranges();
      case FloatOperator::PLACE: return part();
      case FloatOperator::INTERPOLATE: return neighbours();
      case FloatOperator::REDUCE: return axes();
      case FloatOperator::MATMUL: return product();
      default: return detections();
    }
  }
  void coded(const FloatTensor &t) const {
    const Tensor &codes = p_.tensors[op_.tensor];
    require(elements_of(t) == uint64_t(codes.height) * codes.width * codes.channels, "the float tensor and the tensor of codes differ in elements");
  }
  // But for one axis.
  void same(const FloatTensor &x, const FloatTensor &y, uint32_t but) const {
    require(x.rank == y.rank, "input and output differ in rank");
    for (uint32_t i = 0; i < x.rank; i++) require(i == but || x.dims[i] == y.dims[i], "input and output differ in shape");
  }
  // The first `count` axes of the output are those of the operands by numpy's rule; the others, as many of each, are the caller's business.
  void broadcast(uint32_t count) const {
    const uint32_t rest = out().rank - count;
    require(a().rank >= rest && b().rank >= rest, "an operand has too few axes");
    require(out().rank == (a().rank > b().rank ? a().rank : b().rank), "its output has another rank than its operands");
    for (uint32_t i = 0; i < count; i++) {
      const auto length = [&](const FloatTensor &t) { return i + t.rank < out().rank ? 1 : t.dims[i + t.rank - out().rank]; };
      const uint32_t x = length(a()), y = length(b());
      if ((x != y && x != 1 && y != 1) || out().dims[i] != (x == 1 ? y : x)) refuse(text_of("axis %u: %u and %u are not broadcast to %u", i, x, y, out().dims[i]));
    }
  }
  void permutation() const {
    require(a().rank == out().rank, "input and output differ in rank");
    uint32_t seen = 0;
    for (uint32_t i = 0; i < a().rank; i++) {
      const uint32_t from = word(i);
      require(from < a().rank && !(seen >> from & 1), "its parameters are no permutation");
      seen |= 1u << from;
      require(out().dims[i] == a().dims[from], "its output has another shape");
    }
  }
  void ranges() const {
    require(a().rank == out().rank, "input and output differ in rank");
    for (uint32_t i = 0; i < a().rank; i++) {
      const int64_t start = int32_t(word(i)), step = int32_t(word(a().rank + i)), last = start + step * (int64_t(out().dims[i]) - 1);
      if (step == 0 || start < 0 || start >= a().dims[i] || last < 0 || last >= a().dims[i]) {
        refuse(text_of("axis %u: %u elements from %lld on in steps of %lld leave the input's %u", i, out().dims[i], static_cast<long long>(start), static_cast<long long>(step), a().dims[i]));
      }
    }
  }
  void part() const {
    require(a().rank == out().rank, "input and output differ in rank");
    for (uint32_t i = 0; i < a().rank; i++) {
      if (uint64_t(word(i)) + a().dims[i] > out().dims[i]) refuse(text_of("axis %u: %u elements from %u on leave the output's %u", i, a().dims[i], word(i), out().dims[i]));
    }
  }
  void neighbours() const {
    same(a(), out(), op_.axis);
    const uint32_t length = a().dims[op_.axis];
    for (uint32_t i = 0; i < out().dims[op_.axis]; i++) {
      if (word(3 * i) >= length || word(3 * i + 1) >= length) refuse(text_of("index %u of the output reads %u and %u of %u", i, word(3 * i), word(3 * i + 1), length));
      require(std::isfinite(number(3 * i + 2)), "a weight is not a number");
    }
  }
  void axes() const {
    const uint32_t mask = word(0);
    require(mask != 0 && mask >> a().rank == 0, "its mask names no axis, or one that the input has not");
    const bool kept = out().rank == a().rank;
    uint32_t at = 0;
    for (uint32_t i = 0; i < a().rank; i++) {
      const bool gone = mask >> i & 1;
      if (gone && !kept) continue;
      require(at < out().rank && out().dims[at++] == (gone ? 1 : a().dims[i]), "its output has another shape");
    }
    require(at == out().rank, "its output has another rank");
  }
  void product() const {
    require(a().rank >= 2 && b().rank >= 2 && out().rank >= 2, "an operand is no matrix");
    broadcast(out().rank - 2);
    const uint32_t rows = a().dims[a().rank - 2], depth = a().dims[a().rank - 1], columns = b().dims[b().rank - 1];
    require(b().dims[b().rank - 2] == depth && out().dims[out().rank - 2] == rows && out().dims[out().rank - 1] == columns, "its matrices do not fit");
    require(elements_of(out()) <= MAX_FLOAT_WORK / depth, "too much work for one operator");
  }
  void detections() const {
    const uint32_t fixed = op_.function == NmsFunction::OBJECTNESS ? 5 : 4;
    require(a().rank == 3 && a().dims[0] == 1 && a().dims[2] > fixed, "its input is not [1, N, boxes and classes]");
    require(out().rank == 3 && out().dims[0] == 1 && out().dims[2] == 6 && out().dims[1] == word(2), "its output is not [1, most detections, 6]");
    require(out().dims[1] <= MAX_DETECTIONS, "too many detections");
    require(std::isfinite(number(0)) && std::isfinite(number(1)), "a threshold is not a number");
  }

  // Nobody reads what nobody wrote, and no operator but those element by element writes over what it reads.
  void memory(State &state) const {
    for (uint32_t input : {op_.input_a, op_.input_b}) {
      if (input == NONE) continue;
      const FloatTensor &t = p_.float_tensors[input];
      if (t.place == FloatPlace::CONSTANT) continue;
      const uint64_t first = t.offset, end = first + elements_of(t) * sizeof(float);
      require(state.floats.has(first, end), "an input is read that nothing has written");
      if (op_.output == NONE) continue;
      const uint64_t to = out().offset, to_end = to + elements_of(out()) * sizeof(float);
      if (first >= to_end || to >= end) continue;
      const bool element_wise = is(FloatOperator::UNARY) || is(FloatOperator::BINARY);
      require(element_wise && first == to && end == to_end, "its output lies over an input");
    }
    if (is(FloatOperator::DEQUANTIZE)) require(has_codes(state.codes, p_.tensors[op_.tensor]), "a tensor is read that nothing has written");
    if (is(FloatOperator::QUANTIZE)) add_codes(state.codes, p_.tensors[op_.tensor]);
    else if (is(FloatOperator::PLACE)) place(state);
    else write(state, out());
  }
  void write(State &state, const FloatTensor &t) const {
    const uint64_t first = t.offset, end = first + elements_of(t) * sizeof(float);
    state.floats.add(first, end);
    // What was being put together there is lost.
    auto &all = state.assemblies;
    for (size_t i = all.size(); i-- > 0;) {
      const FloatTensor &other = p_.float_tensors[all[i].tensor];
      if (other.offset < end && first < other.offset + elements_of(other) * sizeof(float)) all.erase(all.begin() + int64_t(i));
    }
  }
  void place(State &state) const {
    const uint64_t first = out().offset, end = first + elements_of(out()) * sizeof(float);
    if (state.floats.has(first, end)) return;
    size_t at = 0;
    while (at < state.assemblies.size() && state.assemblies[at].tensor != op_.output) at++;
    if (at == state.assemblies.size()) state.assemblies.push_back({op_.output, 0, {}});
    Assembly &assembly = state.assemblies[at];
    Assembly::Box box{};
    for (uint32_t i = 0; i < MAX_RANK; i++) {
      box.first[i] = i < a().rank ? word(i) : 0;
      box.end[i] = box.first[i] + (i < a().rank ? a().dims[i] : 1);
    }
    for (const Assembly::Box &other : assembly.boxes) {
      bool apart = false;
      for (uint32_t i = 0; i < MAX_RANK; i++) apart |= box.first[i] >= other.end[i] || other.first[i] >= box.end[i];
      require(apart, "its part lies over another of an output that is not whole yet");
    }
    assembly.boxes.push_back(box);
    assembly.elements += elements_of(a());
    if (assembly.elements == elements_of(out())) write(state, out());
  }

  const Program &p_;
  uint32_t index_;
  const FloatOp &op_;
};

}  // namespace

void check_float_tensor(const Program &p, uint32_t index) {
  const FloatTensor &t = p.float_tensors[index];
  const auto refuse = [&](const std::string &text) { throw Refusal{FL_ERROR_FORMAT, text_of("float tensor %u: %s", index, text.c_str())}; };
  if (t.rank > MAX_RANK) refuse(text_of("rank is %u, not 0..%u", t.rank, MAX_RANK));
  uint64_t elements = 1;
  for (uint32_t i = 0; i < MAX_RANK; i++) {
    if (t.dims[i] == 0 || (i >= t.rank && t.dims[i] != 1)) refuse(text_of("dims[%u] is %u", i, t.dims[i]));
    elements *= t.dims[i];
    if (elements > MAX_ELEMENTS) refuse("too many elements");
  }
  if (t.place > FloatPlace::CONSTANT) refuse(text_of("place is %u", t.place));
  const uint32_t bytes = t.place == FloatPlace::CONSTANT ? p.data_bytes : p.header.float_arena_bytes;
  const uint64_t end = t.offset + elements * sizeof(float);
  if (t.offset % sizeof(float) != 0 || end > bytes) {
    refuse(text_of("offset %u is not a multiple of 4, or it ends at byte %llu of %u in %s", t.offset, static_cast<unsigned long long>(end), bytes, t.place == FloatPlace::CONSTANT ? "DATA" : "the float arena"));
  }
  for (uint32_t word : t.reserved) {
    if (word != 0) refuse("reserved is not 0");
  }
}

void check_float_ops(const Program &p) {
  State state;
  for (const Binding &b : p.bindings) {
    if (b.direction == Direction::INPUT) add_codes(state.codes, p.tensors[b.tensor]);
  }
  for (const Segment &s : p.segments) {
    for (uint32_t i = s.first; i < s.first + s.count; i++) {
      if (s.target == Target::FLOAT) {
        Check(p, i).run(state);
      } else {
        const Descriptor &d = p.descriptors[i];
        add_codes(state.codes, d.output_offset, d.output_height, d.output_width, d.output_channels, d.output_plane_stride, d.output_row_stride);
      }
    }
  }
  for (uint32_t i = 0; i < p.bindings.size(); i++) {
    const Binding &b = p.bindings[i];
    if (b.float_tensor == NONE) continue;
    const FloatTensor &t = p.float_tensors[b.float_tensor];
    if (t.place == FloatPlace::ARENA && !state.floats.has(t.offset, t.offset + elements_of(t) * sizeof(float))) {
      throw Refusal{FL_ERROR_FORMAT, text_of("binding %u: nothing has written its float tensor", i)};
    }
  }
}

}  // namespace fl
