// Requantisation and the output stage: what turns accumulators into codes. Rounding is half to even everywhere.
#pragma once
#include <cstdint>

#include "layout.h"

// One library for every x86-64: g++ builds the hot loops for two or three instruction sets and the loader picks (results are integers,
// so all are alike). It needs glibc's loader; off elsewhere, and under sanitizers, whose start-up the picking disturbs.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(FL_NO_CLONES)
#if __GNUC__ >= 11
#define FL_HOT __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define FL_HOT __attribute__((target_clones("avx2", "default")))
#endif
#else
#define FL_HOT
#endif

// Directives for an HLS tool (Vitis defines __SYNTHESIS__); a C++ compiler sees nothing. No such tool has read them yet.
#ifdef __SYNTHESIS__
#undef FL_HOT
#define FL_HOT
#define FL_TEXT(text) #text
#define FL_HLS(directive) _Pragma(FL_TEXT(HLS directive))
#else
#define FL_HLS(directive)
#endif

namespace fl {

// A channel's requantisation as it lies in DATA: result = (accumulator + bias) * M / 2^s.
struct Parameter {
  int32_t bias;
  uint32_t scale;  // M in bits 0-23, s in bits 24-31
};
static_assert(sizeof(Parameter) == PARAMETER_BYTES, "Parameter");

inline uint32_t multiplier_of(uint32_t scale) { return scale & 0xffffffu; }
inline uint32_t shift_of(uint32_t scale) { return scale >> 24; }

// RNE(product / 2^shift), shift 1..MAX_SHIFT, |product| < 2^56. Adds just below a half, and the half's last bit where the quotient is odd.
inline int64_t round_shift(int64_t product, uint32_t shift) {
  const int64_t odd = (product >> shift) & 1;
  return (product + ((int64_t(1) << (shift - 1)) - 1) + odd) >> shift;
}

inline int8_t saturate(int64_t value) { return int8_t(value < -128 ? -128 : value > 127 ? 127 : value); }

inline int8_t requantise(int32_t accumulator, uint32_t multiplier, uint32_t shift, int32_t zero_point) {
  return saturate(round_shift(int64_t(accumulator) * int64_t(multiplier), shift) + zero_point);
}

}  // namespace fl
