// What the parts of the test driver share: the pipe, the programs, buffers for a run.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../runtime/include/fabriclens_runtime.h"

namespace driver {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t SLOTS = 2;
extern fl_program *programs[SLOTS];
extern fl_program_info infos[SLOTS];
extern uint32_t slot;
inline fl_program *program() { return programs[slot]; }
inline fl_program_info &info() { return infos[slot]; }

// So far, by new and, without a sanitizer, by malloc; of all threads.
size_t allocations();

// Requests from 13 on. False where there is no such request.
bool core_request(uint32_t request);

inline bool read_exactly(void *to, size_t size) { return std::fread(to, 1, size, stdin) == size; }

template <typename T>
T take() {
  T value;
  if (!read_exactly(&value, sizeof value)) std::exit(2);
  return value;
}

inline Bytes take_bytes() {
  Bytes bytes(take<uint32_t>());
  if (!read_exactly(bytes.data(), bytes.size())) std::exit(2);
  bytes.shrink_to_fit();
  return bytes;
}

template <typename T>
void put(T value) {
  std::fwrite(&value, sizeof value, 1, stdout);
}

inline void put_bytes(const void *bytes, size_t size) {
  put(uint32_t(size));
  std::fwrite(bytes, 1, size, stdout);
}

// All inputs, or all outputs, of a program; each of its exact size, so that the sanitizers see one byte too far.
struct Ports {
  std::vector<fl_buffer> buffers;
  std::vector<std::unique_ptr<uint8_t[]>> memory;
  size_t bytes = 0;

  Ports(const fl_program *program, uint32_t direction, uint32_t count, uint32_t dtype) {
    for (uint32_t i = 0; i < count; i++) {
      fl_tensor_info info{};
      info.struct_bytes = sizeof info;
      fl_get_tensor_info(program, direction, i, &info);
      const uint32_t type = info.scale == 0 ? uint32_t(FL_FP32) : dtype;  // FP32 alone: it has no codes
      const size_t size = size_t(info.element_count) * (type == FL_FP32 ? 4 : 1);
      memory.emplace_back(new uint8_t[size]);
      std::memset(memory.back().get(), 0x55, size);
      buffers.push_back({memory.back().get(), size, type, 0});
      bytes += size;
    }
  }

  void fill(const Bytes &from) {
    size_t at = 0;
    for (fl_buffer &b : buffers) {
      const size_t size = b.bytes < from.size() - at ? b.bytes : from.size() - at;
      if (size > 0) std::memcpy(b.data, from.data() + at, size);
      at += size;
    }
  }
};

}  // namespace driver
