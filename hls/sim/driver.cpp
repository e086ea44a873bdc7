// Test program: the Verilated core, its memory and the golden model behind a pipe. Requests on stdin, answers on stdout, little-endian.
// An answer is: i32 status (Outcome), u32 length, text, u32 length, payload; the payload is as told here, empty unless the status is OK or
// else said. Slots 0 and 1 each hold a network in memory.
//    1 CONFIGURE u32 clock kHz, u64 bytes/s, u32 latency ns, u64 seed, 7 x u32 stalls of 1000 (AR and R of m0, of m1, AW W B),
//                u32 watchdog cycles, u32 assertions -> u32 CAPABILITY. Resets core and memory. seed 0: all at round addresses and no random pauses on the register port.
//                Without assertions, those of the RTL are not looked at: for commands that no scheduler makes
//    2 FAULTS    u32 count, each: u32 write, port, burst, address, bytes, response (Fault of memory.h) -> nothing
//    3 LOAD      u32 slot, u32 single (a doorbell a layer), u32 size, bytes
//                -> u32 input bytes, output bytes, stages, each: u32 on core, first layer, layers, commands, command address
//    4 RUN       u32 slot, u64 bound in cycles of a stage, u32 size, inputs -> Result, also with FAILED and DIFFERENT
//    5 PREPARE   u32 slot, u32 stage, u32 size, inputs (none: arenas stay) -> nothing; writes the registers of the job, but the doorbell
//    6 WAIT      u64 bound -> u64 cycles that it took until the interrupt; HANGS where it did not come
//    7 CHECK     u32 slot, u32 stage -> outputs of the network; DIFFERENT where they differ from the golden model's of this stage
//    8 STEP      u64 cycles -> u32 interrupt
//    9 PEEK      u32 offset -> u32 value
//   10 POKE      u32 offset, u32 value, u32 byte strobes -> nothing
//   11 RESET     -> nothing: a soft reset, waited for
//   12 COMMANDS  u32 slot, u32 stage -> the bytes of its commands
//   13 PATCH     u32 slot, u32 stage, u32 size, bytes -> nothing: other commands in their place, not more than there were
// Result: u32 error code, layer (of the program), u64 cycles, read stalls, write stalls, then of each port u64 bytes read, bytes written,
//   read bursts, write bursts, then u32 layers, u64 cycles of each (0: not on the core), then the outputs.
#include <verilated.h>
#if VM_COVERAGE
#include <verilated_cov.h>
#endif

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core_sim.h"
#include "network.h"

