// The C ABI: what include/fabriclens_runtime.h promises.
#include "../include/fabriclens_runtime.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>

#include "../../core/core.h"
#include "convert.h"
#include "estimate.h"
#include "float_ops.h"
#include "kernels.h"
#include "program.h"
#include "workers.h"

namespace {

constexpr char VERSION[] = "0.1.0";
constexpr uint64_t DEFAULT_BUDGET = uint64_t(1) << 30;

template <typename T>
struct Free {
  void operator()(T *p) const { ::operator delete[](p, std::align_val_t(fl::ALIGNMENT)); }
};
template <typename T>
using Buffer = std::unique_ptr<T[], Free<T>>;

template <typename T>
Buffer<T> allocate(size_t count) {
  T *p = static_cast<T *>(::operator new[](count * sizeof(T) + 1, std::align_val_t(fl::ALIGNMENT)));
  std::memset(p, 0, count * sizeof(T));
  return Buffer<T>(p);
}

uint64_t now_ns() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

int32_t report(char *error, size_t error_bytes, int32_t status, const std::string &text) {
  if (error && error_bytes > 0) std::snprintf(error, error_bytes, "%s", text.c_str());
  return status;
}

const char *op_name(uint32_t op) {
  switch (op) {
    case fl::Op::CONV: return "conv";
    case fl::Op::DENSE: return "dense";
    case fl::Op::MAX_POOL: return "max_pool";
    case fl::Op::AVERAGE_POOL: return "average_pool";
    case fl::Op::ADD: return "add";
    case fl::Op::TABLE: return "table";
    case fl::Op::DEPTHWISE: return "depthwise";
    default: return "copy";
  }
}

// A descriptor or a float operator, in the order of execution.
struct Layer {
  uint32_t target;  // Target
  uint32_t index;   // in DESCRIPTORS, or in FLOAT_OPS
  std::string name;
};

}  // namespace

struct fl_program {
  fl::Program parsed;  // its views point into `data` or are dropped
  std::vector<std::string> tensor_names;
  std::vector<Layer> layers;
  std::vector<size_t> layer_weights;  // offset of each descriptor's prepared weights
  uint32_t input_count = 0;
  Buffer<int8_t> arena, row;
  Buffer<float> float_arena;
  Buffer<uint8_t> scratch;
  Buffer<uint8_t> data;
  Buffer<uint8_t> weights, patches;
  size_t patch_bytes = 0;  // of one thread, in `patches`
  uint32_t threads = 1;
  std::unique_ptr<fl::Workers> workers;  // where there is more than one thread
  std::atomic<bool> busy{false};
};

