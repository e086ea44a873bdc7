// The part of the test driver (driver.cpp) that is about the programmable logic. It maps two files as a board's program maps /dev/mem:
//   13 OPEN   u32 size, folder, u32 memory address, u64 deadline in ns, u32 clock kHz, u32 cached -> i32 status, u32 length, text
//             cached: the processor has a copy of its own of the core's memory, which only `sync` brings up to date, a line at a time. As caches do
//   14 USE    u32 on -> i32 status, u32 length, text: the slot's program on the core, or on the golden model again
//   15 RUN    u64 timeout in ns, u64 cancel after ns (~0: never), u32 size, all inputs as INT8
//             -> i32 status, u32 length, text, u32 size, all outputs likewise (preset to 0x55), u32 length, source,
//                u64 total ns, input ns, PL ns, PS ns, output ns, then u32 layers, u64 ns of each
//   16 CLOSE  -> i32 status
//   17 INFO   -> u32 core version, layout version, clock kHz, input, output and pixel lanes, programs, u64 memory bytes, memory used
//   18 BOTH   u32 runs, u32 size, inputs of slot 0, u32 size, inputs of slot 1: each in a thread of its own
//             -> u32 runs that were OK and gave what the slot's first run alone gave, u32 others
//   19 UNLOAD -> nothing
//   20 WRONG  -> u32 length, text: a line "what: status text" for each wrong call on the device that was opened last
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "driver.h"

