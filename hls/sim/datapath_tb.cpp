// fl_datapath against hls/core/arithmetic.h: random commands of every kind, block after block and group after group as close as the
// caller may send them, with and without gaps. Every word must come in its cycle, and `busy` must tell exactly what is in flight.
#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <vector>

#include "core/arithmetic.h"
#include "core/layout.h"
#include "sim/bench.h"

namespace {

using bench::Random;

constexpr uint32_t OC = FL_OC, PX = FL_PX, LANES = 16, HALVES = OC / 8;
constexpr uint64_t LATENCY = 23, MAXIMUM_EARLIER = 8, TABLE_LATER = 2, RESIDUAL_LATER = 12;  // from the last step to the first word
constexpr uint64_t HEADER_AFTER = 17;  // cycles from the last step of a block to the header of the next one in its bank

struct Settings {
  uint32_t kind;
  bool table, residual;
  int8_t stage_zero, out_min, out_max, zero_a, zero_b, zero_out;
  uint32_t shift, multiplier_a, multiplier_b;
};

using Columns = std::array<uint64_t, LANES * HALVES>;
struct Step {
  int8_t x[PX][LANES];
  Columns w;
};
struct Group {
  std::vector<Step> steps;
  uint32_t pixels;
  int32_t sums[PX][16];
};
struct Block {
  std::vector<Group> groups;
  fl::Parameter parameters[16];
  uint32_t planes;
};
// What came with step_valid or header_valid in a cycle.
struct Sent {
  bool there = false, header = false;
  Columns w = {};
};
struct Word {
  uint64_t due;
  uint32_t plane;
  uint64_t data;
};

enum class Codes { ANY, SMALL, EXTREME, HIGHEST, LOWEST };  // the last two: every product is the largest or the smallest there is

class Bench {
 public:
  explicit Bench(uint64_t seed) : random(seed), dut(seed) { reset(); }

  void command(uint32_t blocks, uint32_t groups, uint32_t steps) { command(settings(), blocks, groups, steps, Codes(random.below(3)), random.below(3)); }

  // Long groups of extreme products.
  void extreme(uint32_t kind, uint32_t steps) {
    Settings s = settings();
    s.kind = kind;
    command(s, 1, 1, steps, Codes::HIGHEST, 0);
    command(s, 1, 1, steps, Codes::LOWEST, 0);
  }

  // Waits for what is in flight.
  void finish() {
    for (int i = 0; i < 100 && (!want.empty() || dut->busy); i++) idle();
    dut.check("idle in the end", want.empty() && !dut->busy, true);
    want.clear();
  }

  // In the middle of a command, everything in flight is forgotten.
  void cut_off() {
    const Settings s = settings();
    apply(s);
    const Block b = block(s, 3, 4, Codes::ANY, 0);
    unwatched = true;
    send_header(b, 0);
    for (const Group &group : b.groups) {
      for (size_t i = 0; i < group.steps.size(); i++) step(group.steps[i], i == 0, i + 1 == group.steps.size(), 0, group.pixels, b.planes);
      for (uint32_t i = 0; i < 6; i++) idle();
    }
    reset();
  }

  bench::Dut &device() { return dut; }
  uint64_t words = 0;

 private:
  Random random;
  bench::Dut dut;
  int8_t table[256] = {};
  std::deque<Word> want;
  std::deque<uint64_t> residuals[2];  // as the FIFOs will have them
  Settings now = {};
  bool open = false;
  bool unwatched = false;  // what comes out doesn't count
  Sent sent[4];  // 0..3 cycles ago
  uint64_t last_step = 0, bank_free[2] = {};
  uint32_t last_words = 0;

  int8_t code() { return int8_t(random.one_in(4) ? (random.one_in(2) ? 127 : -128) : random.between(-128, 127)); }

  int8_t code(Codes codes) {
    switch (codes) {
      case Codes::SMALL: return int8_t(random.between(-2, 2));
      case Codes::EXTREME: return random.one_in(2) ? 127 : -128;
      case Codes::HIGHEST:
      case Codes::LOWEST: return -128;
      default: return int8_t(random.between(-128, 127));
    }
  }

  int8_t weight(Codes codes) {
    const int8_t w = code(codes);
    return codes == Codes::LOWEST ? 127 : w == -128 ? -127 : w;
  }

