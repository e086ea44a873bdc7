// Bytes of the arena that a command reads or stores: planes x rows of bytes. Part of schedule.h.
#pragma once
#include "schedule.h"

namespace fl {

struct Region {
  int64_t start, plane_stride, row_stride, planes, rows, bytes;  // bytes of a row
};

inline int64_t end_of(const Region &r) { return r.start + (r.planes - 1) * r.plane_stride + (r.rows - 1) * r.row_stride + r.bytes; }

// Whether they share a byte: exact where both have the same strides, rows that one skips counted in; by their ends otherwise.
bool overlap(const Region &a, const Region &b);

Region source_region(const Command &c, bool second);
Region residual_region(const Command &c);
Region output_region(const Command &c);

// The core holds fewer commands than this at a time: what lies further back is stored before a command is fetched.
constexpr uint32_t HORIZON = 64;

// How many commands of the segment, from the first, must be stored before `c` reads: the fewest after which nothing that it reads is still
// to be stored, or those beyond the horizon. c is command `index`; `recent` ends with the one before it and holds HORIZON or all.
uint32_t stores_before(const Command &c, uint32_t index, const std::vector<Command> &recent);

}  // namespace fl