namespace {

// Weights are put into the kernels' order once; biases, scales and tables are read where they lie. Sums in 64 bits: layers may share weights
// in the file, so that a small file can ask for more than a 32-bit board can address.
void take_memory(fl_program &p, uint64_t budget) {
  uint64_t weights = 0, patches = 0, row = 0, scratch = 0, golden = 0, golden_patches = 0;
  for (const fl::Descriptor &d : p.parsed.descriptors) {
    p.layer_weights.push_back(size_t(weights));
    weights += fl::kernels::prepared_bytes(d);
    golden += fl::prepared_elements(d);
    patches = std::max(patches, uint64_t(fl::kernels::scratch_bytes(d)));
    golden_patches = std::max(golden_patches, uint64_t(fl::patch_elements(d)));
  }
  const auto widest = [&](uint32_t tensor) {
    if (tensor != fl::NONE) row = std::max(row, uint64_t(p.parsed.tensors[tensor].width));
  };
  for (const fl::Binding &b : p.parsed.bindings) widest(b.tensor);
  for (const fl::FloatOp &op : p.parsed.float_ops) {
    widest(op.tensor);
    scratch = std::max(scratch, fl::float_scratch_bytes(p.parsed, op));
  }
  const fl::Header &h = p.parsed.header;
  // What the golden model takes, so that a budget means the same on every machine; no other kernels take more.
  const uint64_t bytes = uint64_t(h.arena_bytes) + h.float_arena_bytes + p.parsed.data_bytes + sizeof(int16_t) * (golden + golden_patches) + row + scratch;
  if (bytes > budget || bytes > PTRDIFF_MAX) {
    throw fl::Refusal{FL_ERROR_MEMORY, fl::text_of("program needs %llu bytes, the budget is %llu", static_cast<unsigned long long>(bytes),
                                                   static_cast<unsigned long long>(budget))};
  }
  p.arena = allocate<int8_t>(h.arena_bytes);
  p.float_arena = allocate<float>(h.float_arena_bytes / sizeof(float));
  p.scratch = allocate<uint8_t>(size_t(scratch));
  p.data = allocate<uint8_t>(p.parsed.data_bytes);
  p.weights = allocate<uint8_t>(size_t(weights));
  p.patch_bytes = (size_t(patches) + fl::ALIGNMENT - 1) / fl::ALIGNMENT * fl::ALIGNMENT;
  p.patches = allocate<uint8_t>(p.patch_bytes);
  p.row = allocate<int8_t>(size_t(row));
  if (p.parsed.data_bytes > 0) std::memcpy(p.data.get(), p.parsed.data, p.parsed.data_bytes);
  p.parsed.data = p.data.get();
  for (size_t i = 0; i < p.parsed.descriptors.size(); i++) {
    const fl::Descriptor &d = p.parsed.descriptors[i];
    if (!fl::has_weights(d)) continue;
    fl::kernels::prepare(d, reinterpret_cast<const int8_t *>(p.data.get()) + d.weights_offset, p.weights.get() + p.layer_weights[i]);
  }
}

std::unique_ptr<fl_program> load(const uint8_t *bytes, size_t size, uint32_t flags, uint64_t budget) {
  auto p = std::make_unique<fl_program>();
  p->parsed = fl::parse_program(bytes, size, (flags & FL_LOAD_VERIFY_DATA) != 0, budget);
  for (const fl::Binding &b : p->parsed.bindings) {
    p->tensor_names.push_back(fl::name_of(p->parsed, b.name_offset, b.name_bytes));
    p->input_count += b.direction == fl::Direction::INPUT;
  }
  const auto add_layer = [&](uint32_t target, uint32_t index, uint32_t name_offset, uint32_t name_bytes) {
    p->layers.push_back({target, index, fl::name_of(p->parsed, name_offset, name_bytes)});
  };
  for (const fl::Segment &s : p->parsed.segments) {
    for (uint32_t i = s.first; i < s.first + s.count; i++) {
      if (s.target == fl::Target::FLOAT) add_layer(s.target, i, p->parsed.float_ops[i].name_offset, p->parsed.float_ops[i].name_bytes);
      else add_layer(s.target, i, p->parsed.descriptors[i].name_offset, p->parsed.descriptors[i].name_bytes);
    }
  }
  take_memory(*p, budget);
  p->parsed.strings = nullptr;
  return p;
}

uint32_t elements_of(const fl_program &p, const fl::Binding &b) {
  if (b.float_tensor != fl::NONE) return uint32_t(fl::elements_of(p.parsed.float_tensors[b.float_tensor]));
  const fl::Tensor &t = p.parsed.tensors[b.tensor];
  return t.height * t.width * t.channels;
}

// Index in parsed.bindings, or -1.
int64_t binding_index(const fl_program &p, uint32_t direction, uint32_t index) {
  const uint32_t first = direction == FL_INPUT ? 0 : p.input_count;
  const uint32_t end = direction == FL_INPUT ? p.input_count : uint32_t(p.parsed.bindings.size());
  return direction <= FL_OUTPUT && index < end - first ? int64_t(first) + index : -1;
}

// "" or what is wrong with a caller's buffer. No heap where nothing is wrong.
std::string buffer_error(const fl_program &p, uint32_t direction, uint32_t index, const fl_buffer &buffer) {
  const size_t at = size_t(binding_index(p, direction, index));
  const char *side = direction == FL_INPUT ? "input" : "output", *name = p.tensor_names[at].c_str();
  if (buffer.dtype != FL_INT8 && buffer.dtype != FL_FP32) return fl::text_of("%s '%s': dtype is neither INT8 nor FP32", side, name);
  if (!buffer.data) return direction == FL_INPUT ? fl::text_of("input '%s': no data", name) : "";
  const fl::Binding &b = p.parsed.bindings[at];
  if (b.float_tensor != fl::NONE && buffer.dtype != FL_FP32) return fl::text_of("%s '%s': has no codes: its dtype is FP32 and nothing else", side, name);
  const size_t bytes = size_t(elements_of(p, b)) * (buffer.dtype == FL_FP32 ? 4 : 1);
  return buffer.bytes == bytes ? "" : fl::text_of("%s '%s': has %zu bytes, %zu are wanted", side, name, buffer.bytes, bytes);
}

// The program, as long as this lives, where nobody had it before.
struct Occupied {
  std::atomic<bool> &busy;
  const bool mine;
  explicit Occupied(std::atomic<bool> &flag) : busy(flag), mine(!flag.exchange(true)) {}
  ~Occupied() {
    if (mine) busy.store(false);
  }
  Occupied(const Occupied &) = delete;
  Occupied &operator=(const Occupied &) = delete;
};

// Part `index` of `count` of a layer: rows of results, or where there are too few of them groups of channels.
fl::Part part_of(const fl::Descriptor &d, uint32_t index, uint32_t count) {
  fl::Part part = fl::whole_of(d);
  const auto cut = [&](uint32_t total, uint32_t step, uint32_t &first, uint32_t &end) {
    const uint64_t steps = (total + step - 1) / step;
    first = uint32_t(steps * index / count) * step;
    end = std::min(total, uint32_t(steps * (index + 1) / count) * step);
  };
  if (part.end > (count - 1) * fl::PART_RESULTS) cut(part.end, fl::PART_RESULTS, part.first, part.end);
  else cut(part.end_channel, fl::PART_CHANNELS, part.first_channel, part.end_channel);
  return part;
}

// Multiply-accumulates and results below which waking another thread costs more than it brings.
constexpr uint64_t WORTH_SHARING = 50'000;

void run_layer(const fl_program &p, uint32_t index) {
  const fl::Descriptor &d = p.parsed.descriptors[index];
  struct Shared {
    const fl_program &p;
    const fl::Descriptor &d;
    const uint8_t *weights;
    uint32_t count;
  };
  const Shared shared{p, d, p.weights.get() + p.layer_weights[index], p.threads};
  const auto work = [](const void *context, uint32_t thread) {
    const Shared &s = *static_cast<const Shared *>(context);
    const fl::kernels::Memory memory{s.p.arena.get(), s.p.data.get(), s.weights, s.p.patches.get() + thread * s.p.patch_bytes};
    fl::kernels::run(s.d, memory, part_of(s.d, thread, s.count));
  };
  if (p.workers && fl::macs(d) + uint64_t(d.output_height) * d.output_width * d.output_channels >= WORTH_SHARING) return p.workers->run(work, &shared);
  const Shared alone{p, d, shared.weights, 1};
  work(&alone, 0);
}

struct Run {
  fl_program &p;
  const fl_run_options *options;
  fl_timing *timing;
  uint64_t start;

