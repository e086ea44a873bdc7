// Test program: the runtime behind a pipe. Requests on stdin, answers on stdout, all little-endian:
//   1 LOAD   u32 flags, u64 budget, u32 size, bytes -> i32 status, u32 length, text, u32 input bytes, u32 output bytes, u32 layers (as INT8)
//   2 RUN    u32 dtype in, u32 dtype out, u32 size, bytes of all inputs -> i32 status, u32 length, text, u32 size, bytes of all outputs
//   3 QUANTIZE f32 scale, i32 zero point, u32 count, floats -> i32 first NaN, codes
//   4 TIME   u32 repeats, u32 size, bytes of all inputs as INT8 -> u64 ns a repeat, then u64 ns a layer, the least over the repeats
//   5 BOUNDED  as RUN in INT8, with u64 timeout in ns, u32 cancel before the size -> as RUN; outputs are preset to 0x55
//   6 MISUSE -> u32 length, text: a line "what: status text" for each wrong call on the loaded program
//   7 THREADS u32 runs, u32 size, bytes of all inputs as INT8 -> u32 runs that were OK, u32 BUSY, u32 anything else or a wrong output
//   8 ESTIMATE u32 clock kHz (0: no setting), u64 bytes/s, u32 latency ns -> i32 status, u32 length, text, u32 clock kHz, u32 latency ns, u32 MACs a cycle,
//              u64 bytes/s, cycles, bytes read, bytes written, then a layer: u64 cycles, bytes of weights, read, written
//   9 REFUSAL u32 layer -> i32 status, u32 length, text
//   10 LAYERS -> u32 length, text: a line "target op name MACs" a layer, in the order of execution
//   11 SHARE u32 threads a layer -> i32 status, u32 length, text
//   12 SLOT u32 slot -> nothing: which of two programs all this is about; 0 at first
//   13 and on: driver_core.cpp, of programs on a core
// Every buffer has its exact size, so that the sanitizers see one byte too far.
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "driver.h"

static std::atomic<size_t> allocated{0};

void *operator new(size_t size, const std::nothrow_t &) noexcept {
  allocated++;
  return std::malloc(size ? size : 1);
}
void *operator new(size_t size) {
  if (void *p = operator new(size, std::nothrow)) return p;
  throw std::bad_alloc();
}
void *operator new(size_t size, std::align_val_t alignment) {
  allocated++;
  const size_t step = size_t(alignment);
  if (void *p = std::aligned_alloc(step, (size + step) / step * step)) return p;
  throw std::bad_alloc();
}
void operator delete(void *p) noexcept { std::free(p); }
void operator delete(void *p, size_t) noexcept { std::free(p); }
void operator delete(void *p, std::align_val_t) noexcept { std::free(p); }

// What C functions take, where a sanitizer doesn't look after that itself.
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
extern "C" void *__libc_malloc(size_t size);
extern "C" void *malloc(size_t size) {
  allocated++;
  return __libc_malloc(size);
}
#endif

namespace driver {

fl_program *programs[SLOTS];
fl_program_info infos[SLOTS];
uint32_t slot = 0;

size_t allocations() { return allocated; }

}  // namespace driver

