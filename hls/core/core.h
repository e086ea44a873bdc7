// The accelerator's arithmetic, layer by layer: the golden model, and the only definition of it. Synthesizable style: no dynamic
// memory, no recursion, fixed tiles; the caller owns all memory and has checked the descriptor (hls/runtime/src/check_layer.cpp).
#pragma once
#include <cstddef>
#include <cstdint>

#include "layout.h"

namespace fl {

// What a layer works on. All pointers are the caller's.
struct Memory {
  int8_t *arena;           // activations; Descriptor offsets are relative to it
  const uint8_t *data;     // section DATA
  const int16_t *weights;  // this layer's weights as prepare_weights left them
  int16_t *patches;        // scratch of patch_elements() of this layer
};

// Weights of one output channel: kernel rows x kernel columns x input channels.
uint32_t weights_per_channel(const Descriptor &d);
// Elements of the prepared weights, and of the scratch, of a convolution or dense layer; 0 for the others.
size_t prepared_elements(const Descriptor &d);
size_t patch_elements(const Descriptor &d);
// Widens int8 weights to the order in which the array takes them.
void prepare_weights(const Descriptor &d, const int8_t *weights, int16_t *prepared);

// Multiply-accumulates: weights used, padding included; 0 for pooling, add and table.
uint64_t macs(const Descriptor &d);

void run_layer(const Descriptor &d, const Memory &memory);

}  // namespace fl
