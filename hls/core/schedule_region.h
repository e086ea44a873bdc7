// Bytes of the arena that a command reads or stores: planes x rows of bytes. Part of schedule.h.
#pragma once
#include "schedule.h"

namespace fl {

struct Region {
  int64_t start, plane_stride, row_stride, planes, rows, bytes;  // bytes of a row
};

inline int64_t end_of(const Region &r) { return r.start + (r.planes - 1) * r.plane_stride + (r.rows - 1) * r.row_stride + r.bytes; }

// Whether they share a byte: exact where both have the same strides, by their ends otherwise.
bool overlap(const Region &a, const Region &b);

Region source_region(const Command &c, bool second);
Region residual_region(const Command &c);
Region output_region(const Command &c);

// What a layer of the segment stores, and the commands that do.
struct Stored {
  Region region;
  uint32_t first, count;
};

// The smallest number of `commands`, from the first, after which nothing that `c` reads is still to be stored.
uint32_t stores_before(const Command &c, const std::vector<Command> &commands, const std::vector<Stored> &layers);

}  // namespace fl
