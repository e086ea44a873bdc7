// Operators that sum: always in row-major order of what is summed, so that the sum is the same on every machine.
#include <algorithm>

#include "../../core/arithmetic.h"
#include "float_math.h"
#include "float_ops.h"
#include "nest.h"

namespace fl {
namespace {

constexpr int64_t LANES = 64;  // sums that are formed side by side
constexpr int64_t ROWS = 4;    // rows of a product that share a reading of the other operand

// Along an axis of `count` values `apart` from one another, `lanes` such axes side by side. Powers are rounded to fp32 before they are summed, in double.
FL_HOT void softmax_lanes(bool log, const float *x, float *y, int64_t count, int64_t apart, int64_t lanes) {
  float largest[LANES];
  double sum[LANES];
  for (int64_t k = 0; k < lanes; k++) largest[k] = x[k], sum[k] = 0;
  for (int64_t i = 1; i < count; i++) {
    for (int64_t k = 0; k < lanes; k++) largest[k] = x[i * apart + k] > largest[k] ? x[i * apart + k] : largest[k];
  }
  for (int64_t i = 0; i < count; i++) {
    for (int64_t k = 0; k < lanes; k++) y[i * apart + k] = float(math::exp(double(x[i * apart + k]) - double(largest[k])));
    for (int64_t k = 0; k < lanes; k++) sum[k] += double(y[i * apart + k]);
  }
  if (log) {
    for (int64_t k = 0; k < lanes; k++) sum[k] = math::log(sum[k]);
  }
  for (int64_t i = 0; i < count; i++) {
    for (int64_t k = 0; k < lanes; k++) {
      const int64_t at = i * apart + k;
      y[at] = log ? float(double(x[at]) - double(largest[k]) - sum[k]) : float(double(y[at]) / sum[k]);
    }
  }
}

// The same for one axis whose values lie end to end.
FL_HOT void softmax_row(bool log, const float *x, float *y, int64_t count) {
  float largest = x[0];
  for (int64_t i = 1; i < count; i++) largest = x[i] > largest ? x[i] : largest;
  for (int64_t i = 0; i < count; i++) y[i] = float(math::exp(double(x[i]) - double(largest)));
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += double(y[i]);
  if (log) {
    const double last = math::log(sum);
    for (int64_t i = 0; i < count; i++) y[i] = float(double(x[i]) - double(largest) - last);
  } else {
    for (int64_t i = 0; i < count; i++) y[i] = float(double(y[i]) / sum);
  }
}

FL_INLINE double joined(uint32_t function, double all, double value) {
  if (function == ReduceFunction::MAX) return value > all || value != value ? value : all;
  if (function == ReduceFunction::MIN) return value < all || value != value ? value : all;
  return all + value;
}

// `lanes` outputs side by side, whose inputs are `apart` from one another.
FL_HOT void reduce_lanes(uint32_t function, const Nest<1> &summed, const float *x, int64_t apart, float *y, int64_t lanes, double divisor) {
  double all[LANES];
  const double none = function == ReduceFunction::MAX ? -math::INFINITE : function == ReduceFunction::MIN ? math::INFINITE : 0;
  for (int64_t k = 0; k < lanes; k++) all[k] = none;
  summed.rows([&](const int64_t(&at)[1], int64_t count, const int64_t(&stride)[1]) {
    for (int64_t i = 0; i < count; i++) {
      const float *from = x + at[0] + i * stride[0];
      for (int64_t k = 0; k < lanes; k++) all[k] = joined(function, all[k], double(from[k * apart]));
    }
  });
  for (int64_t k = 0; k < lanes; k++) y[k] = float(function == ReduceFunction::MEAN ? all[k] / divisor : all[k]);
}

// `rows` rows of y = a b, with a [rows][depth], b [depth][columns].
FL_HOT void multiply_rows(const float *a, const float *b, float *y, int64_t rows, int64_t depth, int64_t columns) {
  std::fill(y, y + rows * columns, 0.0f);
  for (int64_t k = 0; k < depth; k++) {
    const float *from = b + k * columns;
    for (int64_t r = 0; r < rows; r++) {
      const float factor = a[r * depth + k];
      float *to = y + r * columns;
      for (int64_t i = 0; i < columns; i++) to[i] += factor * from[i];
    }
  }
}

}  // namespace

void softmax(bool log, const View &in, const View &out, uint32_t axis) {
  int64_t outer = 1, inner = 1;
  const int64_t count = in.shape.dims[axis];
  for (uint32_t i = 0; i < axis; i++) outer *= in.shape.dims[i];
  for (uint32_t i = axis + 1; i < MAX_RANK; i++) inner *= in.shape.dims[i];
  for (int64_t o = 0; o < outer; o++) {
    const int64_t at = o * count * inner;
    if (inner == 1) {
      softmax_row(log, in.values + at, out.values + at, count);
      continue;
    }
    for (int64_t k = 0; k < inner; k += LANES) softmax_lanes(log, in.values + at + k, out.values + at + k, count, inner, std::min(LANES, inner - k));
  }
}

void reduce(uint32_t function, const View &in, const View &out, uint32_t mask) {
  int64_t strides[MAX_RANK], output = int64_t(elements_of(out.shape));
  strides_of(in.shape, strides);
  const double divisor = double(elements_of(in.shape)) / double(output);
  Nest<2> kept;
  Nest<1> summed;
  for (uint32_t i = 0; i < in.shape.rank; i++) {
    const int64_t count = in.shape.dims[i];
    if (mask >> i & 1) {
      summed.add(count, {strides[i]});
    } else {
      output /= count;
      kept.add(count, {strides[i], output});
    }
  }
  kept.rows([&](const int64_t(&at)[2], int64_t count, const int64_t(&stride)[2]) {
    for (int64_t k = 0; k < count; k += LANES) {
      reduce_lanes(function, summed, in.values + at[0] + k * stride[0], stride[0], out.values + at[1] + k, std::min(LANES, count - k), divisor);
    }
  });
}

void matmul(const View &a, const View &b, const View &out) {
  int64_t sa[MAX_RANK], sb[MAX_RANK], so[MAX_RANK];
  strides_of(a.shape, sa);
  strides_of(b.shape, sb);
  strides_of(out.shape, so);
  const uint32_t batch = out.shape.rank - 2;
  const int64_t rows = out.shape.dims[batch], columns = out.shape.dims[batch + 1], depth = a.shape.dims[a.shape.rank - 1];
  Nest<3> nest;
  for (uint32_t i = 0; i < batch; i++) {
    const auto stride = [&](const FloatTensor &t, const int64_t(&strides)[MAX_RANK]) {
      const uint32_t missing = out.shape.rank - t.rank;
      return i < missing || t.dims[i - missing] == 1 ? 0 : strides[i - missing];
    };
    nest.add(out.shape.dims[i], {stride(a.shape, sa), stride(b.shape, sb), so[i]});
  }
  nest.rows([&](const int64_t(&at)[3], int64_t count, const int64_t(&stride)[3]) {
    for (int64_t n = 0; n < count; n++) {
      const float *x = a.values + at[0] + n * stride[0], *w = b.values + at[1] + n * stride[1];
      float *y = out.values + at[2] + n * stride[2];
      for (int64_t r = 0; r < rows; r += ROWS) multiply_rows(x + r * depth, w, y + r * columns, std::min(ROWS, rows - r), depth, columns);
    }
  });
}

}  // namespace fl
