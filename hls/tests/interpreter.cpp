#include "interpreter.h"

#include <algorithm>
#include <cstring>
#include <deque>

#include "../core/arithmetic.h"

namespace fl {
namespace {

constexpr uint32_t LANES = 16, CHUNK = 16;
constexpr uint32_t NOBODY = 0;  // commands count from 1 in the notes below

struct Place {
  uint32_t bank, row;
};

struct Interpreter {
  const Schedule &schedule;
  const Geometry &g;
  std::vector<int8_t> &arena;
  std::vector<uint32_t> writers;        // of each byte of the arena: command + 1, or NOBODY
  std::vector<int8_t> words;            // of the buffer
  std::vector<uint32_t> owners;         // of each half word of it
  std::vector<uint8_t> ring;
  uint64_t written = 0, released = 0, position = 0, kept = 0;  // steps of the ring
  size_t weights_command = 0;           // that the weight loader is at, and how many of its steps it has loaded
  uint32_t weights_loaded = 0;
  int8_t table[256] = {};
  size_t current = 0;                   // command, for messages

  [[noreturn]] void fail(const std::string &what) const { throw Fault{"command " + std::to_string(current) + ": " + what}; }
  void require(bool holds, const char *what) const {
    if (!holds) fail(what);
  }

  uint32_t step_bytes() const { return LANES * g.output_lanes; }

  Place advance(Place p, uint32_t bank, uint32_t row, uint32_t pixel_rows) const {
    p.bank += bank;
    p.row += row;
    if (p.bank >= g.pixel_lanes) {
      p.bank -= g.pixel_lanes;
      p.row += pixel_rows;
    }
    require(p.bank < g.pixel_lanes, "a bank beyond the last");
    return p;
  }

  const int8_t *read(const Command &c, uint64_t address) const {
    require(address + 8 <= arena.size(), "reads outside the arena");
    for (uint32_t i = 0; i < 8; i++) require(writers[address + i] <= c.wait_stores, "reads what may not be stored yet");
    return arena.data() + address;
  }

  // --- input loader ---
  void load_plane(const Command &c, size_t index, bool second, uint32_t plane, uint32_t in_source) {
    const uint32_t fold = c.mode & 3u, span = fold == 0 ? 1 : 2u << fold, group = LANES / span;
    const bool half = c.mode & (second ? CommandMode::HALF_B : CommandMode::HALF_A);
    const uint32_t odd_row = c.mode & CommandMode::ODD_ROW ? 1 : 0, odd_column = c.mode & CommandMode::ODD_COLUMN ? 1 : 0;
    const uint64_t base = second ? c.b_address + uint64_t(in_source) * c.b_plane_stride : c.a_address + uint64_t(in_source) * c.a_plane_stride;
    const uint64_t row_bytes = (second ? c.b_row_beats : c.a_row_beats) * uint64_t(8);
    Place line{0, c.base_row + plane / 2};
    for (uint32_t y = 0; y < c.rows; y++) {
      Place pixel = line;
      std::deque<int8_t> window(LANES);
      for (uint32_t x = 0; x < c.columns; x++) {
        int8_t code[8];
        std::memset(code, c.fill, sizeof code);
        const bool inside = y >= c.first_row && y < c.first_row + c.valid_rows && x >= c.first_column && x < c.first_column + c.valid_columns;
        if (inside) {
          uint32_t v = y - c.first_row, u = x - c.first_column;
          if (half) v = (v + odd_row) / 2, u = (u + odd_column) / 2;
          std::memcpy(code, read(c, base + v * row_bytes + u * 8), sizeof code);
        }
        for (uint32_t i = 0; i < group; i++) {
          window.pop_front();
          window.push_back(code[i % 8]);
        }
        if (x + 1 < span) continue;
        require(pixel.row < g.bank_rows, "a window beyond the buffer");
        const size_t at = size_t(pixel.bank) * g.bank_rows + pixel.row;
        if (fold != 0) {
          std::copy(window.begin(), window.end(), words.begin() + std::ptrdiff_t(at * LANES));
          owners[at * 2] = owners[at * 2 + 1] = uint32_t(index + 1);
        } else {
          std::memcpy(words.data() + at * LANES + plane % 2 * 8, code, 8);
          owners[at * 2 + plane % 2] = uint32_t(index + 1);
        }
        pixel = advance(pixel, 1 % g.pixel_lanes, g.pixel_lanes == 1 ? c.pixel_rows : 0u, c.pixel_rows);
      }
      line = advance(line, c.pitch_bank, c.pitch_row, c.pixel_rows);
    }
  }

