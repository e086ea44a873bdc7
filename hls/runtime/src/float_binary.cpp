// Functions of two tensors under numpy's broadcasting, in fp32 (POW in double, rounded once).
#include "../../core/arithmetic.h"
#include "float_math.h"
#include "float_ops.h"
#include "nest.h"

namespace fl {
namespace {

// A run of outputs: each operand goes on, or is one value for all.
template <typename Function>
FL_INLINE void run(const float *a, bool a_moves, const float *b, bool b_moves, float *y, int64_t count, Function f) {
  if (a_moves && b_moves) {
    for (int64_t i = 0; i < count; i++) y[i] = f(a[i], b[i]);
  } else if (a_moves) {
    const float one = *b;
    for (int64_t i = 0; i < count; i++) y[i] = f(a[i], one);
  } else if (b_moves) {
    const float one = *a;
    for (int64_t i = 0; i < count; i++) y[i] = f(one, b[i]);
  } else {
    const float value = f(*a, *b);
    for (int64_t i = 0; i < count; i++) y[i] = value;
  }
}

FL_HOT void run_function(uint32_t function, const float *a, bool a_moves, const float *b, bool b_moves, float *y, int64_t count) {
  switch (function) {
    case BinaryFunction::ADD: return run(a, a_moves, b, b_moves, y, count, [](float p, float q) { return p + q; });
    case BinaryFunction::SUB: return run(a, a_moves, b, b_moves, y, count, [](float p, float q) { return p - q; });
    case BinaryFunction::MUL: return run(a, a_moves, b, b_moves, y, count, [](float p, float q) { return p * q; });
    case BinaryFunction::DIV: return run(a, a_moves, b, b_moves, y, count, [](float p, float q) { return p / q; });
    case BinaryFunction::POW: return run(a, a_moves, b, b_moves, y, count, [](float p, float q) { return float(math::pow(p, q)); });
    case BinaryFunction::MIN: return run(a, a_moves, b, b_moves, y, count, [](float p, float q) { return p != p || p < q ? p : q; });
    default: return run(a, a_moves, b, b_moves, y, count, [](float p, float q) { return p != p || p > q ? p : q; });  // MAX
  }
}

}  // namespace

void binary(uint32_t function, const View &a, const View &b, const View &out) {
  int64_t sa[MAX_RANK], sb[MAX_RANK], so[MAX_RANK];
  strides_of(a.shape, sa);
  strides_of(b.shape, sb);
  strides_of(out.shape, so);
  Nest<3> nest;
  for (uint32_t i = 0; i < out.shape.rank; i++) {
    // Axes count from the right.
    const auto stride = [&](const FloatTensor &t, const int64_t(&strides)[MAX_RANK]) {
      const uint32_t missing = out.shape.rank - t.rank;
      return i < missing || t.dims[i - missing] == 1 ? 0 : strides[i - missing];
    };
    nest.add(out.shape.dims[i], {stride(a.shape, sa), stride(b.shape, sb), so[i]});
  }
  nest.rows([&](const int64_t(&at)[3], int64_t count, const int64_t(&stride)[3]) {
    run_function(function, a.values + at[0], stride[0] != 0, b.values + at[1], stride[1] != 0, out.values + at[2], count);
  });
}

}  // namespace fl
