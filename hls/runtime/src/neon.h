// What the NEON kernels share. For neon*.cpp alone.
#pragma once
#include <arm_neon.h>

#include "../../core/arithmetic.h"
#include "../../core/window.h"
#include "kernels.h"

namespace fl::kernels::neon {

using namespace golden;

inline uint32_t round_up(uint32_t value, uint32_t step) { return (value + step - 1) / step * step; }

// 32 bytes by one instruction, for which this compiler has no intrinsic.
inline int8x16x2_t load_two(const int8_t *&from) {
  int8x16x2_t two;
  asm("vld1.8 %h0, [%1]!" : "=w"(two), "+r"(from) : "m"(*reinterpret_cast<const int8_t(*)[32]>(from)));
  return two;
}

struct Layer {
  const Descriptor &d;
  const Memory &m;
  const Window window;
  const uint8_t *ties;  // of each plane of results, see prepare()

  int8_t *scratch() const { return reinterpret_cast<int8_t *>(m.scratch); }
  const int8_t *weights() const { return reinterpret_cast<const int8_t *>(m.weights); }
  const Parameter *parameters() const { return reinterpret_cast<const Parameter *>(m.data + d.parameters_offset); }
};

// Where a tile's results and what is added to them lie in each plane: bytes from its beginning.
struct Places {
  uint32_t count;
  uint32_t output[TILE_PIXELS], residual[TILE_PIXELS];
  bool among[TILE_PIXELS];  // not the first of the 2 x 2 that are pooled

  // One behind the other, from the result `first`.
  Places(uint32_t first, uint32_t results) : count(results) {
    for (uint32_t p = 0; p < count; p++) {
      output[p] = residual[p] = (first + p) * PIXEL;
      among[p] = false;
    }
  }
  Places(const Descriptor &d, const Tile &tile) : count(tile.count) {
    const uint32_t halve = is_pooled(d);
    for (uint32_t p = 0; p < count; p++) {
      const uint32_t y = tile.y[p], x = tile.x[p];
      output[p] = (y >> halve) * d.output_row_stride + (x >> halve) * PIXEL;
      residual[p] = y * d.residual_row_stride + x * PIXEL;
      among[p] = halve && ((y | x) & 1) != 0;
    }
  }
};

// neon_output.cpp: from 32-bit sums to codes in the arena.
// Can (sum + bias) × M lie half way between two results, for any sum up to `largest` either way? Or is it beyond what 32 bits compute?
bool may_tie(const Parameter &p, uint64_t largest);
// PIXEL sums, all by the same parameter.
int8x8_t requantised(const int32_t *sums, const Parameter &parameter, int8_t zero_point);
// Codes of one plane of a tile's results: table, residual add, clamp, pool, store.
void output_stage(const Layer &l, const Places &places, uint32_t plane, const int8_t *codes);
// Sums of one plane of a tile's results, PIXEL behind one another, become codes where they belong.
void finish(const Layer &l, const Places &places, uint32_t plane, const int32_t *sums);

// neon_winograd.cpp: some layers faster, for eight times the memory of their weights. What prepare leaves is winograd_weight_bytes(), zeros before.
bool suits_winograd(const Descriptor &d);
size_t winograd_weight_bytes(const Descriptor &d);
size_t winograd_scratch_bytes(const Descriptor &d);
// False, and nothing written, where the layer's sums may be too large for it.
bool prepare_winograd(const Descriptor &d, const int8_t *weights, uint8_t *prepared);
void run_winograd(const Layer &l, const Part &part);

}  // namespace fl::kernels::neon
