// Functions of one number: evaluated in double, rounded to fp32 once.
#include <cmath>

#include "../../core/arithmetic.h"
#include "float_math.h"
#include "float_ops.h"

namespace fl {
namespace {

template <typename Function>
FL_INLINE void each(const float *x, float *y, size_t count, Function f) {
  for (size_t i = 0; i < count; i++) y[i] = float(f(double(x[i])));
}

}  // namespace

FL_HOT void unary(uint32_t function, const float *x, float *y, size_t count, float alpha, float beta) {
  const double a = alpha, b = beta;
  switch (function) {
    case UnaryFunction::SIGMOID: return each(x, y, count, [](double v) { return math::sigmoid(v); });
    case UnaryFunction::TANH: return each(x, y, count, [](double v) { return math::tanh(v); });
    case UnaryFunction::EXP: return each(x, y, count, [](double v) { return math::exp(v); });
    case UnaryFunction::LOG: return each(x, y, count, [](double v) { return math::log(v); });
    case UnaryFunction::SQRT: return each(x, y, count, [](double v) { return std::sqrt(v); });
    case UnaryFunction::NEG: return each(x, y, count, [](double v) { return -v; });
    case UnaryFunction::ABS: return each(x, y, count, [](double v) { return std::fabs(v); });
    case UnaryFunction::RECIPROCAL: return each(x, y, count, [](double v) { return 1 / v; });
    case UnaryFunction::RELU: return each(x, y, count, [](double v) { return v < 0 ? 0 : v; });
    case UnaryFunction::LEAKY_RELU: return each(x, y, count, [a](double v) { return v < 0 ? a * v : v; });
    case UnaryFunction::THRESHOLDED_RELU: return each(x, y, count, [a](double v) { return v > a ? v : 0; });
    case UnaryFunction::ELU: return each(x, y, count, [a](double v) { return v < 0 ? a * math::expm1(v) : v; });
    case UnaryFunction::CELU: return each(x, y, count, [a](double v) { return v < 0 ? a * math::expm1(v / a) : v; });
    case UnaryFunction::SELU: return each(x, y, count, [a, b](double v) { return b * (v < 0 ? a * math::expm1(v) : v); });
    case UnaryFunction::HARD_SIGMOID: return each(x, y, count, [a, b](double v) {
      const double w = a * v + b;
      return w < 0 ? 0 : w > 1 ? 1 : w;
    });
    case UnaryFunction::HARD_SWISH: return each(x, y, count, [](double v) {
      const double w = v / 6 + 0.5;
      return v * (w < 0 ? 0 : w > 1 ? 1 : w);
    });
    case UnaryFunction::SWISH: return each(x, y, count, [a](double v) { return v * math::sigmoid(a * v); });
    case UnaryFunction::SOFTPLUS: return each(x, y, count, [](double v) { return math::softplus(v); });
    case UnaryFunction::SOFTSIGN: return each(x, y, count, [](double v) { return v / (1 + std::fabs(v)); });
    case UnaryFunction::MISH: return each(x, y, count, [](double v) { return math::mish(v); });
    case UnaryFunction::GELU: return each(x, y, count, [](double v) { return v * 0.5 * math::erfc(v * -0.7071067811865476); });
    case UnaryFunction::GELU_TANH: return each(x, y, count, [](double v) {
      // (1 + tanh u) / 2 is the sigmoid of 2 u, which loses nothing where tanh is -1.
      return v * math::sigmoid(1.5957691216057308 * (v + 0.044715 * v * v * v));
    });
    case UnaryFunction::ERF: return each(x, y, count, [](double v) { return math::erf(v); });
    case UnaryFunction::CLIP: return each(x, y, count, [a, b](double v) {
      const double low = v < a ? a : v;
      return low > b ? b : low;
    });
    case UnaryFunction::FLOOR: return each(x, y, count, [](double v) { return std::floor(v); });
    case UnaryFunction::CEIL: return each(x, y, count, [](double v) { return std::ceil(v); });
    case UnaryFunction::ROUND: return each(x, y, count, [](double v) { return std::nearbyint(v); });
    default: return each(x, y, count, [](double v) { return double((v > 0) - (v < 0)); });  // SIGN
  }
}

}  // namespace fl
