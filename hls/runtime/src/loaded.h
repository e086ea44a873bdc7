// A program in memory: parsed, checked, its weights in the kernels' order, and room for one run.
#pragma once
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "../../core/core.h"
#include "offload.h"
#include "program.h"
#include "workers.h"

namespace fl {

template <typename T>
struct Free {
  void operator()(T *p) const { ::operator delete[](p, std::align_val_t(ALIGNMENT)); }
};
template <typename T>
using Buffer = std::unique_ptr<T[], Free<T>>;

template <typename T>
Buffer<T> allocate(size_t count) {
  T *p = static_cast<T *>(::operator new[](count * sizeof(T) + 1, std::align_val_t(ALIGNMENT)));
  std::memset(p, 0, count * sizeof(T));
  return Buffer<T>(p);
}

// A descriptor or a float operator, in the order of execution.
struct Layer {
  uint32_t target;  // Target
  uint32_t index;   // in DESCRIPTORS, or in FLOAT_OPS
  std::string name;
};

}  // namespace fl

struct fl_program {
  fl::Program parsed;  // its views point into `data` or are dropped
  std::vector<std::string> tensor_names;
  std::vector<fl::Layer> layers;
  std::vector<size_t> layer_weights;  // offset of each descriptor's prepared weights
  uint32_t input_count = 0;
  fl::Buffer<int8_t> arena, row;
  fl::Buffer<float> float_arena;
  fl::Buffer<uint8_t> scratch;
  fl::Buffer<uint8_t> data;
  fl::Buffer<uint8_t> weights, patches;
  size_t patch_bytes = 0;  // of one thread, in `patches`
  bool roomy = false;      // see kernels.h
  uint32_t threads = 1;
  std::unique_ptr<fl::Workers> workers;  // where there is more than one thread
  std::unique_ptr<fl::Offload> offload;  // where a core runs the segments of target PL
  std::atomic<bool> busy{false};
};

namespace fl {

// Throws Refusal, or std::bad_alloc. flags: FL_LOAD_VERIFY_DATA.
std::unique_ptr<fl_program> load_program(const uint8_t *bytes, size_t size, uint32_t flags, uint64_t budget);

// Of a binding.
uint32_t elements_of(const fl_program &p, const Binding &b);

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

}  // namespace fl
