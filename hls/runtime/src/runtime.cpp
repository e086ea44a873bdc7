// The C ABI: what include/fabriclens_runtime.h promises.
#include "../include/fabriclens_runtime.h"

#include <cstring>

#include "../../core/core.h"
#include "convert.h"
#include "estimate.h"
#include "float_ops.h"
#include "loaded.h"
#include "report.h"
#include "run.h"

using fl::now_ns;
using fl::report;

namespace {

constexpr char VERSION[] = "0.1.0";
constexpr uint64_t DEFAULT_BUDGET = uint64_t(1) << 30;

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

// Index in parsed.bindings, or -1.
int64_t binding_index(const fl_program &p, uint32_t direction, uint32_t index) {
  const uint32_t first = direction == FL_INPUT ? 0 : p.input_count;
  const uint32_t end = direction == FL_INPUT ? p.input_count : uint32_t(p.parsed.bindings.size());
  return direction <= FL_OUTPUT && index < end - first ? int64_t(first) + index : -1;
}

// FL_OK, or what is wrong with a caller's buffer.
int32_t check_buffer(const fl_program &p, uint32_t direction, uint32_t index, const fl_buffer &buffer, char *error, size_t error_bytes) {
  const size_t at = size_t(binding_index(p, direction, index));
  const char *side = direction == FL_INPUT ? "input" : "output", *name = p.tensor_names[at].c_str();
  if (buffer.dtype != FL_INT8 && buffer.dtype != FL_FP32) return report(error, error_bytes, FL_ERROR_ARGUMENT, "%s '%s': dtype is neither INT8 nor FP32", side, name);
  if (!buffer.data) return direction == FL_INPUT ? report(error, error_bytes, FL_ERROR_ARGUMENT, "input '%s': no data", name) : int32_t(FL_OK);
  const fl::Binding &b = p.parsed.bindings[at];
  if (b.float_tensor != fl::NONE && buffer.dtype != FL_FP32) {
    return report(error, error_bytes, FL_ERROR_ARGUMENT, "%s '%s': has no codes: its dtype is FP32 and nothing else", side, name);
  }
  const size_t bytes = size_t(fl::elements_of(p, b)) * (buffer.dtype == FL_FP32 ? 4 : 1);
  if (buffer.bytes == bytes) return FL_OK;
  return report(error, error_bytes, FL_ERROR_ARGUMENT, "%s '%s': has %zu bytes, %zu are wanted", side, name, buffer.bytes, bytes);
}

}  // namespace

const fl::Program &fl::parsed(const fl_program &program) { return program.parsed; }

const char *fl_version(void) { return VERSION; }
uint32_t fl_abi_version(void) { return FL_ABI_VERSION; }
uint32_t fl_layout_version(void) { return fl::LAYOUT_VERSION; }

const char *fl_status_name(int32_t status) {
  static const char *const NAMES[] = {"ok", "argument", "format", "version", "unsupported", "memory", "busy", "cancelled", "deadline", "device"};
  return status >= 0 && status <= FL_ERROR_DEVICE ? NAMES[status] : "unknown";
}

int32_t fl_load(const void *bytes, size_t size, uint32_t flags, uint64_t arena_budget, fl_program **program, char *error, size_t error_bytes) {
  fl::clear(error, error_bytes);
  if (!program) return report(error, error_bytes, FL_ERROR_ARGUMENT, "program is NULL");
  *program = nullptr;
  if (!bytes) return report(error, error_bytes, FL_ERROR_ARGUMENT, "bytes is NULL");
  if (flags & ~FL_LOAD_VERIFY_DATA) return report(error, error_bytes, FL_ERROR_ARGUMENT, "unknown flags");
  return fl::guarded(error, error_bytes, [&] {
    *program = fl::load_program(static_cast<const uint8_t *>(bytes), size, flags, arena_budget > 0 ? arena_budget : DEFAULT_BUDGET).release();
  });
}

void fl_unload(fl_program *program) { delete program; }