  int32_t interrupted() const {
    if (!options) return FL_OK;
    if (options->cancel && *options->cancel) return FL_ERROR_CANCELLED;
    if (options->timeout_ns > 0 && now_ns() - start >= options->timeout_ns) return FL_ERROR_DEADLINE;
    return FL_OK;
  }

  // Index of the first NaN of the input, or -1.
  int64_t load_input(uint32_t index, const fl_buffer &buffer) {
    const fl::Tensor &t = p.parsed.tensors[p.parsed.bindings[index].tensor];
    if (buffer.dtype == FL_FP32) return fl::load_fp32(t, static_cast<const float *>(buffer.data), p.arena.get(), p.row.get());
    fl::load_int8(t, static_cast<const int8_t *>(buffer.data), p.arena.get());
    return -1;
  }

  int32_t layers() {
    uint64_t before = now_ns();
    for (size_t i = 0; i < p.layers.size(); i++) {
      const int32_t stop = interrupted();
      if (stop != FL_OK) return stop;
      const Layer &layer = p.layers[i];
      if (layer.target == fl::Target::FLOAT) {
        fl::run_float_op(p.parsed, p.parsed.float_ops[layer.index], {p.float_arena.get(), p.arena.get(), p.data.get(), p.row.get(), p.scratch.get()});
      } else {
        run_layer(p, layer.index);
      }
      const uint64_t after = now_ns();
      if (timing) {
        (layer.target == fl::Target::PL ? timing->pl_ns : timing->ps_ns) += after - before;
        if (timing->layer_ns && i < timing->layer_capacity) timing->layer_ns[i] = after - before;
      }
      before = after;
    }
    return interrupted();
  }

  void store_output(uint32_t index, const fl_buffer &buffer) const {
    if (!buffer.data) return;
    const fl::Binding &b = p.parsed.bindings[p.input_count + index];
    if (b.float_tensor != fl::NONE) {
      const fl::FloatTensor &f = p.parsed.float_tensors[b.float_tensor];
      const uint8_t *from = f.place == fl::FloatPlace::CONSTANT ? p.data.get() : reinterpret_cast<const uint8_t *>(p.float_arena.get());
      std::memcpy(buffer.data, from + f.offset, buffer.bytes);
      return;
    }
    const fl::Tensor &t = p.parsed.tensors[b.tensor];
    if (buffer.dtype == FL_FP32) fl::store_fp32(t, p.arena.get(), static_cast<float *>(buffer.data));
    else fl::store_int8(t, p.arena.get(), static_cast<int8_t *>(buffer.data));
  }
};

}  // namespace

