#include "schedule_tiles.h"

#include <algorithm>

namespace fl {
namespace {

constexpr size_t ROW_CHOICES = 10, COLUMN_CHOICES = 2, PART_CHOICES = 6;
constexpr uint32_t POOL_COLUMNS = 1024;  // results of a row that the core holds back for the row below
constexpr uint64_t PLENTY = 256;     // commands of a layer beyond which only a few more than the least are worth a try
constexpr uint64_t TOO_MANY = 2048;  // and beyond which nothing but the least is

// ceil(length / 1), ceil(length / 2), …: each size once, from `most` down.
std::vector<uint32_t> sizes(uint32_t length, uint32_t most, size_t count) {
  std::vector<uint32_t> result;
  for (uint32_t parts = ceil_div(length, most); parts <= length && result.size() < count; parts++) {
    const uint32_t size = ceil_div(length, parts);
    if (size > most) continue;
    if (result.empty() || result.back() != size) result.push_back(size);
    if (size == 1) break;
  }
  return result;
}

bool fits(const Descriptor &d, const Shape &s, const Geometry &g, Tile t, uint32_t bank_rows) {
  // A block longer than the ring is released step by step, in its only group.
  if (s.weight_steps + 1 > g.weight_steps && t.rows * t.columns * s.pool * s.pool > g.pixel_lanes) return false;
  if (s.pool > 1 && t.columns * s.pool > POOL_COLUMNS) return false;
  if (window_of(d, s, g, t).bank_rows > bank_rows) return false;
  // The last tile of a row is narrower, yet its pitch may be longer.
  t.columns = d.output_width % t.columns;
  return t.columns == 0 || window_of(d, s, g, t).bank_rows <= bank_rows;
}

// The most rows of so many columns that fit, or 0.
uint32_t most_rows(const Descriptor &d, const Shape &s, const Geometry &g, Tile t, uint32_t bank_rows) {
  uint32_t low = 0, high = d.output_height;
  while (low < high) {
    t.rows = (low + high + 1) / 2;
    if (fits(d, s, g, t, bank_rows)) low = t.rows;
    else high = t.rows - 1;
  }
  return low;
}

std::vector<Tile> sizes_within(const Descriptor &d, const Shape &s, const Geometry &g, uint32_t bank_rows) {
  std::vector<Tile> result;
  // A reduction sums over all channels at once; other kinds may be cut by channels too.
  for (uint32_t blocks : sizes(s.blocks, s.blocks, channelwise(s) ? UINT16_MAX : 1)) {
    size_t found = 0;
    for (uint32_t columns : sizes(d.output_width, d.output_width, UINT16_MAX)) {
      Tile t{0, 0, 0, 1, columns, blocks};
      const uint32_t most = most_rows(d, s, g, t, bank_rows);
      if (most == 0) continue;
      for (uint32_t rows : sizes(d.output_height, most, ROW_CHOICES)) {
        t.rows = rows;
        result.push_back(t);
      }
      if (++found == COLUMN_CHOICES) break;
    }
    if (result.size() >= PART_CHOICES * COLUMN_CHOICES * ROW_CHOICES) break;
  }
  return result;
}

}  // namespace

uint64_t commands_of(const Descriptor &d, const Shape &s, const Tile &size) {
  return uint64_t(ceil_div(s.blocks, size.blocks)) * ceil_div(d.output_width, size.columns) * ceil_div(d.output_height, size.rows);
}

std::vector<Tile> tile_sizes(const Descriptor &d, const Shape &s, const Geometry &g) {
  // Half the buffer loads while the other half computes.
  std::vector<Tile> result = sizes_within(d, s, g, g.bank_rows / 2);
  const Tile whole{0, 0, 0, d.output_height, d.output_width, s.blocks};
  if (result.empty()) result = sizes_within(d, s, g, g.bank_rows);
  else if (fits(d, s, g, whole, g.bank_rows)) result.push_back(whole);
  if (result.empty()) return result;
  const auto fewer = [&](const Tile &a, const Tile &b) { return commands_of(d, s, a) < commands_of(d, s, b); };
  const Tile fewest = *std::min_element(result.begin(), result.end(), fewer);
  const uint64_t least = commands_of(d, s, fewest);
  if (least > MAX_COMMANDS) return {};
  if (least > TOO_MANY) return {fewest};
  const auto too_many = [&](const Tile &t) { return commands_of(d, s, t) > std::max(PLENTY, 2 * least); };
  result.erase(std::remove_if(result.begin(), result.end(), too_many), result.end());
  return result;
}

std::vector<Tile> cut(const Descriptor &d, const Shape &s, const Tile &size) {
  std::vector<Tile> tiles;
  for (uint32_t block = 0; block < s.blocks; block += size.blocks) {
    for (uint32_t y = 0; y < d.output_height; y += size.rows) {
      for (uint32_t x = 0; x < d.output_width; x += size.columns) {
        tiles.push_back({y, x, block, std::min(size.rows, d.output_height - y), std::min(size.columns, d.output_width - x),
                         std::min(size.blocks, s.blocks - block)});
      }
    }
  }
  return tiles;
}

bool keeps_weights(const Descriptor &d, const Shape &s, const Geometry &g, const Tile &size) {
  if (size.rows >= d.output_height && size.columns >= d.output_width) return false;
  return s.table_steps + uint64_t(size.blocks) * (1 + s.weight_steps) <= g.weight_steps;
}

}  // namespace fl