int32_t fl_set_threads(fl_program *program, uint32_t threads, char *error, size_t error_bytes) {
  fl::clear(error, error_bytes);
  if (!program) return report(error, error_bytes, FL_ERROR_ARGUMENT, "program is NULL");
  if (threads < 1 || threads > FL_MAX_THREADS) return report(error, error_bytes, FL_ERROR_ARGUMENT, "%u threads, 1 to %u are possible", threads, FL_MAX_THREADS);
  if (threads > 1 && !fl::has_workers()) return report(error, error_bytes, FL_ERROR_UNSUPPORTED, "threads are supported on Linux alone");
  const fl::Occupied occupied{program->busy};
  if (!occupied.mine) return report(error, error_bytes, FL_ERROR_BUSY, "this program is running in another thread");
  return fl::guarded(error, error_bytes, [&] {
    fl::Buffer<uint8_t> patches = fl::allocate<uint8_t>(program->patch_bytes * threads);
    std::unique_ptr<fl::Workers> workers = threads > 1 ? std::make_unique<fl::Workers>(threads - 1) : nullptr;
    program->patches = std::move(patches);
    program->workers = std::move(workers);
    program->threads = threads;
  });
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
  info->element_count = fl::elements_of(*program, b);
  for (uint32_t i = 0; i < FL_MAX_RANK; i++) info->shape[i] = b.shape[i];
  const bool coded = b.float_tensor == fl::NONE;
  info->scale = coded ? program->parsed.tensors[b.tensor].scale : 0;
  info->zero_point = coded ? program->parsed.tensors[b.tensor].zero_point : 0;
  return FL_OK;
}

int32_t fl_get_layer_info(const fl_program *program, uint32_t index, fl_layer_info *info) {
  if (!program || !info || info->struct_bytes < sizeof *info || index >= program->layers.size()) return FL_ERROR_ARGUMENT;
  const fl::Layer &layer = program->layers[index];
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
  fl::clear(error, error_bytes);
  const uint64_t start = now_ns();
  if (!program || !inputs || !outputs) return report(error, error_bytes, FL_ERROR_ARGUMENT, "program, inputs or outputs is NULL");
  if ((options && options->struct_bytes < sizeof *options) || (timing && timing->struct_bytes < sizeof *timing)) {
    return report(error, error_bytes, FL_ERROR_ARGUMENT, "struct_bytes is not set");
  }
  const uint32_t wanted_outputs = uint32_t(program->parsed.bindings.size()) - program->input_count;
  if (input_count != program->input_count || output_count != wanted_outputs) {
    return report(error, error_bytes, FL_ERROR_ARGUMENT, "%u inputs and %u outputs given, the program has %u and %u", input_count, output_count, program->input_count,
                  wanted_outputs);
  }
  for (uint32_t i = 0; i < input_count + output_count; i++) {
    const bool in = i < input_count;
    const int32_t status = in ? check_buffer(*program, FL_INPUT, i, inputs[i], error, error_bytes) : check_buffer(*program, FL_OUTPUT, i - input_count, outputs[i - input_count], error, error_bytes);
    if (status != FL_OK) return status;
  }
  const fl::Occupied occupied{program->busy};
  if (!occupied.mine) return report(error, error_bytes, FL_ERROR_BUSY, "this program is running in another thread");
  fl::Run run(*program, options, timing, start);
  for (uint32_t i = 0; i < input_count; i++) {
    const int64_t nan = run.load_input(i, inputs[i]);
    if (nan >= 0) {
      return report(error, error_bytes, FL_ERROR_ARGUMENT, "input '%s': element %lld is not a number", program->tensor_names[i].c_str(), static_cast<long long>(nan));
    }
  }
  if (timing) timing->input_ns = now_ns() - start;
  const int32_t status = run.layers(error, error_bytes);
  if (status != FL_OK) return status;
  const uint64_t before_outputs = now_ns();
  for (uint32_t i = 0; i < output_count; i++) run.store_output(i, outputs[i]);
  if (timing) {
    timing->output_ns = now_ns() - before_outputs;
    timing->total_ns = uint64_t(int64_t(now_ns() - start) - run.uncounted_ns());
  }
  return FL_OK;
}

int64_t fl_quantize_linear(const float *x, int8_t *codes, size_t count, float scale, int32_t zero_point) {
  return fl::quantize_linear(x, codes, count, scale, zero_point);
}