const fl::Program &fl::parsed(const fl_program &program) { return program.parsed; }

const char *fl_version(void) { return VERSION; }
uint32_t fl_abi_version(void) { return FL_ABI_VERSION; }
uint32_t fl_layout_version(void) { return fl::LAYOUT_VERSION; }

const char *fl_status_name(int32_t status) {
  static const char *const NAMES[] = {"ok", "argument", "format", "version", "unsupported", "memory", "busy", "cancelled", "deadline"};
  return status >= 0 && status <= FL_ERROR_DEADLINE ? NAMES[status] : "unknown";
}

int32_t fl_load(const void *bytes, size_t size, uint32_t flags, uint64_t arena_budget, fl_program **program, char *error, size_t error_bytes) {
  report(error, error_bytes, FL_OK, "");
  if (!program) return report(error, error_bytes, FL_ERROR_ARGUMENT, "program is NULL");
  *program = nullptr;
  if (!bytes) return report(error, error_bytes, FL_ERROR_ARGUMENT, "bytes is NULL");
  if (flags & ~FL_LOAD_VERIFY_DATA) return report(error, error_bytes, FL_ERROR_ARGUMENT, "unknown flags");
  try {
    *program = load(static_cast<const uint8_t *>(bytes), size, flags, arena_budget > 0 ? arena_budget : DEFAULT_BUDGET).release();
    return FL_OK;
  } catch (const fl::Refusal &refusal) {
    return report(error, error_bytes, refusal.status, refusal.text);
  } catch (const std::bad_alloc &) {
    return report(error, error_bytes, FL_ERROR_MEMORY, "out of memory");
  } catch (...) {
    return report(error, error_bytes, FL_ERROR_FORMAT, "program cannot be read");
  }
}

void fl_unload(fl_program *program) { delete program; }

int32_t fl_set_threads(fl_program *program, uint32_t threads, char *error, size_t error_bytes) {
  report(error, error_bytes, FL_OK, "");
  if (!program) return report(error, error_bytes, FL_ERROR_ARGUMENT, "program is NULL");
  if (threads < 1 || threads > FL_MAX_THREADS) return report(error, error_bytes, FL_ERROR_ARGUMENT, fl::text_of("%u threads, 1 to %u are possible", threads, FL_MAX_THREADS));
  if (threads > 1 && !fl::has_workers()) return report(error, error_bytes, FL_ERROR_UNSUPPORTED, "threads are supported on Linux alone");
  const Occupied occupied{program->busy};
  if (!occupied.mine) return report(error, error_bytes, FL_ERROR_BUSY, "this program is running in another thread");
  try {
    Buffer<uint8_t> patches = allocate<uint8_t>(program->patch_bytes * threads);
    std::unique_ptr<fl::Workers> workers = threads > 1 ? std::make_unique<fl::Workers>(threads - 1) : nullptr;
    program->patches = std::move(patches);
    program->workers = std::move(workers);
    program->threads = threads;
    return FL_OK;
  } catch (const std::exception &failure) {
    return report(error, error_bytes, FL_ERROR_MEMORY, failure.what());
  }
}

int32_t fl_get_program_info(const fl_program *program, fl_program_info *info) {
  if (!program || !info || info->struct_bytes < sizeof *info) return FL_ERROR_ARGUMENT;
  const fl::Header &h = program->parsed.header;
  info->layout_version = h.version;
  info->input_count = program->input_count;
  info->output_count = uint32_t(program->parsed.bindings.size()) - program->input_count;
  info->layer_count = uint32_t(program->layers.size());
  info->arena_bytes = h.arena_bytes;
  info->macs = 0;
  for (const fl::Descriptor &d : program->parsed.descriptors) info->macs += fl::macs(d);
  for (const fl::FloatOp &op : program->parsed.float_ops) info->macs += fl::float_macs(program->parsed, op);
  std::memcpy(info->model_sha256, h.model_sha256, sizeof h.model_sha256);
  return FL_OK;
}