namespace driver {
namespace {

constexpr uint64_t NEVER = ~uint64_t(0);
constexpr uint64_t LINE = 64;

fl_core *core = nullptr;
fl_core_device device{};
std::vector<uint8_t> copy;            // of a cached memory: as the processor sees it
uint8_t *copy_start = nullptr;
uint8_t *shared = nullptr;            // as the core sees it

void *map_file(const std::string &path, uint64_t &bytes) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) std::exit(2);
  bytes = uint64_t(status.st_size);
  void *at = mmap(nullptr, size_t(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (at == MAP_FAILED) std::exit(2);
  close(file);
  return at;
}

int32_t synchronise(void *, uint32_t direction, uint64_t offset, uint64_t bytes) {
  const uint64_t first = offset / LINE * LINE, end = std::min((offset + bytes + LINE - 1) / LINE * LINE, device.memory_bytes);
  if (offset + bytes > device.memory_bytes) return -1;
  if (direction == FL_SYNC_TO_CORE) std::memcpy(shared + first, copy_start + first, size_t(end - first));
  else std::memcpy(copy_start + first, shared + first, size_t(end - first));
  return 0;
}

void open_core() {
  const Bytes folder = take_bytes();
  const std::string path(folder.begin(), folder.end());
  device = {};
  device.struct_bytes = sizeof device;
  device.memory_address = take<uint32_t>();
  device.deadline_ns = take<uint64_t>();
  device.clock_khz = take<uint32_t>();
  device.source = "rtl";
  device.registers = static_cast<volatile uint32_t *>(map_file(path + "/registers", device.register_bytes));
  shared = static_cast<uint8_t *>(map_file(path + "/memory", device.memory_bytes));
  device.memory = shared;
  if (take<uint32_t>()) {
    copy.assign(size_t(device.memory_bytes) + 4096, 0xa5);
    copy_start = copy.data() + (4096 - reinterpret_cast<uintptr_t>(copy.data()) % 4096);
    device.memory = copy_start;
    device.sync = synchronise;
  }
  char error[512];
  put(fl_core_open(&device, &core, error, sizeof error));
  put_bytes(error, std::strlen(error));
}

void use() {
  char error[512];
  put(fl_use_core(program(), take<uint32_t>() ? core : nullptr, error, sizeof error));
  put_bytes(error, std::strlen(error));
}

void run() {
  std::atomic<bool> ended{false};
  int32_t cancel = 0;
  fl_run_options options{};
  options.struct_bytes = sizeof options;
  options.timeout_ns = take<uint64_t>();
  options.cancel = &cancel;
  const uint64_t cancel_after = take<uint64_t>();
  const Bytes inputs = take_bytes();
  Ports in(program(), FL_INPUT, info().input_count, FL_INT8), out(program(), FL_OUTPUT, info().output_count, FL_INT8);
  in.fill(inputs);
  std::vector<uint64_t> layers(info().layer_count);
  fl_timing timing{};
  timing.struct_bytes = sizeof timing;
  timing.layer_capacity = info().layer_count;
  timing.layer_ns = layers.data();
  std::thread canceller;
  if (cancel_after != NEVER) {
    canceller = std::thread([&] {
      const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(cancel_after);
      while (!ended && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::microseconds(100));
      __atomic_store_n(&cancel, 1, __ATOMIC_RELEASE);
    });
  }
  char error[512];
  const size_t before = allocations();
  const int32_t status = fl_run(program(), in.buffers.data(), info().input_count, out.buffers.data(), info().output_count, &options, &timing, error, sizeof error);
  if (allocations() != before) std::abort();  // the header promises none
  ended = true;
  if (canceller.joinable()) canceller.join();
  put(status);
  put_bytes(error, std::strlen(error));
  put(uint32_t(out.bytes));
  for (const fl_buffer &b : out.buffers) std::fwrite(b.data, 1, b.bytes, stdout);
  const std::string source = timing.source ? timing.source : "";
  put_bytes(source.data(), source.size());
  for (const uint64_t ns : {timing.total_ns, timing.input_ns, timing.pl_ns, timing.ps_ns, timing.output_ns}) put(ns);
  put(uint32_t(layers.size()));
  for (const uint64_t ns : layers) put(ns);
}

void core_info() {
  fl_core_info i{};
  i.struct_bytes = sizeof i;
  fl_get_core_info(core, &i);
  for (const uint32_t value : {i.core_version, i.layout_version, i.clock_khz, i.input_lanes, i.output_lanes, i.pixel_lanes, i.programs}) put(value);
  put(i.memory_bytes);
  put(i.memory_used);
}

void both() {
  const uint32_t runs = take<uint32_t>();
  std::atomic<uint32_t> right{0}, wrong{0};
  struct Side {
    fl_program *program;
    fl_program_info &info;
    Ports in, want;
  };
  std::vector<Side> sides;
  char error[512];
  for (uint32_t i = 0; i < SLOTS; i++) {
    const Bytes inputs = take_bytes();
    sides.push_back({programs[i], infos[i], Ports(programs[i], FL_INPUT, infos[i].input_count, FL_INT8), Ports(programs[i], FL_OUTPUT, infos[i].output_count, FL_INT8)});
    Side &s = sides.back();
    s.in.fill(inputs);
    if (fl_run(s.program, s.in.buffers.data(), s.info.input_count, s.want.buffers.data(), s.info.output_count, nullptr, nullptr, error, sizeof error) != FL_OK) wrong++;
  }
  std::vector<std::thread> threads;
  for (Side &s : sides) {
    threads.emplace_back([&] {
      for (uint32_t i = 0; i < runs; i++) {
        Ports out(s.program, FL_OUTPUT, s.info.output_count, FL_INT8);
        char text[512];
        const int32_t status = fl_run(s.program, s.in.buffers.data(), s.info.input_count, out.buffers.data(), s.info.output_count, nullptr, nullptr, text, sizeof text);
        bool same = status == FL_OK;
        for (size_t k = 0; k < out.buffers.size(); k++) same = same && std::memcmp(out.buffers[k].data, s.want.buffers[k].data, out.buffers[k].bytes) == 0;
        (same ? right : wrong)++;
      }
    });
  }
  for (std::thread &t : threads) t.join();
  put(right.load());
  put(wrong.load());
}

void misuse() {
  std::string text;
  char error[512] = "";
  const auto note = [&](const char *what, int32_t status) {
    text += std::string(what) + ": " + fl_status_name(status) + " " + error + "\n";
    error[0] = 0;
  };
  const auto attempt = [&](const char *what, const std::function<void(fl_core_device &)> &change) {
    fl_core_device wrong = device;
    change(wrong);
    fl_core *other = nullptr;
    const int32_t status = fl_core_open(&wrong, &other, error, sizeof error);
    note(what, other ? -1 : status);
  };
  attempt("struct_bytes", [](fl_core_device &d) { d.struct_bytes = 8; });
  attempt("clock", [](fl_core_device &d) { d.clock_khz = 0; });
  attempt("no registers", [](fl_core_device &d) { d.registers = nullptr; });
  attempt("short window", [](fl_core_device &d) { d.register_bytes = 2048; });
  attempt("unaligned memory", [](fl_core_device &d) { d.memory = static_cast<uint8_t *>(d.memory) + 8; });
  attempt("unaligned address", [](fl_core_device &d) { d.memory_address += 64; });
  attempt("beyond 4 GB", [](fl_core_device &d) { d.memory_address = 0xffffff80; });
  attempt("no deadline", [](fl_core_device &d) { d.deadline_ns = 0; });
  attempt("no source", [](fl_core_device &d) { d.source = nullptr; });
  attempt("another source", [](fl_core_device &d) { d.source = "guessed"; });
  note("close while it is used", fl_core_close(core));
  note("close nothing", fl_core_close(nullptr));
  note("no core info", fl_get_core_info(core, nullptr));
  note("no program", fl_use_core(nullptr, core, error, sizeof error));
  put_bytes(text.data(), text.size());
}

}  // namespace

bool core_request(uint32_t request) {
  if (request == 13) open_core();
  else if (request == 14) use();
  else if (request == 15) run();
  else if (request == 16) {
    const int32_t status = fl_core_close(core);
    if (status != FL_ERROR_BUSY) core = nullptr;
    put(status);
  } else if (request == 17) core_info();
  else if (request == 18) both();
  else if (request == 19) {
    fl_unload(program());
    programs[slot] = nullptr;
  } else if (request == 20) misuse();
  else return false;
  return true;
}

}  // namespace driver