namespace {

using namespace driver;

void load() {
  const uint32_t flags = take<uint32_t>();
  const uint64_t budget = take<uint64_t>();
  const Bytes bytes = take_bytes();
  fl_unload(program());
  char error[512];
  const int32_t status = fl_load(bytes.data(), bytes.size(), flags, budget, &programs[slot], error, sizeof error);
  put(status);
  put_bytes(error, std::strlen(error));
  info() = {};
  info().struct_bytes = sizeof(fl_program_info);
  if (program()) fl_get_program_info(program(), &info());
  put(uint32_t(Ports(program(), FL_INPUT, info().input_count, FL_INT8).bytes));
  put(uint32_t(Ports(program(), FL_OUTPUT, info().output_count, FL_INT8).bytes));
  put(info().layer_count);
}

void run(uint32_t dtype_in, uint32_t dtype_out, const fl_run_options *options) {
  const Bytes bytes = take_bytes();
  Ports in(program(), FL_INPUT, info().input_count, dtype_in), out(program(), FL_OUTPUT, info().output_count, dtype_out);
  in.fill(bytes);
  char error[512];
  const size_t before = allocations();
  const int32_t status = fl_run(program(), in.buffers.data(), info().input_count, out.buffers.data(), info().output_count, options, nullptr, error, sizeof error);
  if (allocations() != before) std::abort();  // the header promises none
  put(status);
  put_bytes(error, std::strlen(error));
  put(uint32_t(out.bytes));
  for (const fl_buffer &b : out.buffers) std::fwrite(b.data, 1, b.bytes, stdout);
}

void quantize() {
  const float scale = take<float>();
  const int32_t zero_point = take<int32_t>();
  const uint32_t count = take<uint32_t>();
  std::vector<float> x(count);
  if (!read_exactly(x.data(), count * sizeof(float))) std::exit(2);
  std::vector<int8_t> codes(count);
  put(int32_t(fl_quantize_linear(x.data(), codes.data(), count, scale, zero_point)));
  std::fwrite(codes.data(), 1, count, stdout);
}

void time() {
  const uint32_t repeats = take<uint32_t>();
  const Bytes bytes = take_bytes();
  Ports in(program(), FL_INPUT, info().input_count, FL_INT8), out(program(), FL_OUTPUT, info().output_count, FL_INT8);
  in.fill(bytes);
  std::vector<uint64_t> layers(info().layer_count), best(info().layer_count, ~uint64_t(0));
  for (uint32_t i = 0; i < repeats; i++) {
    fl_timing timing{};
    timing.struct_bytes = sizeof timing;
    timing.layer_capacity = info().layer_count;
    timing.layer_ns = layers.data();
    char error[512];
    fl_run(program(), in.buffers.data(), info().input_count, out.buffers.data(), info().output_count, nullptr, &timing, error, sizeof error);
    put(timing.total_ns);
    for (size_t k = 0; k < layers.size(); k++) best[k] = layers[k] < best[k] ? layers[k] : best[k];
  }
  std::fwrite(best.data(), sizeof(uint64_t), best.size(), stdout);
}

void misuse() {
  std::string text;
  char error[512];
  const auto note = [&](const char *what, int32_t status) {
    text += std::string(what) + ": " + fl_status_name(status) + " " + error + "\n";
    error[0] = 0;
  };
  Ports in(program(), FL_INPUT, info().input_count, FL_INT8), out(program(), FL_OUTPUT, info().output_count, FL_INT8);
  const auto call = [&](const fl_buffer *i, uint32_t ni, const fl_buffer *o, uint32_t no) {
    return fl_run(program(), i, ni, o, no, nullptr, nullptr, error, sizeof error);
  };
  note("right", call(in.buffers.data(), info().input_count, out.buffers.data(), info().output_count));
  note("null inputs", call(nullptr, info().input_count, out.buffers.data(), info().output_count));
  note("one input too many", call(in.buffers.data(), info().input_count + 1, out.buffers.data(), info().output_count));
  note("no outputs", call(in.buffers.data(), info().input_count, out.buffers.data(), 0));
  fl_buffer wrong = in.buffers[0];
  wrong.bytes++;
  note("size", call(&wrong, info().input_count, out.buffers.data(), info().output_count));
  wrong = in.buffers[0];
  wrong.dtype = FL_INT32;
  note("dtype", call(&wrong, info().input_count, out.buffers.data(), info().output_count));
  wrong = in.buffers[0];
  wrong.data = nullptr;
  note("no data", call(&wrong, info().input_count, out.buffers.data(), info().output_count));
  wrong = out.buffers[0];
  wrong.data = nullptr;
  note("output not wanted", call(in.buffers.data(), info().input_count, &wrong, info().output_count));
  fl_run_options options{};
  note("options without size", fl_run(program(), in.buffers.data(), info().input_count, out.buffers.data(), info().output_count, &options, nullptr, error, sizeof error));
  note("null program", fl_run(nullptr, in.buffers.data(), 1, out.buffers.data(), 1, nullptr, nullptr, error, sizeof error));
  fl_program *other = program();
  note("load null bytes", fl_load(nullptr, 0, 0, 0, &other, error, sizeof error));
  note("load unknown flags", fl_load("x", 1, 8, 0, &other, error, sizeof error));
  note("load without error text", fl_load("x", 1, 0, 0, &other, nullptr, 0));
  char tiny[8];
  const int32_t status = fl_load("x", 1, 0, 0, &other, tiny, sizeof tiny);
  std::snprintf(error, sizeof error, "%s", tiny);
  note("load with a short error text", status);
  fl_tensor_info tensor{};
  tensor.struct_bytes = sizeof tensor;
  note("tensor index", fl_get_tensor_info(program(), FL_INPUT, info().input_count, &tensor));
  note("direction", fl_get_tensor_info(program(), 2, 0, &tensor));
  fl_layer_info layer{};
  layer.struct_bytes = sizeof layer;
  note("layer index", fl_get_layer_info(program(), info().layer_count, &layer));
  put_bytes(text.data(), text.size());
}

void threads() {
  const uint32_t runs = take<uint32_t>();
  const Bytes bytes = take_bytes();
  Ports in(program(), FL_INPUT, info().input_count, FL_INT8), want(program(), FL_OUTPUT, info().output_count, FL_INT8);
  in.fill(bytes);
  char text[8];
  fl_run(program(), in.buffers.data(), info().input_count, want.buffers.data(), info().output_count, nullptr, nullptr, text, sizeof text);
  std::atomic<uint32_t> ok{0}, busy{0}, bad{0};
  const auto worker = [&] {
    Ports out(program(), FL_OUTPUT, info().output_count, FL_INT8);
    char error[64];
    for (uint32_t i = 0; i < runs; i++) {
      const int32_t status = fl_run(program(), in.buffers.data(), info().input_count, out.buffers.data(), info().output_count, nullptr, nullptr, error, sizeof error);
      const bool same = std::memcmp(out.buffers[0].data, want.buffers[0].data, out.buffers[0].bytes) == 0;
      (status == FL_OK && same ? ok : status == FL_ERROR_BUSY ? busy : bad)++;
    }
  };
  std::thread a(worker), b(worker);
  a.join();
  b.join();
  put(ok.load());
  put(busy.load());
  put(bad.load());
}

void estimate() {
  fl_core_setting setting{};
  setting.struct_bytes = sizeof setting;
  setting.clock_khz = take<uint32_t>();
  setting.bytes_per_second = take<uint64_t>();
  setting.latency_ns = take<uint32_t>();
  std::vector<fl_layer_estimate> layers(info().layer_count);
  fl_estimate_info out{};
  out.struct_bytes = sizeof out;
  out.layer_capacity = info().layer_count;
  out.layers = layers.data();
  char error[512];
  put(fl_estimate(program(), setting.clock_khz > 0 ? &setting : nullptr, &out, error, sizeof error));
  put_bytes(error, std::strlen(error));
  put(out.clock_khz);
  put(out.latency_ns);
  put(out.macs_per_cycle);
  put(out.bytes_per_second);
  put(out.cycles);
  put(out.bytes_read);
  put(out.bytes_written);
  for (const fl_layer_estimate &l : layers) {
    put(l.cycles);
    put(l.bytes_weights);
    put(l.bytes_read);
    put(l.bytes_written);
  }
}

void refusal() {
  const uint32_t index = take<uint32_t>();
  char text[512];
  put(fl_core_refusal(program(), index, text, sizeof text));
  put_bytes(text, std::strlen(text));
}

void share() {
  char text[512];
  put(fl_set_threads(program(), take<uint32_t>(), text, sizeof text));
  put_bytes(text, std::strlen(text));
}

void layers() {
  std::string text;
  for (uint32_t i = 0; i < info().layer_count; i++) {
    fl_layer_info layer{};
    layer.struct_bytes = sizeof layer;
    fl_get_layer_info(program(), i, &layer);
    text += std::string(layer.target == FL_TARGET_PL ? "PL " : "PS ") + layer.op + " " + layer.name + " " + std::to_string(layer.macs) + "\n";
  }
  put_bytes(text.data(), text.size());
}

}  // namespace

int main() {
  uint32_t request;
  while (read_exactly(&request, sizeof request)) {
    fl_run_options options{};
    options.struct_bytes = sizeof options;
    int32_t cancel = 0;
    if (request == 1) load();
    else if (request == 2) {
      const uint32_t dtype_in = take<uint32_t>(), dtype_out = take<uint32_t>();
      run(dtype_in, dtype_out, nullptr);
    } else if (request == 3) quantize();
    else if (request == 4) time();
    else if (request == 5) {
      options.timeout_ns = take<uint64_t>();
      cancel = take<int32_t>();
      options.cancel = &cancel;
      run(FL_INT8, FL_INT8, &options);
    } else if (request == 6) misuse();
    else if (request == 7) threads();
    else if (request == 8) estimate();
    else if (request == 9) refusal();
    else if (request == 10) layers();
    else if (request == 11) share();
    else if (request == 12) slot = take<uint32_t>() % SLOTS;
    else if (!core_request(request)) return 2;
    std::fflush(stdout);
  }
  for (fl_program *one : programs) fl_unload(one);
  return 0;
}