  Settings settings() {
    Settings s = {};
    s.kind = random.below(3);
    s.table = random.one_in(3);
    s.residual = random.one_in(3);
    s.stage_zero = random.one_in(2) ? int8_t(0) : code();
    s.out_min = random.one_in(2) ? int8_t(-128) : code();
    s.out_max = random.one_in(2) ? int8_t(127) : code();
    if (s.out_min > s.out_max) std::swap(s.out_min, s.out_max);
    s.zero_a = code();
    s.zero_b = code();
    s.zero_out = code();
    s.shift = random.one_in(8) ? 1 + random.below(fl::MAX_SHIFT) : 22 + random.below(4);
    s.multiplier_a = random.one_in(4) ? 0x800000u : uint32_t(random.next() & 0xffffff);
    s.multiplier_b = random.one_in(4) ? 0x800000u : uint32_t(random.next() & 0xffffff);
    return s;
  }

  static uint64_t pair(int8_t w0, int8_t w1) { return uint64_t(uint8_t(w0)) | uint64_t(uint8_t(w1 - (w0 < 0))) << 8; }

  // A step, and what it adds to the sums.
  void fill(const Settings &s, Step &to, Codes codes, int32_t (&sums)[PX][16], bool first) {
    for (auto &pixel : to.x) {
      for (int8_t &x : pixel) x = code(codes);
    }
    to.w = {};
    for (uint32_t c = 0; s.kind == fl::CommandKind::REDUCE && c < OC; c += 2) {
      for (uint32_t j = 0; j < LANES; j++) {
        const int8_t w0 = weight(codes), w1 = weight(codes);
        to.w[c / 8 * LANES + j] |= pair(w0, w1) << (c % 8 * 8);
        for (uint32_t p = 0; p < PX; p++) {
          sums[p][c] += to.x[p][j] * w0;
          sums[p][c + 1] += to.x[p][j] * w1;
        }
      }
    }
    for (uint32_t c = 0; s.kind == fl::CommandKind::DEPTHWISE && c < 16; c++) {
      const int8_t w = weight(codes);
      to.w[c] = (c / 4 % 2 == 0 ? pair(w, 0) : pair(0, w)) << (c % 4 * 16);
      for (uint32_t p = 0; p < PX; p++) sums[p][c] += to.x[p][c] * w;
    }
    for (uint32_t c = 0; s.kind == fl::CommandKind::MAXIMUM && c < 16; c++) {
      for (uint32_t p = 0; p < PX; p++) sums[p][c] = first ? to.x[p][c] : std::max<int32_t>(sums[p][c], to.x[p][c]);
    }
  }

  // Parameters that show a channel's sum: exactly (less what a pixel has, it is about 0), scaled to codes, to ties, or anyhow.
  fl::Parameter parameter(const std::vector<Group> &groups, uint32_t channel) {
    int64_t largest = 1;
    for (const Group &group : groups) {
      for (const auto &sums : group.sums) largest = std::max<int64_t>(largest, std::abs(int64_t(sums[channel])));
    }
    const int64_t room = INT32_MAX - largest;
    const auto &shown = groups[random.below(uint32_t(groups.size()))].sums[random.below(PX)];
    uint32_t bits = 0;
    while (largest >> bits) bits++;
    switch (random.below(5)) {
      case 0:
      case 1: return {int32_t(std::clamp<int64_t>(random.between(-100, 100) - shown[channel], -room, room)), 0x800000u | 23u << 24};
      case 2: return {random.between(-100, 100), (0x800000u | uint32_t(random.next() & 0x7fffff)) | (16 + bits + random.below(2)) << 24};
      case 3: return {random.between(-100, 100), uint32_t(1) << random.below(24) | (23 + random.below(2)) << 24};
      default: return {int32_t(random.one_in(2) ? room : -room), uint32_t(random.next() & 0xffffff) | (1 + random.below(fl::MAX_SHIFT)) << 24};
    }
  }

  Block block(const Settings &s, uint32_t groups, uint32_t steps, Codes codes, uint32_t gaps) {
    Block b;
    b.planes = s.kind == fl::CommandKind::REDUCE && OC == 8 ? 1 : 1 + random.below(2);
    b.groups.resize(groups);
    for (Group &group : b.groups) {
      group.pixels = random.one_in(4) ? 1 + random.below(PX) : PX;
      std::memset(group.sums, 0, sizeof group.sums);
      group.steps.resize(gaps == 0 ? steps : 1 + random.below(steps));
      for (size_t i = 0; i < group.steps.size(); i++) fill(s, group.steps[i], codes, group.sums, i == 0);
    }
    for (uint32_t c = 0; c < 16; c++) b.parameters[c] = parameter(b.groups, c);
    return b;
  }

