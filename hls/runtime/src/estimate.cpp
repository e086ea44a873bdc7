#include "estimate.h"

#include "../../core/core.h"
#include "../../core/cycles.h"
#include "../include/fabriclens_runtime.h"
#include "report.h"

namespace fl {
namespace {

// The layer that the core refuses by itself, by name; else what the segment as a whole is refused for. `before`: layers of the segments before.
Refusal refused(const fl_program &program, const Segment &segment, uint32_t before, const Geometry &geometry, const std::string &whole) {
  for (uint32_t i = 0; i < segment.count; i++) {
    char text[256];
    if (!core_refusal(parsed(program).descriptors[segment.first + i], geometry, text, sizeof text)) continue;
    fl_layer_info info{};
    info.struct_bytes = sizeof info;
    fl_get_layer_info(&program, before + i, &info);
    return {FL_ERROR_UNSUPPORTED, text_of("layer '%s': %s", info.name, text)};
  }
  return {FL_ERROR_UNSUPPORTED, whole};
}

void estimate_segment(const fl_program &loaded, const Segment &segment, uint32_t before, const Geometry &geometry, const MemoryConfig &memory,
                      ProgramEstimate &estimate) {
  const uint32_t first = segment.first, count = segment.count;
  const Schedule s = scheduled(loaded, segment, before, geometry);
  uint64_t expected = estimate.cycles;
  for (const Tiling &tiling : s.tilings) expected += tiling.cycles;
  if (expected > MAX_ESTIMATED_CYCLES) {
    throw Refusal{FL_ERROR_UNSUPPORTED, text_of("about %llu cycles, more than the %llu that are counted", static_cast<unsigned long long>(expected),
                                                static_cast<unsigned long long>(MAX_ESTIMATED_CYCLES))};
  }
  std::vector<uint64_t> ends(count);
  const CycleCount c = count_cycles(s.commands.data(), uint32_t(s.commands.size()), geometry, memory, ends.data(), count);
  if (c.stuck) throw Refusal{FL_ERROR_UNSUPPORTED, "the cycle model is stuck"};
  estimate.cycles += c.cycles;
  estimate.bytes_read += c.bytes_read;
  estimate.bytes_written += c.bytes_written;
  for (const Command &command : s.commands) count_traffic(command, geometry, estimate.layers[first + command.layer].traffic);
  for (uint32_t i = 0; i < count; i++) estimate.layers[first + i].cycles = ends[i] - (i > 0 ? ends[i - 1] : 0);
}

}  // namespace

Schedule scheduled(const fl_program &program, const Segment &segment, uint32_t before, const Geometry &geometry) {
  const Program &p = parsed(program);
  Schedule s = schedule_segment(p.descriptors.data() + segment.first, segment.count, p.data, geometry);
  if (!s.refusal.empty()) throw refused(program, segment, before, geometry, s.refusal);
  return s;
}

ProgramEstimate estimate_program(const fl_program &program, const Geometry &geometry, const MemoryConfig &memory) {
  ProgramEstimate estimate;
  estimate.layers.resize(parsed(program).descriptors.size());
  uint32_t before = 0;
  for (const Segment &segment : parsed(program).segments) {
    if (segment.target == Target::PL) estimate_segment(program, segment, before, geometry, memory, estimate);
    before += segment.count;
  }
  return estimate;
}

}  // namespace fl

namespace {

// Index in the order of execution -> the descriptor; nullptr where it is a float operator.
const fl::Descriptor *descriptor_at(const fl::Program &program, uint32_t index) {
  for (const fl::Segment &s : program.segments) {
    if (index < s.count) return s.target == fl::Target::FLOAT ? nullptr : &program.descriptors[s.first + index];
    index -= s.count;
  }
  return nullptr;
}

void copy_layers(const fl::Program &program, const fl::ProgramEstimate &made, fl_estimate_info &info) {
  uint32_t at = 0;
  for (const fl::Segment &s : program.segments) {
    for (uint32_t i = 0; i < s.count; i++, at++) {
      if (at >= info.layer_capacity) return;
      const fl::LayerEstimate none, &layer = s.target == fl::Target::PL ? made.layers[s.first + i] : none;
      info.layers[at] = {layer.cycles, layer.traffic.weights, layer.traffic.read, layer.traffic.written};
    }
  }
}

}  // namespace

int32_t fl_estimate(const fl_program *program, const fl_core_setting *setting, fl_estimate_info *info, char *error, size_t error_bytes) {
  fl::clear(error, error_bytes);
  if (!program || !info || info->struct_bytes < sizeof *info || (setting && setting->struct_bytes < sizeof *setting) || (info->layer_capacity > 0 && !info->layers)) {
    return fl::report(error, error_bytes, FL_ERROR_ARGUMENT, "program, setting or info is NULL or has no struct_bytes");
  }
  fl::MemoryConfig memory;
  if (setting) memory = {setting->bytes_per_second, setting->latency_ns, setting->clock_khz};
  if (memory.clock_khz < 1000 || memory.clock_khz > 1000000 || memory.bytes_per_second < 1000000 || memory.bytes_per_second > 100000000000 || memory.latency_ns > 100000) {
    return fl::report(error, error_bytes, FL_ERROR_ARGUMENT, "the clock is 1 to 1000 MHz, the memory 1 MB/s to 100 GB/s and at most 100 us away");
  }
  return fl::guarded(error, error_bytes, [&] {
    const fl::Geometry &geometry = fl::DEFAULT_GEOMETRY;
    const fl::ProgramEstimate made = fl::estimate_program(*program, geometry, memory);
    info->clock_khz = memory.clock_khz;
    info->latency_ns = memory.latency_ns;
    info->bytes_per_second = memory.bytes_per_second;
    info->macs_per_cycle = 16 * geometry.output_lanes * geometry.pixel_lanes;
    info->cycles = made.cycles;
    info->bytes_read = made.bytes_read;
    info->bytes_written = made.bytes_written;
    copy_layers(fl::parsed(*program), made, *info);
  });
}

int32_t fl_core_refusal(const fl_program *program, uint32_t index, char *text, size_t text_bytes) {
  fl::clear(text, text_bytes);
  fl_layer_info info{};
  info.struct_bytes = sizeof info;
  if (fl_get_layer_info(program, index, &info) != FL_OK) return FL_ERROR_ARGUMENT;
  const fl::Descriptor *d = descriptor_at(fl::parsed(*program), index);
  if (!d) return fl::report(text, text_bytes, FL_ERROR_UNSUPPORTED, "the core computes in int8");
  char reason[256];
  if (!fl::core_refusal(*d, fl::DEFAULT_GEOMETRY, reason, sizeof reason)) return FL_OK;
  return fl::report(text, text_bytes, FL_ERROR_UNSUPPORTED, "%s", reason);
}
