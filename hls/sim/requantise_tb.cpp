// fl_requantise against requantise() of hls/core/arithmetic.h: random values with gaps, ties, and the ends of every operand.
#include <deque>

#include "core/arithmetic.h"
#include "sim/bench.h"

namespace {

using bench::Random;

struct Operands {
  int32_t sum, bias;
  uint32_t multiplier, shift;
};

int32_t sum_of(Random &random) {
  if (random.one_in(3)) {  // one or two bits: times a power of two, each place of the product matters alone
    const int32_t value = int32_t(1) << random.below(31) | int32_t(random.below(2)) << random.below(31);
    return random.one_in(2) ? value : -value;
  }
  if (random.one_in(8)) return random.one_in(2) ? INT32_MIN + random.between(0, 2) : INT32_MAX - random.between(0, 2);
  return int32_t(random.next()) >> random.below(32);
}

uint32_t multiplier_of(Random &random) {
  switch (random.below(8)) {
    case 0: return 0xffffff - random.below(3);
    case 1: return random.below(4);
    case 2:
    case 3:
    case 4: return uint32_t(1) << random.below(24);  // many ties
    default: return 0x800000 | uint32_t(random.next() & 0x7fffff);
  }
}

// Mostly such that the result is no larger than a code or two.
uint32_t shift_of(Random &random, int32_t sum, uint32_t multiplier) {
  if (random.one_in(4)) return 1 + random.below(fl::MAX_SHIFT);
  const uint64_t product = uint64_t(std::llabs(int64_t(sum) * multiplier));
  uint32_t bits = 0;
  while (product >> bits) bits++;
  const uint32_t shift = bits - (bits < 10 ? bits : 4 + random.below(7));
  return shift < 1 ? 1 : shift > fl::MAX_SHIFT ? fl::MAX_SHIFT : shift;
}

}  // namespace

int main(int count, char **arguments) {
  constexpr int LATENCY = 10;
  const uint64_t seed = bench::seed_of(count, arguments);
  Random random(seed);
  bench::Dut dut(seed);
  std::deque<int8_t> want;
  uint32_t valid = 0;
  int8_t zero = 0;
  uint64_t ties = 0;
  for (int i = 0; i < 4'000'000; i++) {
    if (i % 4096 == 0) {  // the zero point is a setting: it changes when nothing is in flight
      for (int k = 0; k < LATENCY; k++) {
        valid <<= 1;
        dut->enable = valid & 0x3ff;
        dut.tick();
        if (valid >> (LATENCY - 1) & 1) {
          dut.check("code", int8_t(dut->code), want.front());
          want.pop_front();
        }
      }
      zero = int8_t(random.one_in(4) ? (random.one_in(2) ? 127 : -128) : random.between(-128, 127));
    }
    Operands o;
    const int32_t value = sum_of(random);
    o.bias = int32_t(random.next());
    o.sum = int32_t(uint32_t(value) - uint32_t(o.bias));
    if (int64_t(o.sum) + o.bias != value) {
      o.bias = 0;
      o.sum = value;
    }
    o.multiplier = multiplier_of(random);
    o.shift = shift_of(random, value, o.multiplier);
    const bool goes = !random.one_in(6);
    valid = valid << 1 | uint32_t(goes);
    dut->enable = valid & 0x3ff;
    dut->sum = uint32_t(o.sum);
    dut->bias = uint32_t(o.bias);
    dut->multiplier = o.multiplier;
    dut->shift = uint8_t(o.shift - 1);
    dut->zero = uint8_t(zero);
    if (goes) {
      want.push_back(fl::requantise(value, o.multiplier, o.shift, zero));
      const uint64_t product = uint64_t(int64_t(value) * o.multiplier);
      ties += (product & ((uint64_t(2) << (o.shift - 1)) - 1)) == uint64_t(1) << (o.shift - 1);
    }
    dut.tick();
    if (valid >> (LATENCY - 1) & 1) {
      dut.check("code", int8_t(dut->code), want.front());
      want.pop_front();
    }
  }
  std::printf("%" PRIu64 " ties\n", ties);
  return ties > 10'000 ? dut.report() : 1;
}
