#include "run.h"

#include <algorithm>
#include <cstring>

#include "convert.h"
#include "float_ops.h"
#include "kernels.h"
#include "report.h"

namespace fl {
namespace {

// Part `index` of `count` of a layer: rows of results, or where there are too few of them groups of channels.
Part part_of(const Descriptor &d, uint32_t index, uint32_t count) {
  Part part = whole_of(d);
  const auto cut = [&](uint32_t total, uint32_t step, uint32_t &first, uint32_t &end) {
    const uint64_t steps = (total + step - 1) / step;
    first = uint32_t(steps * index / count) * step;
    end = std::min(total, uint32_t(steps * (index + 1) / count) * step);
  };
  if (part.end > (count - 1) * PART_RESULTS) cut(part.end, PART_RESULTS, part.first, part.end);
  else cut(part.end_channel, PART_CHANNELS, part.first_channel, part.end_channel);
  return part;
}

// Multiply-accumulates and results below which waking another thread costs more than it brings.
constexpr uint64_t WORTH_SHARING = 50'000;

void run_descriptor(const fl_program &p, uint32_t index) {
  const Descriptor &d = p.parsed.descriptors[index];
  struct Shared {
    const fl_program &p;
    const Descriptor &d;
    const uint8_t *weights;
    uint32_t count;
  };
  const Shared shared{p, d, p.weights.get() + p.layer_weights[index], p.threads};
  const auto work = [](const void *context, uint32_t thread) {
    const Shared &s = *static_cast<const Shared *>(context);
    const kernels::Memory memory{s.p.arena.get(), s.p.data.get(), s.weights, s.p.roomy, s.p.patches.get() + thread * s.p.patch_bytes};
    kernels::run(s.d, memory, part_of(s.d, thread, s.count));
  };
  if (p.workers && macs(d) + uint64_t(d.output_height) * d.output_width * d.output_channels >= WORTH_SHARING) return p.workers->run(work, &shared);
  const Shared alone{p, d, shared.weights, 1};
  work(&alone, 0);
}

int32_t say_stopped(char *error, size_t error_bytes, int32_t status) {
  return report(error, error_bytes, status, status == FL_ERROR_CANCELLED ? "cancelled" : "the deadline passed");
}

}  // namespace

Run::Run(fl_program &program, const fl_run_options *options, fl_timing *timing, uint64_t start) : p_(program), timing_(timing) {
  if (options) limits_ = {options->cancel, options->timeout_ns > 0 ? start + std::min(options->timeout_ns, UINT64_MAX - start) : 0};
  if (!timing) return;
  timing->source = p_.offload && p_.offload->segments() > 0 ? p_.offload->core().source() : "host";
  timing->pl_ns = timing->ps_ns = 0;
}

int64_t Run::load_input(uint32_t index, const fl_buffer &buffer) {
  const Tensor &t = p_.parsed.tensors[p_.parsed.bindings[index].tensor];
  if (buffer.dtype == FL_FP32) return load_fp32(t, static_cast<const float *>(buffer.data), p_.arena.get(), p_.row.get());
  load_int8(t, static_cast<const int8_t *>(buffer.data), p_.arena.get());
  return -1;
}

void Run::processor_layer(const Layer &layer) {
  if (layer.target != Target::FLOAT) return run_descriptor(p_, layer.index);
  run_float_op(p_.parsed, p_.parsed.float_ops[layer.index], {p_.float_arena.get(), p_.arena.get(), p_.data.get(), p_.row.get(), p_.scratch.get()});
}

void Run::count(const Layer &layer, size_t index, uint64_t ns) {
  if (!timing_) return;
  (layer.target == Target::PL ? timing_->pl_ns : timing_->ps_ns) += ns;
  if (timing_->layer_ns && index < timing_->layer_capacity) timing_->layer_ns[index] = ns;
}

int32_t Run::core_segment(size_t first_layer, uint32_t segment, char *error, size_t error_bytes) {
  const uint64_t before = now_ns();
  uint64_t *layer_ns = nullptr;
  uint32_t layers = 0;
  if (timing_ && timing_->layer_ns && first_layer < timing_->layer_capacity) {
    layer_ns = timing_->layer_ns + first_layer;
    layers = uint32_t(std::min<uint64_t>(p_.offload->layers(segment), timing_->layer_capacity - first_layer));
  }
  CoreResult result;
  if (!p_.offload->run(segment, p_.arena.get(), limits_, layer_ns, layers, result)) {
    if (result.status != FL_ERROR_DEVICE) return say_stopped(error, error_bytes, result.status);
    if (result.layer >= p_.offload->layers(segment)) return report(error, error_bytes, FL_ERROR_DEVICE, "%s", result.text);
    return report(error, error_bytes, FL_ERROR_DEVICE, "layer '%s': %s", p_.layers[first_layer + result.layer].name.c_str(), result.text);
  }
  const uint64_t wall = now_ns() - before, counted = p_.offload->core().simulated() ? result.core_ns : wall;
  uncounted_ns_ += int64_t(wall - counted);
  if (timing_) timing_->pl_ns += counted;
  return FL_OK;
}

int32_t Run::layers(char *error, size_t error_bytes) {
  uint32_t segment = 0;  // of target PL
  for (size_t i = 0; i < p_.layers.size();) {
    const int32_t stop = limits_.reached();
    if (stop != FL_OK) return say_stopped(error, error_bytes, stop);
    const Layer &layer = p_.layers[i];
    if (p_.offload && layer.target == Target::PL) {
      const int32_t status = core_segment(i, segment, error, error_bytes);
      if (status != FL_OK) return status;
      i += p_.offload->layers(segment++);
      continue;
    }
    const uint64_t before = now_ns();
    processor_layer(layer);
    count(layer, i++, now_ns() - before);
  }
  const int32_t stop = limits_.reached();
  return stop == FL_OK ? FL_OK : say_stopped(error, error_bytes, stop);
}

void Run::store_output(uint32_t index, const fl_buffer &buffer) const {
  if (!buffer.data) return;
  const Binding &b = p_.parsed.bindings[p_.input_count + index];
  if (b.float_tensor != NONE) {
    const FloatTensor &f = p_.parsed.float_tensors[b.float_tensor];
    const uint8_t *from = f.place == FloatPlace::CONSTANT ? p_.data.get() : reinterpret_cast<const uint8_t *>(p_.float_arena.get());
    std::memcpy(buffer.data, from + f.offset, buffer.bytes);
    return;
  }
  const Tensor &t = p_.parsed.tensors[b.tensor];
  if (buffer.dtype == FL_FP32) store_fp32(t, p_.arena.get(), static_cast<float *>(buffer.data));
  else store_int8(t, p_.arena.get(), static_cast<int8_t *>(buffer.data));
}

}  // namespace fl
