#include "schedule_weights.h"

#include <cstring>

#include "arithmetic.h"

namespace fl {
namespace {

constexpr Parameter IDENTITY{0, (1u << 23) | (23u << 24)};  // M / 2^s = 1
constexpr Parameter ABSENT{0, 1u << 24};                    // of a channel that is not there: s must be 1 or more

Parameter parameter_of(const Descriptor &d, const Shape &s, const uint8_t *data, uint32_t channel) {
  if (channel >= d.output_channels) return ABSENT;
  if (s.identity) return IDENTITY;
  Parameter p;
  std::memcpy(&p, data + d.parameters_offset + size_t(d.op == Op::AVERAGE_POOL ? 0 : channel) * sizeof p, sizeof p);
  return p;
}

// The weights of a layer by what they multiply; 0 where there is nothing.
struct Weights {
  const Descriptor &d;
  const Shape &s;
  const int8_t *codes;
  uint32_t kernel_w;  // before folding

  // Channel `c` of tap (y, x) towards output channel `o`.
  int8_t reduce(uint32_t o, uint32_t y, uint32_t x, uint32_t c) const {
    if (o >= d.output_channels || x >= kernel_w || c >= d.input_channels) return 0;
    return codes[((size_t(o) * s.kernel_h + y) * kernel_w + x) * d.input_channels + c];
  }
  int8_t depthwise(uint32_t y, uint32_t x, uint32_t c) const {
    if (c >= d.output_channels) return 0;
    return s.uniform ? int8_t(1) : codes[(size_t(y) * s.kernel_w + x) * d.output_channels + c];
  }
};

// Two weights that share a multiplier: the second is stored less the borrow of a negative first.
void put_pair(uint8_t *pair, int8_t w0, int8_t w1) {
  pair[0] = uint8_t(w0);
  pair[1] = uint8_t(w1 - (w0 < 0));
}

void put_reduce_step(const Weights &w, uint32_t first, uint32_t ky, uint32_t kx, uint32_t word, uint8_t *step) {
  const uint32_t group = LANES / w.s.span;  // channels of a pixel in a folded word
  for (uint32_t half = 0; half < w.s.block_planes; half++) {
    for (uint32_t lane = 0; lane < LANES; lane++) {
      const uint32_t x = w.s.fold ? kx * w.s.span + lane / group : kx;
      const uint32_t c = w.s.fold ? lane % group : word * LANES + lane;
      for (uint32_t pair = 0; pair < 4; pair++) {
        const uint32_t o = first + half * 8 + pair * 2;
        put_pair(step + (half * LANES + lane) * 8 + pair * 2, w.reduce(o, ky, x, c), w.reduce(o + 1, ky, x, c));
      }
    }
  }
}

// Lane c meets its weight in pair c % 4: chains of 4 lanes add up, chains 0 and 2 in the first product, 1 and 3 in the second.
void put_depthwise_step(const Weights &w, uint32_t first, uint32_t ky, uint32_t kx, uint8_t *step) {
  for (uint32_t lane = 0; lane < LANES; lane++) {
    const int8_t code = w.depthwise(ky, kx, first + lane);
    const bool second = (lane / 4) % 2 == 1;
    put_pair(step + lane * 8 + (lane % 4) * 2, second ? int8_t(0) : code, second ? code : int8_t(0));
  }
}

void put_steps(const Weights &w, uint32_t first, uint8_t *to) {
  if (w.s.kind == CommandKind::REDUCE) {
    for (uint32_t ky = 0; ky < w.s.kernel_h; ky++) {
      for (uint32_t kx = 0; kx < w.s.kernel_w; kx++) {
        for (uint32_t word = 0; word < w.s.words; word++, to += w.s.step_bytes) put_reduce_step(w, first, ky, kx, word, to);
      }
    }
    return;
  }
  for (uint32_t i = 0; i < w.s.weight_steps; i++, to += w.s.step_bytes) put_depthwise_step(w, first, i / w.s.kernel_w, i % w.s.kernel_w, to);
}

}  // namespace

uint64_t stream_bytes(const Shape &s) { return (s.table_steps + uint64_t(s.blocks) * (1 + s.weight_steps)) * s.step_bytes; }

void append_stream(const Descriptor &d, const Shape &s, const uint8_t *data, std::vector<uint8_t> &to) {
  const size_t start = to.size();
  to.resize(start + size_t(stream_bytes(s)));
  uint8_t *at = to.data() + start;
  if (s.table_steps > 0) std::memcpy(at, data + d.table_offset, 256);
  at += s.table_steps * s.step_bytes;
  const int8_t *codes = d.weights_offset == NONE ? nullptr : reinterpret_cast<const int8_t *>(data) + d.weights_offset;
  const Weights weights{d, s, codes, d.op == Op::DENSE ? uint32_t(d.input_width) : d.kernel_w};
  for (uint32_t block = 0; block < s.blocks; block++) {
    for (uint32_t i = 0; i < s.block_channels; i++) {
      const Parameter p = parameter_of(d, s, data, block * s.block_channels + i);
      std::memcpy(at + i * sizeof p, &p, sizeof p);
    }
    at += s.step_bytes;
    put_steps(weights, block * s.block_channels, at);
    at += s.weight_steps * s.step_bytes;
  }
}

}  // namespace fl
