// Transcendental functions from + - * / alone, in double: the same bits on every IEEE machine, which no libm promises. Good to 1e-11 or better,
// so that rounding to fp32 is all that is lost. Compiled with -ffp-contract=off (hls/build.mjs): a fused multiply-add would round otherwise.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>

#define FL_INLINE inline __attribute__((always_inline))

namespace fl {
namespace math {

constexpr double INFINITE = std::numeric_limits<double>::infinity();

FL_INLINE uint64_t bits_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

FL_INLINE double double_of(uint64_t bits) {
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// e^x = scale * (1 + part) with a power of two as scale. Beyond +-700 as at 700: nothing there is an fp32 number.
struct Exponential {
  double scale, part;
};

FL_INLINE Exponential exponential(double x) {
  constexpr double ROUND = 6755399441055744.0;  // 1.5 * 2^52: what is added to it is rounded to an integer, in the low bits
  constexpr double LN2_HIGH = 6.93147180369123816490e-01, LN2_LOW = 1.90821492927058770002e-10;  // HIGH has 32 bits: its products below are exact
  x = x < -700 ? -700 : x;
  x = x > 700 ? 700 : x;
  const double shifted = x * 1.4426950408889634 + ROUND, k = shifted - ROUND;
  const double r = (x - k * LN2_HIGH) - k * LN2_LOW;  // |r| <= ln 2 / 2
  double p = 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  return {double_of((bits_of(shifted) + 1023) << 52), p * r};
}

FL_INLINE double exp(double x) {
  const Exponential e = exponential(x);
  return e.scale * e.part + e.scale;
}

// e^x - 1 without loss about 0.
FL_INLINE double expm1(double x) {
  const Exponential e = exponential(x);
  return e.scale * e.part + (e.scale - 1);
}

// 2 atanh(s) = log((1 + s) / (1 - s)) for |s| <= 0.172.
FL_INLINE double twice_atanh(double s) {
  const double z = s * s;
  double p = 1.0 / 19;
  p = p * z + 1.0 / 17;
  p = p * z + 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  return 2 * s + 2 * s * z * p;
}

// Of doubles that are no denormals: every fp32 number is such a one. Choices instead of branches, here and below: loops over it become vector instructions.
FL_INLINE double log(double x) {
  constexpr double TWO52 = 4503599627370496.0;  // the exponent's bits below it are a whole number
  const uint64_t bits = bits_of(x);
  double k = double_of((bits >> 52) | 0x4330000000000000u) - (TWO52 + 1023), m = double_of((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
  const bool upper = m > 1.4142135623730951;
  m = upper ? m * 0.5 : m;
  k = upper ? k + 1 : k;
  const double y = k * 6.93147180369123816490e-01 + (twice_atanh((m - 1) / (m + 1)) + k * 1.90821492927058770002e-10);
  const double edge = x == 0 ? -INFINITE : x > 0 ? INFINITE : std::numeric_limits<double>::quiet_NaN();
  return x > 0 && x < INFINITE ? y : edge;
}

// log(1 + x) for 0 <= x <= 1; NaN of NaN.
FL_INLINE double log1p(double x) {
  const bool upper = x > 0.41421356;
  return (upper ? 0.6931471805599453 : 0) + twice_atanh(upper ? (x - 1) / (x + 3) : x / (x + 2));
}

FL_INLINE double sigmoid(double x) { return 1 / (1 + exp(-x)); }

FL_INLINE double tanh(double x) {
  const double t = expm1(2 * (x < 0 ? -x : x)), y = t / (t + 2);
  return x < 0 ? -y : x > 0 ? y : x;
}

FL_INLINE double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(x > 0 ? -x : x)); }

// tanh(log(1 + e)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1); it is 1 long before 30.
FL_INLINE double mish(double x) {
  const double e = exp(x > 30 ? 30 : x), n = e * (e + 2);
  return x * (n / (n + 2));
}

// erf(x) = 2 / sqrt(pi) * x * (1 - x^2 / 3 + x^4 / 10 - ...), to x^23: for |x| <= 0.75.
FL_INLINE double erf_series(double x) {
  const double z = x * x;
  double p = -1.0 / 918086400;
  p = p * z + 1.0 / 76204800;
  p = p * z - 1.0 / 6894720;
  p = p * z + 1.0 / 685440;
  p = p * z - 1.0 / 75600;
  p = p * z + 1.0 / 9360;
  p = p * z - 1.0 / 1320;
  p = p * z + 1.0 / 216;
  p = p * z - 1.0 / 42;
  p = p * z + 1.0 / 10;
  p = p * z - 1.0 / 3;
  p = p * z + 1.0;
  return 1.1283791670955126 * x * p;
}

// 1 - erf(z) for z >= 0: the series up to 0.75; beyond, e^(-z^2) times a polynomial in 2 / (2 + z), fitted to erfc(z) e^(z^2) up to 11, where fp32 ends.
FL_INLINE double erfc_positive(double z) {
  const double u = 3.4878048780487805 * (2 / (2 + z)) - 1.5365853658536586;
  double p = 7.63932328506911e-08;
  p = p * u - 9.201817852133587e-08;
  p = p * u - 1.189015215730116e-06;
  p = p * u + 2.803680648227891e-06;
  p = p * u + 1.7281314735065334e-05;
  p = p * u - 5.7659696388281945e-05;
  p = p * u - 0.0003788371817667184;
  p = p * u + 0.0008277819108035538;
  p = p * u + 0.014377127610536382;
  p = p * u + 0.07034144012188742;
  p = p * u + 0.21391406864733956;
  p = p * u + 0.20789484852806717;
  return z < 0.75 ? 1 - erf_series(z) : p * exp(-z * z);
}

FL_INLINE double erfc(double x) {
  const double y = erfc_positive(x < 0 ? -x : x);
  return x < 0 ? 2 - y : y;
}

// The series near 0, where 1 - erfc would lose it.
FL_INLINE double erf(double x) {
  const double z = x < 0 ? -x : x, y = z < 0.5 ? erf_series(z) : 1 - erfc_positive(z);
  return x < 0 ? -y : y;
}

FL_INLINE bool is_integer(double x) { return x - x == 0 && (x >= 9007199254740992.0 || x <= -9007199254740992.0 || double(int64_t(x)) == x); }

// As C's pow for fp32 operands. Small whole exponents by multiplication: exact where the result is.
inline double pow(double x, double y) {
  if (y == 0 || x == 1) return 1;
  if (x != x || y != y) return std::numeric_limits<double>::quiet_NaN();
  const double size = double_of(bits_of(x) & 0x7fffffffffffffffu);
  if (y - y != 0) return size == 1 ? 1 : (size > 1) == (y > 0) ? INFINITE : 0;
  const bool whole = is_integer(y), odd = whole && y < 9007199254740992.0 && y > -9007199254740992.0 && (int64_t(y) & 1);
  if (x < 0 && x - x == 0 && !whole) return std::numeric_limits<double>::quiet_NaN();
  double result;
  if (whole && y <= 64 && y >= -64) {
    result = 1;
    double square = size;
    for (uint32_t n = uint32_t(y < 0 ? -y : y); n > 0; n >>= 1, square *= square) {
      if (n & 1) result *= square;
    }
    if (y < 0) result = 1 / result;
  } else {
    const double power = y * log(size);
    result = power > 700 ? INFINITE : exp(power);
    if (size == 0) result = y > 0 ? 0 : INFINITE;
  }
  return odd && (bits_of(x) >> 63) ? -result : result;
}

}  // namespace math
}  // namespace fl
