// The layers of an exported network (npx fabriclens export-hls): one template an operator, its shapes the constants of a generated struct L.
// Rounding, saturation and requantisation are core/arithmetic.h's; what comes out equals core/core.cpp byte for byte but for pad lanes.
//
// Activations and weights are beats of 64 bits. An activation lies as in core/layout.json: planes of 8 channels, rows of pixels, a pixel
// one beat, channel c in bits 8c to 8c + 7. Weights: for each plane of outputs, for each tap, input plane and input channel a beat
// with the weights of the plane's 8 outputs (depthwise: for each plane and tap a beat).
//
// For an HLS tool: C++14; every array and loop bound is a constant. A layer reads the rows that a few rows of output need into `rows`, the
// weights of one plane of outputs into `weights`, and does L::IN_LANES x L::OUT_LANES products in a cycle. No such tool has read this yet.
#pragma once
#include "../core/arithmetic.h"

namespace fl {
namespace exported {

using Beat = uint64_t;
constexpr uint32_t LANES = PLANE_CHANNELS;

constexpr uint32_t planes_of(uint32_t channels) { return (channels + LANES - 1) / LANES; }

inline int8_t lane(Beat beat, uint32_t c) { return int8_t(uint8_t(beat >> (8 * c))); }

inline Beat pack(const int8_t codes[LANES]) {
  Beat beat = 0;
  for (uint32_t c = 0; c < LANES; c++) {
    FL_HLS(UNROLL)
    beat |= Beat(uint8_t(codes[c])) << (8 * c);
  }
  return beat;
}

// What follows from L's constants. A result is what the window gives; with POOLED the largest of each 2 x 2 results is an output.
template <class L>
struct Shape {
  static constexpr uint32_t SIDE = L::POOLED ? 2 : 1;
  static constexpr uint32_t EXTENT_H = (L::KERNEL_H - 1) * L::DILATION_H + 1, EXTENT_W = (L::KERNEL_W - 1) * L::DILATION_W + 1;
  static constexpr uint32_t TAPS = L::KERNEL_H * L::KERNEL_W;
  // Of the buffer: what TILE_ROWS rows of output need, padding included.
  static constexpr uint32_t ROWS = (L::TILE_ROWS * SIDE - 1) * L::STRIDE_H + EXTENT_H, COLUMNS = (L::OUTPUT_WIDTH * SIDE - 1) * L::STRIDE_W + EXTENT_W;
  static constexpr uint32_t INSIDE = COLUMNS - L::PAD_LEFT < L::INPUT_WIDTH ? COLUMNS - L::PAD_LEFT : L::INPUT_WIDTH;
  static constexpr uint32_t INPUT_PLANES = planes_of(L::INPUT_CHANNELS), OUTPUT_PLANES = planes_of(L::OUTPUT_CHANNELS);
  // Channels of a pixel that have weights.
  static constexpr uint32_t USED = L::INPUT_CHANNELS < LANES ? (L::INPUT_CHANNELS + L::IN_LANES - 1) / L::IN_LANES * L::IN_LANES : LANES;
  static constexpr uint32_t DEPTH = TAPS * INPUT_PLANES * USED;
  static constexpr uint32_t GROUPS = LANES / L::OUT_LANES;
};

// A pixel of what the layer sees, in one or two sources, each perhaps at half resolution.
template <class L>
inline Beat read_pixel(const Beat *arena, uint32_t plane, uint32_t y, uint32_t x) {
  FL_HLS(INLINE)
  if (plane < L::FIRST_PLANES) return arena[L::FIRST_OFFSET + plane * L::FIRST_PLANE_STEP + (y >> L::FIRST_HALF) * L::FIRST_ROW_STEP + (x >> L::FIRST_HALF)];
  return arena[L::SECOND_OFFSET + (plane - L::FIRST_PLANES) * L::SECOND_PLANE_STEP + (y >> L::SECOND_HALF) * L::SECOND_ROW_STEP + (x >> L::SECOND_HALF)];
}

// One row of one plane, padding around it.
template <class L>
void load_row(const Beat *arena, uint32_t plane, int32_t y, int8_t padding, int8_t row[Shape<L>::COLUMNS][LANES]) {
  using S = Shape<L>;
  const bool inside = y >= 0 && y < int32_t(L::INPUT_HEIGHT);
  for (uint32_t x = 0; x < S::COLUMNS; x++) {
    FL_HLS(PIPELINE II = 1)
    for (uint32_t c = 0; c < LANES; c++) row[x][c] = padding;
  }
  if (!inside) return;
  for (uint32_t x = 0; x < S::INSIDE; x++) {
    FL_HLS(PIPELINE II = 1)
    const Beat beat = read_pixel<L>(arena, plane, uint32_t(y), x);
    for (uint32_t c = 0; c < LANES; c++) row[L::PAD_LEFT + x][c] = lane(beat, c);
  }
}

// The output stage behind a plane's 8 codes: table, residual add, clamp.
template <class L>
inline void stage(const Beat *arena, const int8_t *table, uint32_t plane, uint32_t y, uint32_t x, int8_t codes[LANES]) {
  FL_HLS(INLINE)
  const Beat residual = L::HAS_RESIDUAL ? arena[L::RESIDUAL_OFFSET + plane * L::RESIDUAL_PLANE_STEP + y * L::RESIDUAL_ROW_STEP + x] : 0;
  for (uint32_t c = 0; c < LANES; c++) {
    FL_HLS(PIPELINE II = 1)
    int8_t code = codes[c];
    if (L::HAS_TABLE) code = table[int32_t(code) + 128];
    if (L::HAS_RESIDUAL) {
      const int64_t sum = int64_t(code - L::ADD_ZERO_A) * int64_t(L::ADD_MULTIPLIER_A) + int64_t(lane(residual, c) - L::ADD_ZERO_B) * int64_t(L::ADD_MULTIPLIER_B);
      code = saturate(round_shift(sum, L::ADD_SHIFT) + L::ADD_ZERO_OUT);
    }
    codes[c] = code < L::OUTPUT_MIN ? int8_t(L::OUTPUT_MIN) : code > L::OUTPUT_MAX ? int8_t(L::OUTPUT_MAX) : code;
  }
}

template <class L>
inline void store(Beat *arena, uint32_t plane, uint32_t y, uint32_t x, const int8_t codes[LANES]) {
  FL_HLS(INLINE)
  arena[L::OUTPUT_OFFSET + plane * L::OUTPUT_PLANE_STEP + y * L::OUTPUT_ROW_STEP + x] = pack(codes);
}

inline void requantise_plane(const int32_t sums[LANES], const Parameter parameters[LANES], int32_t zero_point, int8_t codes[LANES]) {
  FL_HLS(INLINE)
  for (uint32_t c = 0; c < LANES; c++) {
    FL_HLS(PIPELINE II = 1)
    codes[c] = requantise(sums[c] + parameters[c].bias, multiplier_of(parameters[c].scale), shift_of(parameters[c].scale), zero_point);
  }
}

// Parameters of a plane of outputs; channels behind the last have one that gives the zero point.
template <class L>
void load_parameters(const Parameter *parameters, uint32_t plane, Parameter to[LANES]) {
  for (uint32_t c = 0; c < LANES; c++) {
    FL_HLS(PIPELINE II = 1)
    const uint32_t channel = plane * LANES + c;
    to[c].bias = channel < L::OUTPUT_CHANNELS ? parameters[channel].bias : 0;
    to[c].scale = channel < L::OUTPUT_CHANNELS ? parameters[channel].scale : 1u << 24;
  }
}

// Rows of `planes` planes for the outputs from row `first` on.
template <class L, uint32_t PLANES>
void load_rows(const Beat *arena, uint32_t plane, uint32_t first, int8_t padding, int8_t rows[Shape<L>::ROWS][PLANES][Shape<L>::COLUMNS][LANES]) {
  using S = Shape<L>;
  for (uint32_t r = 0; r < S::ROWS; r++) {
    const int32_t y = int32_t(first * S::SIDE * L::STRIDE_H + r) - int32_t(L::PAD_TOP);
    for (uint32_t p = 0; p < PLANES; p++) load_row<L>(arena, plane + p, y, padding, rows[r][p]);
  }
}

// The outputs of one tile and one plane. `results(row, column, codes)` gives the 8 codes of a result, behind the output stage; row is the
// tile's, column the image's.
template <class L, class Results>
inline void outputs(Beat *arena, uint32_t plane, uint32_t first, Results results) {
  FL_HLS(INLINE)
  using S = Shape<L>;
  static int8_t largest[L::POOLED ? L::OUTPUT_WIDTH : 1][LANES];
  for (uint32_t row = 0; row < L::TILE_ROWS && first + row < L::OUTPUT_HEIGHT; row++) {
    for (uint32_t sy = 0; sy < S::SIDE; sy++) {
      for (uint32_t x = 0; x < L::OUTPUT_WIDTH * S::SIDE; x++) {
        int8_t codes[LANES];
        results(row * S::SIDE + sy, x, codes);
        const uint32_t y = (first + row) * S::SIDE + sy;
        if (!L::POOLED) {
          store<L>(arena, plane, y, x, codes);
          continue;
        }
        const uint32_t at = L::POOLED ? x / 2 : 0;
        for (uint32_t c = 0; c < LANES; c++) {
          codes[c] = ((y | x) & 1) == 0 || codes[c] > largest[at][c] ? codes[c] : largest[at][c];
          largest[at][c] = codes[c];
        }
        if ((y & x & 1) == 1) store<L>(arena, plane, y / 2, x / 2, codes);
      }
    }
  }
}

// CONV and DENSE (whose kernel is its whole input).
template <class L>
void convolution(Beat *arena, const Beat *weights, const Parameter *parameters, const int8_t *table) {
  using S = Shape<L>;
  static int8_t rows[S::ROWS][S::INPUT_PLANES][S::COLUMNS][LANES];
  static int8_t block[S::DEPTH][LANES];
  FL_HLS(ARRAY_RESHAPE variable = rows complete dim = 4)
  FL_HLS(ARRAY_RESHAPE variable = block complete dim = 2)
  FL_HLS(ARRAY_PARTITION variable = block cyclic factor = L::IN_LANES dim = 1)
  for (uint32_t first = 0; first < L::OUTPUT_HEIGHT; first += L::TILE_ROWS) {
    load_rows<L, S::INPUT_PLANES>(arena, 0, first, L::INPUT_ZERO, rows);
    for (uint32_t plane = 0; plane < S::OUTPUT_PLANES; plane++) {
      Parameter scales[LANES];
      load_parameters<L>(parameters, plane, scales);
      for (uint32_t k = 0; k < S::DEPTH; k++) {
        FL_HLS(PIPELINE II = 1)
        const Beat beat = weights[plane * S::DEPTH + k];
        for (uint32_t c = 0; c < LANES; c++) block[k][c] = lane(beat, c);
      }
      outputs<L>(arena, plane, first, [&](uint32_t row, uint32_t x, int8_t *codes) {
        int32_t sums[LANES] = {};
        FL_HLS(ARRAY_PARTITION variable = sums complete)
        uint32_t k = 0;
        for (uint32_t ky = 0; ky < L::KERNEL_H; ky++) {
          for (uint32_t kx = 0; kx < L::KERNEL_W; kx++) {
            for (uint32_t p = 0; p < S::INPUT_PLANES; p++) {
              const uint32_t r = row * L::STRIDE_H + ky * L::DILATION_H, column = x * L::STRIDE_W + kx * L::DILATION_W;
              for (uint32_t c = 0; c < S::USED; c += L::IN_LANES, k += L::IN_LANES) {
                for (uint32_t g = 0; g < S::GROUPS; g++) {
                  FL_HLS(PIPELINE II = 1)
                  for (uint32_t i = 0; i < L::IN_LANES; i++) {
                    for (uint32_t o = 0; o < L::OUT_LANES; o++) sums[g * L::OUT_LANES + o] += int32_t(rows[r][p][column][c + i]) * int32_t(block[k + i][g * L::OUT_LANES + o]);
                  }
                }
              }
            }
          }
        }
        requantise_plane(sums, scales, L::STAGE_ZERO, codes);
        stage<L>(arena, table, plane, first * S::SIDE + row, x, codes);
      });
    }
  }
}

// DEPTHWISE: each channel by itself, a plane at a time.
template <class L>
void depthwise(Beat *arena, const Beat *weights, const Parameter *parameters, const int8_t *table) {
  using S = Shape<L>;
  static int8_t rows[S::ROWS][1][S::COLUMNS][LANES];
  static int8_t block[S::TAPS][LANES];
  FL_HLS(ARRAY_RESHAPE variable = rows complete dim = 4)
  FL_HLS(ARRAY_RESHAPE variable = block complete dim = 2)
  for (uint32_t plane = 0; plane < S::OUTPUT_PLANES; plane++) {
    Parameter scales[LANES];
    load_parameters<L>(parameters, plane, scales);
    for (uint32_t k = 0; k < S::TAPS; k++) {
      FL_HLS(PIPELINE II = 1)
      const Beat beat = weights[plane * S::TAPS + k];
      for (uint32_t c = 0; c < LANES; c++) block[k][c] = lane(beat, c);
    }
    for (uint32_t first = 0; first < L::OUTPUT_HEIGHT; first += L::TILE_ROWS) {
      load_rows<L, 1>(arena, plane, first, L::INPUT_ZERO, rows);
      outputs<L>(arena, plane, first, [&](uint32_t row, uint32_t x, int8_t *codes) {
        int32_t sums[LANES] = {};
        FL_HLS(ARRAY_PARTITION variable = sums complete)
        for (uint32_t ky = 0; ky < L::KERNEL_H; ky++) {
          for (uint32_t kx = 0; kx < L::KERNEL_W; kx++) {
            const uint32_t r = row * L::STRIDE_H + ky * L::DILATION_H, column = x * L::STRIDE_W + kx * L::DILATION_W;
            for (uint32_t g = 0; g < S::GROUPS; g++) {
              FL_HLS(PIPELINE II = 1)
              for (uint32_t o = 0; o < L::OUT_LANES; o++) {
                const uint32_t c = g * L::OUT_LANES + o;
                sums[c] += int32_t(rows[r][0][column][c]) * int32_t(block[ky * L::KERNEL_W + kx][c]);
              }
            }
          }
        }
        requantise_plane(sums, scales, L::STAGE_ZERO, codes);
        stage<L>(arena, table, plane, first * S::SIDE + row, x, codes);
      });
    }
  }
}

// Taps of a window that lie inside the input, along one axis.
inline uint32_t inside_of(uint32_t at, uint32_t stride, uint32_t padding, uint32_t kernel, uint32_t length) {
  const int32_t start = int32_t(at * stride) - int32_t(padding), end = start + int32_t(kernel);
  return uint32_t((end < int32_t(length) ? end : int32_t(length)) - (start > 0 ? start : 0));
}

// MAX_POOL.
template <class L>
void max_pool(Beat *arena, const int8_t *table) {
  using S = Shape<L>;
  static int8_t rows[S::ROWS][1][S::COLUMNS][LANES];
  FL_HLS(ARRAY_RESHAPE variable = rows complete dim = 4)
  for (uint32_t plane = 0; plane < S::OUTPUT_PLANES; plane++) {
    for (uint32_t first = 0; first < L::OUTPUT_HEIGHT; first += L::TILE_ROWS) {
      load_rows<L, 1>(arena, plane, first, -128, rows);
      outputs<L>(arena, plane, first, [&](uint32_t row, uint32_t x, int8_t *codes) {
        for (uint32_t c = 0; c < LANES; c++) codes[c] = -128;
        for (uint32_t ky = 0; ky < L::KERNEL_H; ky++) {
          for (uint32_t kx = 0; kx < L::KERNEL_W; kx++) {
            FL_HLS(PIPELINE II = 1)
            for (uint32_t c = 0; c < LANES; c++) {
              const int8_t code = rows[row * L::STRIDE_H + ky][0][x * L::STRIDE_W + kx][c];
              codes[c] = code > codes[c] ? code : codes[c];
            }
          }
        }
        stage<L>(arena, table, plane, first + row, x, codes);
      });
    }
  }
}

// AVERAGE_POOL: one parameter, padding counted as the zero point; or PER_COUNT, a parameter for each number of taps inside and padding as 0.
template <class L>
void average_pool(Beat *arena, const Parameter *parameters, const int8_t *table) {
  using S = Shape<L>;
  static int8_t rows[S::ROWS][1][S::COLUMNS][LANES];
  FL_HLS(ARRAY_RESHAPE variable = rows complete dim = 4)
  for (uint32_t plane = 0; plane < S::OUTPUT_PLANES; plane++) {
    for (uint32_t first = 0; first < L::OUTPUT_HEIGHT; first += L::TILE_ROWS) {
      load_rows<L, 1>(arena, plane, first, L::PER_COUNT ? 0 : L::INPUT_ZERO, rows);
      outputs<L>(arena, plane, first, [&](uint32_t row, uint32_t x, int8_t *codes) {
        int32_t sums[LANES] = {};
        FL_HLS(ARRAY_PARTITION variable = sums complete)
        for (uint32_t ky = 0; ky < L::KERNEL_H; ky++) {
          for (uint32_t kx = 0; kx < L::KERNEL_W; kx++) {
            FL_HLS(PIPELINE II = 1)
            for (uint32_t c = 0; c < LANES; c++) sums[c] += rows[row * L::STRIDE_H + ky][0][x * L::STRIDE_W + kx][c];
          }
        }
        const uint32_t inside = inside_of(first + row, L::STRIDE_H, L::PAD_TOP, L::KERNEL_H, L::INPUT_HEIGHT) *
                                inside_of(x, L::STRIDE_W, L::PAD_LEFT, L::KERNEL_W, L::INPUT_WIDTH);
        const Parameter parameter = parameters[L::PER_COUNT ? inside - 1 : 0];
        for (uint32_t c = 0; c < LANES; c++) {
          FL_HLS(PIPELINE II = 1)
          codes[c] = requantise(sums[c] + parameter.bias, multiplier_of(parameter.scale), shift_of(parameter.scale), L::STAGE_ZERO);
        }
        stage<L>(arena, table, plane, first + row, x, codes);
      });
    }
  }
}

// ADD, TABLE and COPY: the input itself through the output stage.
template <class L>
void pointwise(Beat *arena, const int8_t *table) {
  for (uint32_t plane = 0; plane < Shape<L>::OUTPUT_PLANES; plane++) {
    for (uint32_t y = 0; y < L::OUTPUT_HEIGHT; y++) {
      for (uint32_t x = 0; x < L::OUTPUT_WIDTH; x++) {
        const Beat beat = read_pixel<L>(arena, plane, y, x);
        int8_t codes[LANES];
        for (uint32_t c = 0; c < LANES; c++) codes[c] = lane(beat, c);
        stage<L>(arena, table, plane, y, x, codes);
        store<L>(arena, plane, y, x, codes);
      }
    }
  }
}

}  // namespace exported
}  // namespace fl
