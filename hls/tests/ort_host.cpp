// Test program: a plain ONNX Runtime session behind a pipe. ort-host LIBONNXRUNTIME [OPERATOR_LIBRARY]. Requests on stdin, answers on stdout, little-endian:
//   1 LOAD    u32 optimisation (0 none, 99 all), u32 size, bytes of an ONNX file -> u32 length, text ("" where all went well)
//   2 RUN     INPUT -> u32 length, text, u32 outputs, then each: u32 ONNX element type, u32 size, bytes
//   3 THREADS u32 threads, u32 runs of each, INPUT -> u32 runs that gave what one alone gives, u32 others
// INPUT: u32 ONNX element type, u32 rank, u32 dimensions, u32 size, bytes of the one input. A LOAD takes the place of the session before it.
#include <dlfcn.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "../ort-op/ort_api.h"

namespace {

using namespace ort;

constexpr Fallible<3, int32_t, const char *, Environment **> create_environment{};
constexpr Fallible<8, const Environment *, const void *, size_t, const SessionOptions *, Session **> create_session{};
constexpr Fallible<9, Session *, const void *, const char *const *, const Value *const *, size_t, const char *const *, size_t, Value **> run_session{};
constexpr Fallible<10, SessionOptions **> create_options{};
constexpr Fallible<23, SessionOptions *, int32_t> set_optimisation{};
constexpr Fallible<30, const Session *, size_t *> input_count{};
constexpr Fallible<31, const Session *, size_t *> output_count{};
constexpr Fallible<36, const Session *, size_t, Allocator *, char **> input_name{};
constexpr Fallible<37, const Session *, size_t, Allocator *, char **> output_name{};
constexpr Fallible<49, const MemoryInfo *, void *, size_t, const int64_t *, size_t, ElementType, Value **> create_tensor{};
constexpr Fallible<69, int32_t, int32_t, MemoryInfo **> create_memory_info{};
constexpr Fallible<228, SessionOptions *, const char *> register_library{};
constexpr Release<95, Session> release_session{};
constexpr Release<100, SessionOptions> release_options{};

using Bytes = std::vector<uint8_t>;

bool read_exactly(void *to, size_t size) { return std::fread(to, 1, size, stdin) == size; }

uint32_t take() {
  uint32_t value;
  if (!read_exactly(&value, sizeof value)) std::exit(2);
  return value;
}

Bytes take_bytes() {
  Bytes bytes(take());
  if (!read_exactly(bytes.data(), bytes.size())) std::exit(2);
  return bytes;
}

void put(uint32_t value) { std::fwrite(&value, sizeof value, 1, stdout); }

template <typename Container>
void put_bytes(const Container &bytes) {
  put(uint32_t(bytes.size()));
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
}

const Api *api;
Environment *environment;
MemoryInfo *memory;
Allocator *allocator;
const char *library;

// Thrown where ONNX Runtime refuses; its own words.
void check(Status *status) {
  if (!status) return;
  const std::string text = error_message(api, status);
  release_status(api, status);
  throw text;
}

struct Input {
  ElementType type;
  std::vector<int64_t> shape;
  Bytes bytes;
};

Input take_input() {
  Input input{ElementType(take()), std::vector<int64_t>(take()), {}};
  for (int64_t &dimension : input.shape) dimension = take();
  input.bytes = take_bytes();
  return input;
}

struct Output {
  ElementType type;
  Bytes bytes;
  bool operator==(const Output &other) const { return type == other.type && bytes == other.bytes; }
};

Output copied(Value *value) {
  ShapeInfo *info = nullptr;
  check(shape_info(api, value, &info));
  Output output{};
  size_t count = 0;
  void *data = nullptr;
  check(element_type(api, info, &output.type));
  check(element_count(api, info, &count));
  check(tensor_data(api, value, &data));
  release_shape_info(api, info);
  const uint8_t *from = static_cast<const uint8_t *>(data);
  output.bytes.assign(from, from + count * (output.type == FLOAT ? 4 : 1));
  release_value(api, value);
  return output;
}

Session *load(int32_t optimisation, const Bytes &model) {
  SessionOptions *options = nullptr;
  Session *session = nullptr;
  check(create_options(api, &options));
  try {
    check(set_optimisation(api, options, optimisation));
    if (library) check(register_library(api, options, library));
    check(create_session(api, environment, model.data(), model.size(), options, &session));
  } catch (...) {
    release_options(api, options);
    throw;
  }
  release_options(api, options);
  return session;
}

std::vector<Output> run(Session *session, const Input &input) {
  char *in = nullptr;
  check(input_name(api, session, 0, allocator, &in));
  size_t count = 0;
  check(output_count(api, session, &count));
  std::vector<char *> names(count);
  for (size_t i = 0; i < count; i++) check(output_name(api, session, i, allocator, &names[i]));
  Value *value = nullptr;
  check(create_tensor(api, memory, const_cast<uint8_t *>(input.bytes.data()), input.bytes.size(), input.shape.data(), input.shape.size(), input.type, &value));
  std::vector<Value *> values(count, nullptr);
  check(run_session(api, session, nullptr, &in, &value, 1, names.data(), count, values.data()));
  release_value(api, value);
  std::vector<Output> outputs;
  for (Value *made : values) outputs.push_back(copied(made));
  return outputs;
}

}  // namespace

int main(int argc, char **argv) {
  void *theirs = argc > 1 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  if (!theirs) return std::fprintf(stderr, "%s\n", dlerror()), 1;
  const auto base = reinterpret_cast<const ApiBase *(*)()>(dlsym(theirs, "OrtGetApiBase"));
  api = base()->get_api(API_VERSION);
  library = argc > 2 ? argv[2] : nullptr;
  Session *session = nullptr;
  try {
    // Only what ends the process is logged: refusals are answered.
    check(create_environment(api, 4, "test", &environment));
    check(create_memory_info(api, 1, 0, &memory));
    check(default_allocator(api, &allocator));
    for (uint32_t request; read_exactly(&request, sizeof request); std::fflush(stdout)) {
      if (request == 1) {
        const int32_t optimisation = int32_t(take());
        const Bytes model = take_bytes();
        if (session) release_session(api, session);
        session = nullptr;
        std::string text;
        try {
          session = load(optimisation, model);
        } catch (const std::string &words) {
          text = words;
        }
        put_bytes(text);
      } else if (request == 2) {
        const Input input = take_input();
        std::vector<Output> outputs;
        std::string text;
        try {
          outputs = run(session, input);
        } catch (const std::string &words) {
          text = words;
        }
        put_bytes(text);
        put(uint32_t(outputs.size()));
        for (const Output &output : outputs) {
          put(uint32_t(output.type));
          put_bytes(output.bytes);
        }
      } else if (request == 3) {
        const uint32_t count = take(), runs = take();
        const Input input = take_input();
        const std::vector<Output> wanted = run(session, input);
        std::atomic<uint32_t> good{0}, bad{0};
        std::vector<std::thread> threads;
        for (uint32_t i = 0; i < count; i++) {
          threads.emplace_back([&] {
            for (uint32_t k = 0; k < runs; k++) {
              try {
                (run(session, input) == wanted ? good : bad)++;
              } catch (const std::string &) {
                bad++;
              }
            }
          });
        }
        for (std::thread &thread : threads) thread.join();
        put(good);
        put(bad);
      } else {
        return 2;
      }
    }
  } catch (const std::string &words) {
    std::fprintf(stderr, "%s\n", words.c_str());
    return 1;
  }
  if (session) release_session(api, session);
  return 0;
}
