// Test program: how a network is cut for an array, and the cycles that the cycle model counts for it. Requests on stdin, answers on stdout,
// little-endian, until stdin ends.
//   request: u32 output lanes, pixel lanes, bank rows, weight steps, clock kHz, latency ns, u64 bytes/s, u32 size, the program
//   answer:  u32 length, a refusal (empty where there is none, and then:) u64 cycles, read stalls, write stalls, bytes read, bytes written,
//            u32 layers, each: u64 cycles, bytes of weights, of activations read, of activations written, u32 commands, tile rows, columns, blocks
// Layers on the processor count nothing.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../core/cycles.h"
#include "../core/schedule.h"
#include "../core/traffic.h"
#include "../runtime/src/program.h"

namespace {

using namespace fl;

template <typename T>
bool take(T &value) {
  return std::fread(&value, sizeof value, 1, stdin) == 1;
}

template <typename T>
void put(T value) {
  std::fwrite(&value, sizeof value, 1, stdout);
}

struct Layer {
  uint64_t cycles = 0;
  Traffic traffic;
  Tiling tiling{};
};

struct Answer {
  CycleCount total{};
  std::vector<Layer> layers;
};

void count_segment(const Program &program, const Segment &segment, const Geometry &geometry, const MemoryConfig &memory, Answer &answer) {
  const uint32_t first = segment.first, count = segment.count;
  // Cut as a driver cuts it, which does not know the memory's speed.
  const Schedule s = schedule_segment(program.descriptors.data() + first, count, program.data, geometry);
  if (!s.refusal.empty()) throw Refusal{0, s.refusal};
  std::vector<uint64_t> ends(count);
  const CycleCount c = count_cycles(s.commands.data(), uint32_t(s.commands.size()), geometry, memory, ends.data(), count);
  if (c.stuck) throw Refusal{0, "the cycle model is stuck"};
  answer.total.cycles += c.cycles;
  answer.total.stall_read += c.stall_read;
  answer.total.stall_write += c.stall_write;
  answer.total.bytes_read += c.bytes_read;
  answer.total.bytes_written += c.bytes_written;
  for (const Command &command : s.commands) count_traffic(command, geometry, answer.layers[first + command.layer].traffic);
  for (uint32_t i = 0; i < count; i++) {
    answer.layers[first + i].cycles = ends[i] - (i > 0 ? ends[i - 1] : 0);
    answer.layers[first + i].tiling = s.tilings[i];
  }
}

Answer count(const std::vector<uint8_t> &bytes, const Geometry &geometry, const MemoryConfig &memory) {
  const Program program = parse_program(bytes.data(), bytes.size(), false, uint64_t(1) << 31);
  Answer answer;
  answer.layers.resize(program.descriptors.size());
  for (const Segment &s : program.segments) {
    if (s.target == Target::PL) count_segment(program, s, geometry, memory, answer);
  }
  return answer;
}

void send(const Answer &a) {
  put(uint32_t(0));
  put(a.total.cycles);
  put(a.total.stall_read);
  put(a.total.stall_write);
  put(a.total.bytes_read);
  put(a.total.bytes_written);
  put(uint32_t(a.layers.size()));
  for (const Layer &l : a.layers) {
    put(l.cycles);
    put(l.traffic.weights);
    put(l.traffic.read);
    put(l.traffic.written);
    put(l.tiling.commands);
    put(l.tiling.rows);
    put(l.tiling.columns);
    put(l.tiling.blocks);
  }
}

}  // namespace

int main() {
  Geometry geometry;
  MemoryConfig memory;
  uint32_t size;
  while (take(geometry.output_lanes)) {
    if (!take(geometry.pixel_lanes) || !take(geometry.bank_rows) || !take(geometry.weight_steps) || !take(memory.clock_khz) || !take(memory.latency_ns) ||
        !take(memory.bytes_per_second) || !take(size)) return 2;
    std::vector<uint8_t> bytes(size);
    if (std::fread(bytes.data(), 1, size, stdin) != size) return 2;
    try {
      send(count(bytes, geometry, memory));
    } catch (const Refusal &refusal) {
      put(uint32_t(refusal.text.size()));
      std::fwrite(refusal.text.data(), 1, refusal.text.size(), stdout);
    }
    std::fflush(stdout);
  }
  return 0;
}
