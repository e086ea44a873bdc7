// What the benches of single modules share: random numbers, a clock, and counting checks.
#pragma once
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "Vdut.h"
#include "verilated.h"
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

namespace bench {

// SplitMix64: every seed gives another sequence, and the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint32_t below(uint32_t count) { return uint32_t((next() >> 32) * count >> 32); }
  int32_t between(int32_t low, int32_t high) { return low + int32_t(below(uint32_t(high - low + 1))); }
  bool one_in(uint32_t count) { return below(count) == 0; }

 private:
  uint64_t state;
};

// A model with random contents of its registers, its clock, and what was found wrong with it.
class Dut {
 public:
  explicit Dut(uint64_t seed) : context(new VerilatedContext) {
    context->randReset(2);
    context->randSeed(int(seed & 0x7fffffff) | 1);
    model.reset(new Vdut(context.get()));
  }
  ~Dut() {
    model->final();
#if VM_COVERAGE
    if (const char *file = std::getenv("COVERAGE_FILE")) context->coveragep()->write(file);
#endif
  }
  Vdut *operator->() { return model.get(); }

  void tick() {
    model->clk = 0;
    model->eval();
    model->clk = 1;
    model->eval();
    cycles++;
  }

  template <class T>
  void check(const char *what, T got, T want) {
    checks++;
    if (got == want) return;
    if (++wrong <= 10) std::printf("cycle %" PRIu64 ": %s is %lld, not %lld\n", cycles, what, static_cast<long long>(got), static_cast<long long>(want));
  }

  // One line for the test; what main returns.
  int report() const {
    std::printf("%" PRIu64 " cycles, %" PRIu64 " checks, %" PRIu64 " wrong\n", cycles, checks, wrong);
    return wrong == 0 && checks != 0 ? 0 : 1;
  }

  uint64_t cycles = 0, checks = 0, wrong = 0;

 private:
  std::unique_ptr<VerilatedContext> context;
  std::unique_ptr<Vdut> model;
};

inline uint64_t seed_of(int count, char **arguments) {
  const uint64_t seed = count > 1 ? std::strtoull(arguments[1], nullptr, 0) : 1;
  std::printf("seed %" PRIu64 "\n", seed);
  return seed;
}

}  // namespace bench
