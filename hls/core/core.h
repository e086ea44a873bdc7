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

// Planes that hold so many channels.
inline uint32_t planes_of(uint32_t channels) { return (channels + PLANE_CHANNELS - 1) / PLANE_CHANNELS; }

// Convolution, dense or depthwise: the layer has weights and a parameter for each output channel.
bool has_weights(const Descriptor &d);
// Weights of one output channel: taps x the input channels that it sums over.
uint32_t weights_per_channel(const Descriptor &d);
// Elements of the prepared weights, and of the scratch, of a layer with weights; 0 for the others.
uint64_t prepared_elements(const Descriptor &d);
uint64_t patch_elements(const Descriptor &d);
// Widens int8 weights to the order in which this model takes them: planes of taps of channels, padded.
void prepare_weights(const Descriptor &d, const int8_t *weights, int16_t *prepared);

// Multiply-accumulates: weights used, padding included; 0 for pooling, add, table and copy.
uint64_t macs(const Descriptor &d);

// Channels beyond the output's last in its last plane ("pad lanes") are written too; what they hold means nothing.
void run_layer(const Descriptor &d, const Memory &memory);

// A part of it: results first..end - 1 (four an output pixel where the layer pools its output) of the channels from first_channel to end_channel - 1.
// Where a part begins, and where it ends unless there is no more, are multiples of PART_RESULTS and PART_CHANNELS.
constexpr uint32_t PART_RESULTS = 16, PART_CHANNELS = 64;
struct Part {
  uint32_t first, end, first_channel, end_channel;
};
Part whole_of(const Descriptor &d);
void run_part(const Descriptor &d, const Memory &memory, const Part &part);

}  // namespace fl