  void apply(const Settings &s) {
    finish();
    now = s;
    dut->kind = uint8_t(s.kind);
    dut->use_table = s.table;
    dut->use_residual = s.residual;
    dut->stage_zero = uint8_t(s.stage_zero);
    dut->out_min = uint8_t(s.out_min);
    dut->out_max = uint8_t(s.out_max);
    dut->add_zero_a = uint8_t(s.zero_a);
    dut->add_zero_b = uint8_t(s.zero_b);
    dut->add_zero_out = uint8_t(s.zero_out);
    dut->add_shift = uint8_t(s.shift);
    dut->add_multiplier_a = s.multiplier_a;
    dut->add_multiplier_b = s.multiplier_b;
    for (uint32_t word = 0; s.table && word < 32; word++) {
      for (uint32_t i = 0; i < 8; i++) table[8 * word + i] = int8_t(random.next());
      dut->table_we = 1;
      dut->table_word = uint8_t(word);
      std::memcpy(&dut->table_data, table + 8 * word, 8);
      idle();
      dut->table_we = 0;
    }
  }

  void command(const Settings &s, uint32_t blocks, uint32_t groups, uint32_t steps, Codes codes, uint32_t gaps) {
    apply(s);
    Block next = block(s, groups, steps, codes, gaps);
    send_header(next, 0);
    for (uint32_t i = 0; i < blocks; i++) {
      const Block b = next;
      const uint32_t bank = i & 1;
      if (i + 1 < blocks) next = block(s, groups, steps, codes, gaps);
      for (uint32_t g = 0; g < b.groups.size(); g++) {
        if (i + 1 < blocks && g + 1 == b.groups.size()) send_header(next, bank ^ 1);
        send(b, b.groups[g], bank, gaps);
      }
      bank_free[bank] = last_step + HEADER_AFTER;
    }
  }

  void send_header(const Block &b, uint32_t bank) {
    while (dut.cycles < bank_free[bank]) idle();
    sent[0].there = sent[0].header = true;
    sent[0].w = {};
    for (uint32_t c = 0; c < 16; c++) std::memcpy(&sent[0].w[c], &b.parameters[c], 8);
    dut->header_valid = 1;
    dut->header_bank = bank & 1;
    cycle();
    dut->header_valid = 0;
  }

  void send(const Block &b, const Group &group, uint32_t bank, uint32_t gaps) {
    for (size_t i = 0; i < group.steps.size(); i++) {
      while (gaps == 2 && random.one_in(3)) idle();
      const bool last = i + 1 == group.steps.size();
      while (last && dut.cycles < last_step + last_words) idle();
      if (last) {
        last_step = dut.cycles;
        last_words = group.pixels * b.planes;
        expect(b, group);
      }
      step(group.steps[i], i == 0, last, bank, group.pixels, b.planes);
    }
  }

  void expect(const Block &b, const Group &group) {
    uint64_t due = dut.cycles + LATENCY;
    if (now.kind == fl::CommandKind::MAXIMUM) due -= MAXIMUM_EARLIER;
    if (now.table) due += TABLE_LATER;
    if (now.residual) due += RESIDUAL_LATER;
    for (uint32_t p = 0; p < group.pixels; p++) {
      for (uint32_t plane = 0; plane < b.planes; plane++) {
        const uint64_t residual = random.next();
        if (now.residual) residuals[plane].push_back(residual);
        Word word = {due++, plane, 0};
        for (uint32_t i = 0; i < 8; i++) {
          const fl::Parameter &parameter = b.parameters[8 * plane + i];
          const int8_t code = output(group.sums[p][8 * plane + i], parameter, int8_t(residual >> (8 * i)));
          word.data |= uint64_t(uint8_t(code)) << (8 * i);
        }
        want.push_back(word);
      }
    }
  }