  void load(size_t index) {
    current = index;
    const Command &c = schedule.commands[index];
    require(c.wait_stores <= index, "waits for itself");
    require(c.a_planes > 0 && c.valid_rows > 0 && c.valid_columns > 0, "reads nothing");
    require(c.first_row + c.valid_rows <= c.rows && c.first_column + c.valid_columns <= c.columns, "reads more than its window");
    require((c.mode & 3) == 0 || (c.a_planes == 1 && c.b_planes == 0 && c.pixel_rows == 1), "folds more than a plane");
    require(c.pixel_rows >= (c.a_planes + c.b_planes + 1) / 2, "planes beyond the pixel");
    for (uint32_t p = 0; p < c.a_planes; p++) load_plane(c, index, false, p, p);
    for (uint32_t p = 0; p < c.b_planes; p++) load_plane(c, index, true, c.a_planes + p, p);
  }

  // --- weight loader: as far ahead as the ring has room ---
  void bring(uint64_t step) {
    while (written <= step) {
      if (written - released >= g.weight_steps) fail("waits for weights that have no room");
      while (weights_command < schedule.commands.size() && weights_loaded == schedule.commands[weights_command].weight_steps) {
        weights_command++;
        weights_loaded = 0;
      }
      require(weights_command < schedule.commands.size(), "waits for weights that nobody loads");
      const Command &c = schedule.commands[weights_command];
      const uint64_t from = c.weight_address + uint64_t(weights_loaded) * step_bytes();
      require(c.weight_address % 128 == 0 && from + step_bytes() <= schedule.weights.size(), "weights outside the data");
      std::memcpy(ring.data() + written % g.weight_steps * step_bytes(), schedule.weights.data() + from, step_bytes());
      weights_loaded++;
      written++;
    }
  }

  const uint8_t *weights(uint64_t step) {
    bring(step);
    require(step >= released, "uses weights that were released");
    return ring.data() + step % g.weight_steps * step_bytes();
  }

  // --- array ---
  struct Group {
    std::vector<Place> lanes;
    std::vector<std::vector<int32_t>> sums;  // of each lane
  };

  const int8_t *word(const Command &c, const Place &p, uint32_t number) const {
    require(p.row < g.bank_rows, "reads beyond the buffer");
    const size_t at = size_t(p.bank) * g.bank_rows + p.row;
    // The upper half of the last word may hold anything where the planes are odd in number.
    const uint32_t planes = c.mode & 3 ? 2u : uint32_t(c.a_planes) + c.b_planes;
    for (uint32_t half = 0; half < 2; half++) require(owners[at * 2 + half] == current + 1 || number * 2 + half >= planes, "reads what another window holds");
    return words.data() + at * LANES;
  }

  static int32_t weight(const uint8_t *step, uint32_t column, uint32_t pair, bool second) {
    const int32_t low = int8_t(step[column * 8 + pair * 2]), high = int8_t(step[column * 8 + pair * 2 + 1]);
    return second ? high + (low < 0) : low;
  }

  void multiply(const Command &c, const uint8_t *step, const int8_t *x, std::vector<int32_t> &sums) const {
    if (c.kind == CommandKind::REDUCE) {
      for (uint32_t o = 0; o < g.output_lanes; o++) {
        for (uint32_t j = 0; j < LANES; j++) sums[o] += x[j] * weight(step, o / 8 * LANES + j, o % 8 / 2, o % 2);
      }
    } else if (c.kind == CommandKind::DEPTHWISE) {
      for (uint32_t o = 0; o < LANES; o++) {
        for (uint32_t j = o / 4 * 4; j < o / 4 * 4 + 4; j++) sums[o] += x[j] * weight(step, j, o % 4, o / 4 % 2);
      }
    } else {
      for (uint32_t o = 0; o < LANES; o++) sums[o] = std::max(sums[o], int32_t(x[o]));
    }
  }

  void release(const Command &c, uint64_t to) {
    if (!(c.flags & CommandFlag::KEEP)) released = std::max(released, to);
  }

