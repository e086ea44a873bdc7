// fl_chain: every product there is of two weights and a code, at the four places of the chain in turn, then random and extreme fours.
#include <array>
#include <deque>

#include "sim/bench.h"

namespace {

using bench::Dut;
using bench::Random;

struct Element {
  int8_t w0, w1, x;
};
using Four = std::array<Element, 4>;
constexpr int LATENCY = 6;

class Bench {
 public:
  explicit Bench(uint64_t seed) : dut(seed) {}

  void step(const Four &four) {
    recent.push_front(four);
    uint32_t x = 0;
    uint64_t w = 0;
    for (size_t k = 0; k < 4 && k < recent.size(); k++) {
      const Element &e = recent[k][k];
      x |= uint32_t(uint8_t(e.x)) << (8 * k);
      w |= uint64_t(uint8_t(e.w1 - (e.w0 < 0)) << 8 | uint8_t(e.w0)) << (16 * k);
    }
    dut->x = x;
    dut->w = w;
    dut.tick();
    if (recent.size() < LATENCY) return;
    int32_t low = 0, high = 0;
    for (const Element &e : recent.back()) {
      low += e.w0 * e.x;
      high += e.w1 * e.x;
    }
    const int32_t got = int32_t(dut->low << 15) >> 15;
    dut.check("low", got, low);
    dut.check("high", (int32_t(dut->high << 15) >> 15) + (got < 0), high);
    recent.pop_back();
  }

  Dut dut;

 private:
  std::deque<Four> recent;
};

}  // namespace

int main(int count, char **arguments) {
  const uint64_t seed = bench::seed_of(count, arguments);
  Random random(seed);
  Bench bench(seed);
  size_t place = 0;
  for (int x = -128; x < 128; x++) {
    for (int w0 = -127; w0 < 128; w0++) {
      for (int w1 = -127; w1 < 128; w1++) {
        Four four = {};
        four[place++ & 3] = {int8_t(w0), int8_t(w1), int8_t(x)};
        bench.step(four);
      }
    }
  }
  const auto weight = [&](bool extreme) { return int8_t(extreme ? (random.one_in(2) ? 127 : -127) : random.between(-127, 127)); };
  for (int i = 0; i < 2'000'000; i++) {
    const bool extreme = (i & 1) != 0;
    Four four;
    for (Element &e : four) e = {weight(extreme), weight(extreme), int8_t(extreme ? (random.one_in(2) ? 127 : -128) : random.between(-128, 127))};
    bench.step(four);
  }
  return bench.dut.report();
}