namespace {

using namespace fl;
using Bytes = std::vector<uint8_t>;

enum Outcome : int32_t {
  OK = 0,
  REFUSED = 1,    // not a program, or it does not fit the core
  FAILED = 2,     // the core says so: error code
  DIFFERENT = 3,  // from the golden model
  HANGS = 4,      // no interrupt within the bound
  BREACH = 5      // of AXI, or of what the core promises; the core must be configured anew
};

struct Trouble {
  Outcome outcome;
  std::string text;
};

constexpr uint32_t SLOTS = 2;
// Far apart, for arenas of up to 512 MB; `scatter` moves each by up to a page.
constexpr Placement PLACEMENT[SLOTS] = {{0x10000000, 0x60000000, 0xa0000000}, {0x38000000, 0x80000000, 0xa8000000}};

class Writer {
 public:
  Bytes bytes;
  template <typename T>
  Writer &put(T value) {
    const uint8_t *from = reinterpret_cast<const uint8_t *>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
    return *this;
  }
  Writer &put(const Bytes &more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return *this;
  }
};

FILE *answers;  // what was stdout: what the model prints goes to stderr

bool read_exactly(void *to, size_t size) { return std::fread(to, 1, size, stdin) == size; }

template <typename T>
T take() {
  T value;
  if (!read_exactly(&value, sizeof value)) std::exit(2);
  return value;
}

Bytes take_bytes() {
  Bytes bytes(take<uint32_t>());
  if (!bytes.empty() && !read_exactly(bytes.data(), bytes.size())) std::exit(2);
  return bytes;
}

void answer(Outcome outcome, const std::string &text, const Bytes &payload) {
  Writer head;
  head.put(int32_t(outcome)).put(Bytes(Writer().put(uint32_t(text.size())).bytes)).put(Bytes(text.begin(), text.end())).put(uint32_t(payload.size()));
  std::fwrite(head.bytes.data(), 1, head.bytes.size(), answers);
  if (!payload.empty()) std::fwrite(payload.data(), 1, payload.size(), answers);
  std::fflush(answers);
}

class Harness {
 public:
  Writer configure() {
    MemoryConfig config;
    config.clock_khz = take<uint32_t>();
    config.bytes_per_second = take<uint64_t>();
    config.latency_ns = take<uint32_t>();
    seed_ = take<uint64_t>();
    Stalls stalls;
    for (uint32_t *s : {&stalls.ar[0], &stalls.r[0], &stalls.ar[1], &stalls.r[1], &stalls.aw, &stalls.w, &stalls.b}) *s = take<uint32_t>();
    const uint32_t watchdog = take<uint32_t>();
    core_.memory.configure(config, stalls, seed_);
    core_.memory.set_faults({});
    core_.shake_registers(seed_);
    core_.set_assertions(take<uint32_t>() != 0);
    core_.reset();
    core_.write(Register::WATCHDOG_CYCLES, watchdog);
    core_.write(Register::CONTROL, ControlBit::INTERRUPT_ENABLE);
    return Writer().put(core_.read(Register::CAPABILITY));
  }

  void faults() {
    std::vector<Fault> list(take<uint32_t>());
    for (Fault &f : list) {
      f.write = take<uint32_t>() != 0;
      f.port = take<uint32_t>();
      f.burst = take<uint32_t>();
      f.address = take<uint32_t>();
      f.bytes = take<uint32_t>();
      f.response = uint8_t(take<uint32_t>());
    }
    core_.memory.set_faults(std::move(list));
  }

  Writer load() {
    const uint32_t slot = take<uint32_t>();
    const bool single = take<uint32_t>() != 0;
    Bytes bytes = take_bytes();
    Placement at = PLACEMENT[slot % SLOTS];
    at.arena += scatter(CORE_ALIGNMENT);
    at.data += scatter(CORE_ALIGNMENT);
    at.commands += scatter(CORE_ALIGNMENT);
    networks_[slot % SLOTS].reset();
    const auto network = std::make_shared<Network>(std::move(bytes), geometry(), at, single);
    networks_[slot % SLOTS] = network;
    core_.memory.unmap_all();
    for (const auto &n : networks_) {
      if (n) n->map(core_.memory);
    }
    Writer out;
    out.put(network->input_bytes()).put(network->output_bytes()).put(uint32_t(network->stages().size()));
    for (const Network::Stage &s : network->stages()) {
      out.put(uint32_t(s.on_core)).put(s.first_layer).put(s.layers).put(s.on_core ? s.job.command_count : 0).put(s.on_core ? s.job.command_address : 0);
    }
    return out;
  }

  // The answer itself, for it has a payload even when it is bad news.
  void run() {
    Network &n = network();
    const uint64_t bound = take<uint64_t>();
    n.start(inputs_of(n), ++runs_);
    Result result(n.program().descriptors.size());
    Trouble trouble{OK, ""};
    core_.memory.clear_traffic();
    for (const Network::Stage &stage : n.stages()) {
      trouble = run_stage(n, stage, bound, result);
      if (trouble.outcome != OK) break;
    }
    const bool tells = trouble.outcome <= DIFFERENT;
    answer(trouble.outcome, trouble.text, tells ? payload_of(result, n) : Bytes());
  }

  void prepare() {
    Network &n = network();
    const Network::Stage &stage = stage_of(n);
    const Bytes inputs = take_bytes();
    if (!inputs.empty()) n.start(exactly(n, inputs), ++runs_);
    core_.memory.clear_traffic();
    core_.describe(stage.job);
  }