  // One group of a block whose weights start at ring position `start`.
  void reduce(const Command &c, uint32_t block, uint64_t start, bool last, Group &group) {
    const bool maximum = c.kind == CommandKind::MAXIMUM, uniform = c.flags & CommandFlag::UNIFORM;
    uint64_t step = start;
    Place ky_tap{0, c.kind == CommandKind::REDUCE ? 0 : block};
    for (uint32_t ky = 0; ky < c.kernel_h; ky++) {
      Place tap = ky_tap;
      for (uint32_t kx = 0; kx < c.kernel_w; kx++) {
        for (uint32_t w = 0; w < c.depth; w++) {
          const uint8_t *weights_now = maximum ? nullptr : weights(step);
          uint32_t banks = 0;
          for (size_t lane = 0; lane < group.lanes.size(); lane++) {
            const Place p = advance(group.lanes[lane], tap.bank, tap.row + w, c.pixel_rows);
            require(!(banks & 1u << p.bank), "two lanes at one bank");
            banks |= 1u << p.bank;
            multiply(c, weights_now, word(c, p, c.kind == CommandKind::REDUCE ? w : block), group.sums[lane]);
          }
          if (last && !maximum) release(c, step);
          if (!uniform) step++;
        }
        tap = advance(tap, c.kx_bank, c.kx_row, c.pixel_rows);
      }
      ky_tap = advance(ky_tap, c.ky_bank, c.ky_row, c.pixel_rows);
    }
  }

  std::vector<Group> groups(const Command &c) const {
    std::vector<Group> result;
    Place line{0, c.base_row};
    uint32_t pixels = 0;
    for (uint32_t y = 0; y < c.out_rows; y++) {
      Place pixel = line;
      for (uint32_t x = 0; x < c.out_columns; x++, pixels++) {
        if (pixels % g.pixel_lanes == 0) result.emplace_back();
        result.back().lanes.push_back(pixel);
        pixel = advance(pixel, c.x_bank, c.x_row, c.pixel_rows);
      }
      line = advance(line, c.row_bank, c.row_row, c.pixel_rows);
    }
    return result;
  }

  // --- output stage ---
  int8_t stage(const Command &c, int32_t sum, const uint8_t *header, uint32_t channel, int8_t residual) const {
    Parameter p;
    std::memcpy(&p, header + channel * sizeof p, sizeof p);
    require(shift_of(p.scale) >= 1 && shift_of(p.scale) <= MAX_SHIFT, "a shift out of range");
    int32_t code = requantise(sum + p.bias, multiplier_of(p.scale), shift_of(p.scale), c.stage_zero);
    if (c.flags & CommandFlag::USE_TABLE) code = table[code + 128];
    if (c.flags & CommandFlag::RESIDUAL) {
      const int64_t added = (code - c.add_zero_a) * int64_t(c.add_multiplier_a) + (residual - c.add_zero_b) * int64_t(c.add_multiplier_b);
      code = saturate(round_shift(added, c.add_shift) + c.add_zero_out);
    }
    return int8_t(std::min<int32_t>(std::max<int32_t>(code, c.out_min), c.out_max));
  }

  // Calls with the address of each 8 bytes of a block in the order in which both queues pass them.
  template <typename F>
  void walk(const Command &c, uint32_t first_plane, uint32_t planes, uint64_t address, uint64_t plane_stride, uint64_t row_bytes, F use) const {
    std::vector<uint32_t> at(planes);  // pixel that each queue gives next
    for (uint32_t y = 0; y < c.store_rows; y++) {
      for (uint32_t x = 0; x < c.store_columns; x += CHUNK) {
        for (uint32_t p = 0; p < planes; p++) {
          for (uint32_t i = x; i < std::min<uint32_t>(x + CHUNK, c.store_columns); i++) {
            use(p, at[p]++, address + (first_plane + p) * plane_stride + y * row_bytes + i * 8);
          }
        }
      }
    }
  }

  void read_table(const Command &c) {
    if (!(c.flags & CommandFlag::NEW_TABLE)) return;
    require(c.flags & CommandFlag::USE_TABLE, "a table that nobody uses");
    for (uint32_t at = 0; at < 256; at += step_bytes()) std::memcpy(table + at, weights(position++), std::min(256 - at, step_bytes()));
  }

