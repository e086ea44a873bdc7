// fl_add against the residual add of hls/core: every pair of codes under random settings, extremes among them.
#include <deque>

#include "core/arithmetic.h"
#include "sim/bench.h"

namespace {

using bench::Random;
constexpr int LATENCY = 11;

struct Settings {
  int8_t zero_a, zero_b, zero_out;
  uint32_t multiplier_a, multiplier_b, shift;
};

int8_t code_of(Random &random) { return int8_t(random.one_in(3) ? (random.one_in(2) ? 127 : -128) : random.between(-128, 127)); }

uint32_t multiplier_of(Random &random) {
  if (random.one_in(4)) return random.one_in(2) ? 0xffffff : random.below(3);
  if (random.one_in(4)) return uint32_t(1) << random.below(24);
  return uint32_t(random.next() & 0xffffff);
}

Settings settings_of(Random &random) {
  Settings s = {code_of(random), code_of(random), code_of(random), multiplier_of(random), multiplier_of(random), 0};
  s.shift = random.one_in(4) ? 1 + random.below(fl::MAX_SHIFT) : 20 + random.below(7);
  return s;
}

int8_t sum_of(const Settings &s, int8_t a, int8_t b) {
  const int64_t products = int64_t(a - s.zero_a) * s.multiplier_a + int64_t(b - s.zero_b) * s.multiplier_b;
  return fl::saturate(fl::round_shift(products, s.shift) + s.zero_out);
}

}  // namespace

int main(int count, char **arguments) {
  const uint64_t seed = bench::seed_of(count, arguments);
  Random random(seed);
  bench::Dut dut(seed);
  for (int round = 0; round < 24; round++) {
    const Settings s = settings_of(random);
    dut->zero_a = uint8_t(s.zero_a);
    dut->zero_b = uint8_t(s.zero_b);
    dut->zero_out = uint8_t(s.zero_out);
    dut->multiplier_a = s.multiplier_a;
    dut->multiplier_b = s.multiplier_b;
    dut->triple_a = 3 * s.multiplier_a;
    dut->triple_b = 3 * s.multiplier_b;
    dut->both = s.multiplier_a + s.multiplier_b;
    dut->shift = uint8_t(s.shift - 1);
    std::deque<int8_t> want;
    uint32_t valid = 0;
    uint32_t next = 0;
    while (next < 0x10000 || !want.empty()) {
      const bool goes = next < 0x10000 && !random.one_in(6);
      valid = valid << 1 | uint32_t(goes);
      dut->enable = valid & 0x7ff;
      dut->a = uint8_t(goes ? next : random.next());
      dut->b = uint8_t(goes ? next >> 8 : random.next());
      if (goes) want.push_back(sum_of(s, int8_t(next), int8_t(next >> 8)));
      next += goes;
      dut.tick();
      if (valid >> (LATENCY - 1) & 1) {
        dut.check("sum", int8_t(dut->code), want.front());
        want.pop_front();
      }
    }
  }
  return dut.report();
}