  Writer wait() {
    const uint64_t bound = take<uint64_t>(), start = core_.now();
    if (!core_.wait_for_irq(bound)) throw Trouble{HANGS, hanging(bound)};
    return Writer().put(core_.now() - start);
  }

  Writer check() {
    Network &n = network();
    const Network::Stage &stage = stage_of(n);
    n.run_golden(stage);
    const std::string text = n.differences(stage);
    if (!text.empty()) throw Trouble{DIFFERENT, text};
    return Writer().put(n.outputs());
  }

  Writer step() {
    core_.cycles(take<uint64_t>());
    return Writer().put(uint32_t(core_.irq()));
  }

  Writer peek() { return Writer().put(core_.read(take<uint32_t>())); }

  void poke() {
    const uint32_t offset = take<uint32_t>(), value = take<uint32_t>();
    core_.write(offset, value, uint8_t(take<uint32_t>()));
  }

  void reset() { core_.soft_reset(); }

  Writer commands() {
    Network &n = network();
    const Network::Stage &stage = stage_of(n);
    const uint8_t *from = n.commands_of(stage);
    return Writer().put(Bytes(from, from + stage.job.command_count * sizeof(Command)));
  }

  void patch() {
    Network &n = network();
    const Network::Stage &stage = stage_of(n);
    const Bytes bytes = take_bytes();
    if (bytes.size() > stage.job.command_count * sizeof(Command)) throw Trouble{REFUSED, "more commands than there were"};
    std::memcpy(n.commands_of(stage), bytes.data(), bytes.size());
  }

 private:
  struct Result {
    explicit Result(size_t layers) : layer_cycles(layers) {}
    uint32_t code = 0, layer = 0;
    uint64_t cycles = 0, stall_read = 0, stall_write = 0;
    std::vector<uint64_t> layer_cycles;
  };

  // A multiple of `step` below a page; 0 for seed 0.
  uint32_t scatter(uint32_t step) {
    if (seed_ == 0) return 0;
    scatter_ = scatter_ * 6364136223846793005 + seed_ * 2 + 1;
    return uint32_t(scatter_ >> 33) % (4096 / step) * step;
  }

  Geometry geometry() { return geometry_of(core_.read(Register::CAPABILITY)); }

  Network &network() {
    const uint32_t slot = take<uint32_t>();
    if (slot >= SLOTS || !networks_[slot]) std::exit(2);
    return *networks_[slot];
  }

  static const Network::Stage &stage_of(const Network &n) {
    const uint32_t stage = take<uint32_t>();
    if (stage >= n.stages().size()) std::exit(2);
    return n.stages()[stage];
  }

  static const Bytes &exactly(const Network &n, const Bytes &inputs) {
    if (inputs.size() != n.input_bytes()) throw Trouble{REFUSED, text_of("%zu bytes of inputs, not %u", inputs.size(), n.input_bytes())};
    return inputs;
  }

  static Bytes inputs_of(const Network &n) {
    Bytes inputs = take_bytes();
    exactly(n, inputs);
    return inputs;
  }

  std::string hanging(uint64_t bound) {
    return text_of("no interrupt in %llu cycles; STATUS %x, %s", static_cast<unsigned long long>(bound), core_.read(Register::STATUS), core_.memory.under_way().c_str());
  }

