#include "schedule_region.h"

#include <algorithm>

namespace fl {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

// Whether some row of `a` meets one of `b` that starts `offset` bytes behind it, planes left aside.
bool rows_meet(const Region &a, const Region &b, int64_t offset) {
  // Rows i of a and j of b meet where -b.bytes < offset + (j - i) * row_stride < a.bytes.
  if (a.row_stride == 0 || (a.rows == 1 && b.rows == 1)) return -b.bytes < offset && offset < a.bytes;
  const int64_t most = std::min(b.rows - 1, floor_div(a.bytes - 1 - offset, a.row_stride));
  const int64_t least = std::max(1 - a.rows, floor_div(-b.bytes - offset, a.row_stride) + 1);
  return least <= most;
}

int64_t plane_bytes(const Region &r) { return (r.rows - 1) * r.row_stride + r.bytes; }

// With the rows between its own too, where they are a multiple of `stride` apart: what a command with a stride skips.
Region with_rows(const Region &r, int64_t stride) {
  if (stride == 0 || r.row_stride <= stride || r.row_stride % stride != 0) return r;
  return {r.start, r.plane_stride, stride, r.planes, (r.rows - 1) * (r.row_stride / stride) + 1, r.bytes};
}

bool same_strides(const Region &a, const Region &b) {
  const bool rows = a.row_stride == b.row_stride || (a.rows == 1 && b.rows == 1);
  return rows && (a.plane_stride == b.plane_stride || (a.planes == 1 && b.planes == 1));
}

Region region(uint32_t start, uint32_t plane_stride, uint32_t planes, uint32_t row_beats, uint32_t rows, uint32_t columns) {
  return {start, plane_stride, int64_t(row_beats) * 8, planes, rows, int64_t(columns) * 8};
}

}  // namespace

bool overlap(const Region &sparse_a, const Region &sparse_b) {
  if (end_of(sparse_a) <= sparse_b.start || end_of(sparse_b) <= sparse_a.start) return false;
  const Region a = with_rows(sparse_a, sparse_b.row_stride), b = with_rows(sparse_b, sparse_a.row_stride);
  if (!same_strides(a, b)) return true;
  const int64_t offset = b.start - a.start;
  if (a.plane_stride == 0 || (a.planes == 1 && b.planes == 1)) return rows_meet(a, b, offset);
  // Planes so far apart that their first and last bytes still meet; mostly one or none.
  const int64_t first = std::max(1 - a.planes, floor_div(-plane_bytes(b) - offset, a.plane_stride) + 1);
  const int64_t last = std::min(b.planes - 1, floor_div(plane_bytes(a) - 1 - offset, a.plane_stride));
  for (int64_t plane = first; plane <= last; plane++) {
    if (rows_meet(a, b, offset + plane * a.plane_stride)) return true;
  }
  return false;
}

Region source_region(const Command &c, bool second) {
  const bool half = c.mode & (second ? CommandMode::HALF_B : CommandMode::HALF_A);
  const uint32_t rows = half ? (c.valid_rows - 1u + (c.mode & CommandMode::ODD_ROW ? 1 : 0)) / 2 + 1 : c.valid_rows;
  const uint32_t columns = half ? (c.valid_columns - 1u + (c.mode & CommandMode::ODD_COLUMN ? 1 : 0)) / 2 + 1 : c.valid_columns;
  return second ? region(c.b_address, c.b_plane_stride, c.b_planes, c.b_row_beats, rows, columns)
                : region(c.a_address, c.a_plane_stride, c.a_planes, c.a_row_beats, rows, columns);
}

Region residual_region(const Command &c) {
  return region(c.residual_address, c.residual_plane_stride, c.planes, c.residual_row_beats, c.out_rows, c.out_columns);
}

Region output_region(const Command &c) {
  const uint32_t pool = c.flags & CommandFlag::POOL ? 2 : 1;
  return region(c.out_address, c.out_plane_stride, c.planes, c.out_row_beats, c.out_rows / pool, c.out_columns / pool);
}

uint32_t stores_before(const Command &c, uint32_t index, const std::vector<Command> &recent) {
  const Region a = source_region(c, false), b = source_region(c, true), residual = residual_region(c);
  for (uint32_t back = 1; back <= std::min(index, HORIZON); back++) {
    const Region stored = output_region(recent[recent.size() - back]);
    const bool waits = overlap(stored, a) || (c.b_planes > 0 && overlap(stored, b)) || ((c.flags & CommandFlag::RESIDUAL) && overlap(stored, residual));
    if (waits) return index - back + 1;
  }
  return index - std::min(index, HORIZON);
}

}  // namespace fl
