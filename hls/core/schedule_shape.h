// A layer as the array sees it, and the window that a tile of it needs. Part of schedule.h.
#pragma once
#include "schedule.h"

namespace fl {

constexpr uint32_t LANES = 16;  // input channels of a buffer word

constexpr uint32_t ceil_div(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

struct Shape {
  uint8_t kind;    // CommandKind
  bool uniform;    // one weight step a block serves all taps
  bool identity;   // no requantisation: the input's code, or the largest
  uint8_t fold;    // 0 none; 1, 2, 3 as in Command.mode
  uint32_t span;   // pixels that a folded word holds; 1 without a fold
  uint32_t kernel_h, kernel_w;  // taps; kernel_w after folding
  uint32_t reach;               // pixels from the first to the last that a kernel row really weighs
  uint32_t pool;                // rows and columns of results that become one of the output: 2 where the largest of each 2 x 2 is stored
  uint32_t stride_h, stride_w;  // from a result to the next
  uint32_t skip;                // rows of the input from one that is read to the next: a stride that no kernel row bridges is not loaded
  uint32_t step_h, step_w;      // pixels from a tap to the next
  int32_t pad_top, pad_left;
  int8_t fill;                  // code of padding
  uint32_t a_planes, b_planes, out_planes;
  uint32_t words;               // of a pixel of the whole input
  uint32_t blocks;              // of output channels
  uint32_t block_channels, block_planes;
  uint32_t steps;               // that a group of pixels takes in a block
  uint32_t weight_steps;        // of a block in the stream, without its header
  uint32_t table_steps;         // in front of the stream; 0 without a table
  uint32_t step_bytes;
};

Shape shape_of(const Descriptor &d, const Geometry &g);

inline bool channelwise(const Shape &s) { return s.kind != CommandKind::REDUCE; }

// A tile of the output as it is stored: rows x columns pixels of `blocks` blocks.
struct Tile {
  uint32_t y, x, block;  // the first
  uint32_t rows, columns, blocks;
};

struct Window {
  uint32_t rows, columns;  // padding included
  uint32_t y, x;           // first row, of those that are not skipped, and column of the input that are read
  uint32_t first_row, first_column, valid_rows, valid_columns;
  uint32_t pitch;          // pixels from a row to the next in the buffer
  uint32_t words;          // of a pixel
  uint32_t bank_rows;      // that it takes
};

Window window_of(const Descriptor &d, const Shape &s, const Geometry &g, const Tile &t);

}  // namespace fl