  Trouble run_stage(Network &n, const Network::Stage &stage, uint64_t bound, Result &result) {
    if (!stage.on_core) {
      n.run_golden(stage);
      n.run_processor(stage);
      return {OK, ""};
    }
    core_.describe(stage.job);
    core_.write(Register::DOORBELL, 1);
    if (!core_.wait_for_irq(bound)) return {HANGS, hanging(bound)};
    const uint32_t status = core_.read(Register::STATUS);
    if (status & StatusBit::ERROR) {
      result.code = core_.read(Register::ERROR_CODE);
      result.layer = stage.first_layer + core_.read(Register::ERROR_LAYER);
      return {FAILED, text_of("error %u in layer %u", result.code, result.layer)};
    }
    if (!core_.memory.idle()) return {BREACH, "the interrupt came before all was stored: " + core_.memory.under_way()};
    if (status & StatusBit::BUSY || !(status & StatusBit::DONE)) return {BREACH, text_of("STATUS is %x after the interrupt", status)};
    if (core_.memory.unmapped_bursts() > 0) return {BREACH, text_of("%u bursts outside of the mapped memory, the first at 0x%08x", core_.memory.unmapped_bursts(), core_.memory.unmapped_address())};
    count(stage, result);
    core_.write(Register::STATUS, StatusBit::DONE);
    if (core_.irq()) return {BREACH, "the interrupt stays after its bit was cleared"};
    n.run_golden(stage);
    const std::string text = n.differences(stage);
    return {text.empty() ? OK : DIFFERENT, text};
  }

  void count(const Network::Stage &stage, Result &result) {
    result.cycles += core_.read(Register::CYCLES_LOW) | uint64_t(core_.read(Register::CYCLES_HIGH)) << 32;
    result.stall_read += core_.read(Register::STALL_READ);
    result.stall_write += core_.read(Register::STALL_WRITE);
    uint32_t before = 0;
    for (uint32_t i = 0; i < stage.layers && i < MAX_CORE_LAYERS; i++) {
      core_.write(Register::LAYER_SELECT, i);
      const uint32_t end = core_.read(Register::LAYER_CYCLES);
      result.layer_cycles[stage.first_layer + i] = end - before;
      before = end;
    }
  }

  Bytes payload_of(const Result &r, const Network &n) const {
    Writer out;
    out.put(r.code).put(r.layer).put(r.cycles).put(r.stall_read).put(r.stall_write);
    for (uint32_t port = 0; port < AxiMemory::PORTS; port++) {
      const Traffic &t = core_.memory.traffic(port);
      out.put(t.read_bytes).put(t.write_bytes).put(t.read_bursts).put(t.write_bursts);
    }
    out.put(uint32_t(r.layer_cycles.size()));
    for (uint64_t cycles : r.layer_cycles) out.put(cycles);
    return out.put(n.outputs()).bytes;
  }

  CoreSim core_;
  std::shared_ptr<Network> networks_[SLOTS];
  uint64_t seed_ = 0, scatter_ = 0, runs_ = 0;
};

bool serve(Harness &harness, uint32_t request) {
  Writer out;
  switch (request) {
    case 1: out = harness.configure(); break;
    case 2: harness.faults(); break;
    case 3: out = harness.load(); break;
    case 4: harness.run(); return true;
    case 5: harness.prepare(); break;
    case 6: out = harness.wait(); break;
    case 7: out = harness.check(); break;
    case 8: out = harness.step(); break;
    case 9: out = harness.peek(); break;
    case 10: harness.poke(); break;
    case 11: harness.reset(); break;
    case 12: out = harness.commands(); break;
    case 13: harness.patch(); break;
    default: return false;
  }
  answer(OK, "", out.bytes);
  return true;
}

}  // namespace

int main() {
  answers = fdopen(dup(STDOUT_FILENO), "wb");
  dup2(STDERR_FILENO, STDOUT_FILENO);
  // What registers hold before the first reset.
  Verilated::randReset(2);
  Verilated::randSeed(1);
  int code = 0;
  Harness harness;
  uint32_t request;
  while (code == 0 && read_exactly(&request, sizeof request)) {
    try {
      if (!serve(harness, request)) code = 2;
    } catch (const ProtocolError &error) {
      answer(BREACH, error.what(), {});
    } catch (const Refusal &refusal) {
      answer(REFUSED, refusal.text, {});
    } catch (const Trouble &trouble) {
      answer(trouble.outcome, trouble.text, {});
    }
  }
#if VM_COVERAGE
  if (const char *file = std::getenv("FL_COVERAGE")) VerilatedCov::write(file);
#endif
  return code;
}