int32_t fl_get_tensor_info(const fl_program *program, uint32_t direction, uint32_t index, fl_tensor_info *info) {
  if (!program || !info || info->struct_bytes < sizeof *info) return FL_ERROR_ARGUMENT;
  const int64_t at = binding_index(*program, direction, index);
  if (at < 0) return FL_ERROR_ARGUMENT;
  const fl::Binding &b = program->parsed.bindings[size_t(at)];
  info->dtype = b.data_type;
  info->name = program->tensor_names[size_t(at)].c_str();
  info->rank = b.rank;
  info->element_count = elements_of(*program, b);
  for (uint32_t i = 0; i < FL_MAX_RANK; i++) info->shape[i] = b.shape[i];
  const bool coded = b.float_tensor == fl::NONE;
  info->scale = coded ? program->parsed.tensors[b.tensor].scale : 0;
  info->zero_point = coded ? program->parsed.tensors[b.tensor].zero_point : 0;
  return FL_OK;
}

int32_t fl_get_layer_info(const fl_program *program, uint32_t index, fl_layer_info *info) {
  if (!program || !info || info->struct_bytes < sizeof *info || index >= program->layers.size()) return FL_ERROR_ARGUMENT;
  const Layer &layer = program->layers[index];
  info->name = layer.name.c_str();
  if (layer.target == fl::Target::FLOAT) {
    const fl::FloatOp &op = program->parsed.float_ops[layer.index];
    info->target = FL_TARGET_PS;
    info->op = fl::float_op_name(op);
    info->macs = fl::float_macs(program->parsed, op);
    return FL_OK;
  }
  info->target = layer.target;
  info->op = op_name(program->parsed.descriptors[layer.index].op);
  info->macs = fl::macs(program->parsed.descriptors[layer.index]);
  return FL_OK;
}

int32_t fl_run(fl_program *program, const fl_buffer *inputs, uint32_t input_count, const fl_buffer *outputs, uint32_t output_count,
               const fl_run_options *options, fl_timing *timing, char *error, size_t error_bytes) {
  report(error, error_bytes, FL_OK, "");
  const uint64_t start = now_ns();
  if (!program || !inputs || !outputs) return report(error, error_bytes, FL_ERROR_ARGUMENT, "program, inputs or outputs is NULL");
  if ((options && options->struct_bytes < sizeof *options) || (timing && timing->struct_bytes < sizeof *timing)) {
    return report(error, error_bytes, FL_ERROR_ARGUMENT, "struct_bytes is not set");
  }
  const uint32_t wanted_outputs = uint32_t(program->parsed.bindings.size()) - program->input_count;
  if (input_count != program->input_count || output_count != wanted_outputs) {
    return report(error, error_bytes, FL_ERROR_ARGUMENT, fl::text_of("%u inputs and %u outputs given, the program has %u and %u", input_count, output_count,
                                                                     program->input_count, wanted_outputs));
  }
  for (uint32_t i = 0; i < input_count + output_count; i++) {
    const bool in = i < input_count;
    const std::string text = in ? buffer_error(*program, FL_INPUT, i, inputs[i]) : buffer_error(*program, FL_OUTPUT, i - input_count, outputs[i - input_count]);
    if (!text.empty()) return report(error, error_bytes, FL_ERROR_ARGUMENT, text);
  }
  const Occupied occupied{program->busy};
  if (!occupied.mine) return report(error, error_bytes, FL_ERROR_BUSY, "this program is running in another thread");
  Run run{*program, options, timing, start};
  if (timing) {
    timing->source = "host";
    timing->pl_ns = timing->ps_ns = 0;
  }
  for (uint32_t i = 0; i < input_count; i++) {
    const int64_t nan = run.load_input(i, inputs[i]);
    if (nan >= 0) {
      return report(error, error_bytes, FL_ERROR_ARGUMENT, fl::text_of("input '%s': element %lld is not a number", program->tensor_names[i].c_str(),
                                                                       static_cast<long long>(nan)));
    }
  }
  if (timing) timing->input_ns = now_ns() - start;
  const int32_t status = run.layers();
  if (status != FL_OK) return report(error, error_bytes, status, status == FL_ERROR_CANCELLED ? "cancelled" : "the deadline passed");
  const uint64_t before_outputs = now_ns();
  for (uint32_t i = 0; i < output_count; i++) run.store_output(i, outputs[i]);
  if (timing) {
    timing->output_ns = now_ns() - before_outputs;
    timing->total_ns = now_ns() - start;
  }
  return FL_OK;
}

int64_t fl_quantize_linear(const float *x, int8_t *codes, size_t count, float scale, int32_t zero_point) {
  return fl::quantize_linear(x, codes, count, scale, zero_point);
}