  void compute(size_t index) {
    current = index;
    const Command &c = schedule.commands[index];
    require(c.kind == CommandKind::REDUCE || c.depth == 1, "depth");
    const bool pool = c.flags & CommandFlag::POOL;
    require(uint32_t(c.store_rows) * c.store_columns * (pool ? 4 : 1) == uint32_t(c.out_rows) * c.out_columns, "stores other pixels than it computes");
    require(!pool || (c.out_rows % 2 == 0 && c.out_columns % 2 == 0 && c.out_columns <= 1024 && !(c.flags & CommandFlag::RESIDUAL)), "pools what it cannot");
    const uint32_t block_channels = c.kind == CommandKind::REDUCE ? g.output_lanes : LANES, block_planes = block_channels / 8;
    require((c.planes + block_planes - 1) / block_planes == c.blocks, "planes and blocks differ");
    if (c.flags & CommandFlag::REUSE) {
      require(index > 0 && (schedule.commands[index - 1].flags & CommandFlag::KEEP) && c.weight_steps == 0, "reuses what was not kept");
      position = kept;
    }
    read_table(c);
    if (!(c.flags & CommandFlag::REUSE)) kept = position;
    for (uint32_t block = 0; block < c.blocks; block++) {
      const std::vector<uint8_t> header(weights(position), weights(position) + step_bytes());
      release(c, position);
      const uint64_t start = position + 1;
      std::vector<Group> all = groups(c);
      for (size_t i = 0; i < all.size(); i++) {
        all[i].sums.assign(all[i].lanes.size(), std::vector<int32_t>(LANES, c.kind == CommandKind::MAXIMUM ? -128 : 0));
        reduce(c, block, start, i + 1 == all.size(), all[i]);
      }
      const uint32_t steps = c.kind == CommandKind::MAXIMUM ? 0 : c.flags & CommandFlag::UNIFORM ? 1 : uint32_t(c.kernel_h) * c.kernel_w * c.depth;
      position = start + steps;
      release(c, position);
      store(c, std::min<uint32_t>(block_planes, c.planes - block * block_planes), block * block_planes, header.data(), all);
    }
  }

  // The largest of each 2 x 2.
  static void pool(const Command &c, uint32_t planes, std::vector<int8_t> &codes) {
    std::vector<int8_t> pooled;
    for (uint32_t line = 0; line < planes * c.out_rows; line += 2) {
      const int8_t *upper = codes.data() + size_t(line) * c.out_columns * 8, *lower = upper + c.out_columns * 8;
      for (uint32_t i = 0; i < c.out_columns * 8u; i++) {
        if (i / 8 % 2 == 0) pooled.push_back(std::max(std::max(upper[i], upper[i + 8]), std::max(lower[i], lower[i + 8])));
      }
    }
    codes = pooled;
  }

  void store(const Command &c, uint32_t planes, uint32_t first_plane, const uint8_t *header, const std::vector<Group> &all) {
    const uint32_t pixels = uint32_t(c.out_rows) * c.out_columns;
    std::vector<int8_t> residual(size_t(planes) * pixels * 8), codes(residual.size());
    if (c.flags & CommandFlag::RESIDUAL) {
      walk(c, first_plane, planes, c.residual_address, c.residual_plane_stride, c.residual_row_beats * uint64_t(8), [&](uint32_t p, uint32_t pixel, uint64_t address) {
        std::memcpy(residual.data() + (size_t(p) * pixels + pixel) * 8, read(c, address), 8);
      });
    }
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
      const std::vector<int32_t> &sums = all[pixel / g.pixel_lanes].sums[pixel % g.pixel_lanes];
      for (uint32_t channel = 0; channel < planes * 8; channel++) {
        const size_t at = (size_t(channel / 8) * pixels + pixel) * 8 + channel % 8;
        codes[at] = stage(c, sums[channel], header, channel, residual[at]);
      }
    }
    if (c.flags & CommandFlag::POOL) pool(c, planes, codes);
    const uint32_t stored = uint32_t(c.store_rows) * c.store_columns;
    walk(c, first_plane, planes, c.out_address, c.out_plane_stride, c.out_row_beats * uint64_t(8), [&](uint32_t p, uint32_t pixel, uint64_t address) {
      require(address + 8 <= arena.size(), "stores outside the arena");
      std::memcpy(arena.data() + address, codes.data() + (size_t(p) * stored + pixel) * 8, 8);
      std::fill_n(writers.begin() + std::ptrdiff_t(address), 8, uint32_t(current + 1));
    });
  }

  // The next window loads while a command computes, where it may: before the command stores, as early as the core could.
  void run() {
    const size_t count = schedule.commands.size();
    if (count > 0) load(0);
    for (size_t i = 0; i < count; i++) {
      const bool early = i + 1 < count && schedule.commands[i + 1].wait_stores <= i;
      if (early) load(i + 1);
      compute(i);
      if (i + 1 < count && !early) load(i + 1);
    }
  }
};

}  // namespace

void interpret(const Schedule &schedule, const Geometry &g, std::vector<int8_t> &arena, uint64_t seed) {
  Interpreter it{schedule, g, arena, std::vector<uint32_t>(arena.size(), NOBODY), std::vector<int8_t>(size_t(g.pixel_lanes) * g.bank_rows * LANES),
                 std::vector<uint32_t>(size_t(g.pixel_lanes) * g.bank_rows * 2), std::vector<uint8_t>(size_t(g.weight_steps) * LANES * g.output_lanes)};
  for (int8_t &code : it.words) code = int8_t((seed = seed * 6364136223846793005 + 1442695040888963407) >> 56);
  it.run();
}

}  // namespace fl