  int8_t output(int32_t sum, const fl::Parameter &p, int8_t residual) const {
    int8_t code = fl::requantise(sum + p.bias, fl::multiplier_of(p.scale), fl::shift_of(p.scale), now.stage_zero);
    if (now.table) code = table[code + 128];
    if (now.residual) {
      const int64_t products = int64_t(code - now.zero_a) * now.multiplier_a + int64_t(residual - now.zero_b) * now.multiplier_b;
      code = fl::saturate(fl::round_shift(products, now.shift) + now.zero_out);
    }
    return std::clamp(code, now.out_min, now.out_max);
  }

  void step(const Step &s, bool first, bool last, uint32_t bank, uint32_t pixels, uint32_t planes) {
    std::memcpy(&dut->x, s.x, sizeof s.x);
    sent[0].there = true;
    sent[0].w = s.w;
    dut->step_valid = 1;
    dut->step_first = first;
    dut->step_last = last;
    dut->step_bank = bank & 1;
    dut->step_pixels = pixels & 3;
    dut->step_planes = planes & 3;
    open = !last;
    cycle();
    dut->step_valid = 0;
  }

  // Nothing starts: what belongs to a step is anything.
  void idle() {
    dut->step_first = random.next() & 1;
    dut->step_last = random.next() & 1;
    dut->step_bank = random.next() & 1;
    dut->step_pixels = random.next() & 3;
    dut->step_planes = random.next() & 3;
    dut->header_bank = random.next() & 1;
    for (uint32_t i = 0; i < PX * 4; i++) dut->x[i] = uint32_t(random.next());
    cycle();
  }

  void cycle() {
    for (uint32_t i = 0; i < LANES * HALVES; i++) {
      const Sent &of = sent[i % 4];
      const uint64_t word = of.there ? of.w[i] : random.next();
      std::memcpy(&dut->w[2 * i], &word, 8);
    }
    for (uint32_t plane = 0; plane < 2; plane++) {
      const uint64_t head = residuals[plane].empty() ? random.next() : residuals[plane].front();
      std::memcpy(&dut->residual[2 * plane], &head, 8);
    }
    const uint32_t pop = dut->residual_pop;
    dut.tick();
    for (uint32_t plane = 0; plane < 2; plane++) {
      if (unwatched || !(pop >> plane & 1)) continue;
      dut.check("a residual there", !residuals[plane].empty(), true);
      if (!residuals[plane].empty()) residuals[plane].pop_front();
    }
    if (!unwatched) look();
    std::copy_backward(sent, sent + 3, sent + 4);
    sent[0] = {};
  }

  void look() {
    const bool loading = sent[0].header || sent[1].header || sent[2].header;
    dut.check("busy", bool(dut->busy), open || loading || !want.empty());
    const bool due = !want.empty() && want.front().due == dut.cycles;
    dut.check("out_valid", uint32_t(dut->out_valid), due ? 1u << want.front().plane : 0u);
    if (!due) return;
    dut.check("out_data", uint64_t(dut->out_data), want.front().data);
    words++;
    want.pop_front();
  }

  void reset() {
    unwatched = true;
    open = false;
    dut->step_valid = dut->header_valid = dut->table_we = 0;
    dut->rst = 1;
    idle();
    dut->rst = 0;
    unwatched = false;
    want.clear();
    for (auto &queue : residuals) queue.clear();
    for (Sent &of : sent) of = {};
    last_words = 0;
    bank_free[0] = bank_free[1] = 0;
    for (uint32_t i = 0; i < 60; i++) idle();
  }
};

}  // namespace

int main(int count, char **arguments) {
  const uint64_t seed = bench::seed_of(count, arguments);
  const int commands = count > 2 ? std::atoi(arguments[2]) : 400;
  Random random(seed ^ 0x5eed);
  Bench bench(seed);
  for (int i = 0; i < commands; i++) {
    bench.command(1 + random.below(4), 1 + random.below(12), 1 + random.below(random.one_in(4) ? 40 : 8));
    if (i % 50 == 49) bench.cut_off();
  }
  bench.extreme(fl::CommandKind::REDUCE, 8200);      // 8,200 x 16 x 127 x 128 is just below 2^31
  bench.extreme(fl::CommandKind::DEPTHWISE, 65025);  // 255 x 255 taps
  bench.extreme(fl::CommandKind::MAXIMUM, 65025);
  bench.finish();
  std::printf("%" PRIu64 " words\n", bench.words);
  return bench.device().report();
}
