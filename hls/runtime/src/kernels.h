// The int8 layers as this processor computes them: with NEON by kernels of its own (neon.cpp), elsewhere by the golden model. Equal bit for bit.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../../core/core.h"

namespace fl::kernels {

// What a layer works on, as fl::Memory.
struct Memory {
  int8_t *arena;
  const uint8_t *data;
  const uint8_t *weights;  // this layer's, as prepare() left them
  bool roomy;
  uint8_t *scratch;  // scratch_bytes() of this layer, of this thread alone
};

// roomy: may the kernels take more memory than the golden model does, to be faster?
size_t prepared_bytes(const Descriptor &d, bool roomy);
size_t scratch_bytes(const Descriptor &d, bool roomy);
void prepare(const Descriptor &d, const uint8_t *data, bool roomy, uint8_t *prepared);
void run(const Descriptor &d, const Memory &memory, const Part &part);

}  // namespace fl::kernels
