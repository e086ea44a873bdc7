// Operators that move values: nothing is rounded, but for INTERPOLATE's three steps.
#include <algorithm>
#include <cstring>

#include "../../core/arithmetic.h"
#include "float_ops.h"
#include "nest.h"

namespace fl {
namespace {

constexpr int64_t BLOCK = 16;  // a cache line of floats

// y[i * rows_apart + k] = x[i + k * columns_apart]: in blocks, so that neither side is read or written a value a cache line.
void turn(const float *x, float *y, int64_t rows, int64_t columns, int64_t rows_apart, int64_t columns_apart) {
  for (int64_t i0 = 0; i0 < rows; i0 += BLOCK) {
    const int64_t i1 = std::min(rows, i0 + BLOCK);
    for (int64_t k0 = 0; k0 < columns; k0 += BLOCK) {
      const int64_t k1 = std::min(columns, k0 + BLOCK);
      for (int64_t i = i0; i < i1; i++) {
        for (int64_t k = k0; k < k1; k++) y[i * rows_apart + k] = x[i + k * columns_apart];
      }
    }
  }
}

void copy(const float *x, float *y, int64_t count, int64_t x_stride, int64_t y_stride) {
  if (x_stride == 1 && y_stride == 1) {
    std::memcpy(y, x, size_t(count) * sizeof *y);
    return;
  }
  for (int64_t i = 0; i < count; i++) y[i * y_stride] = x[i * x_stride];
}

void copy(const Nest<2> &nest, const float *x, float *y) {
  nest.rows([&](const int64_t(&at)[2], int64_t count, const int64_t(&stride)[2]) { copy(x + at[0], y + at[1], count, stride[0], stride[1]); });
}

}  // namespace

void transpose(const View &in, const View &out, const uint32_t *permutation) {
  int64_t si[MAX_RANK], so[MAX_RANK];
  strides_of(in.shape, si);
  strides_of(out.shape, so);
  Nest<2> nest;
  for (uint32_t i = 0; i < out.shape.rank; i++) nest.add(out.shape.dims[i], {si[permutation[i]], so[i]});
  // The axis along which the input lies end to end, unless it is the innermost of the output too.
  uint32_t rows = 0;
  while (rows < nest.rank() && nest.stride(rows, 0) != 1) rows++;
  if (rows + 1 >= nest.rank()) return copy(nest, in.values, out.values);
  const uint32_t columns = nest.rank() - 1;
  const int64_t row_count = nest.count(rows), column_count = nest.count(columns), rows_apart = nest.stride(rows, 1), columns_apart = nest.stride(columns, 0);
  nest.remove(columns);
  nest.remove(rows);
  nest.rows([&](const int64_t(&at)[2], int64_t count, const int64_t(&stride)[2]) {
    for (int64_t i = 0; i < count; i++) {
      turn(in.values + at[0] + i * stride[0], out.values + at[1] + i * stride[1], row_count, column_count, rows_apart, columns_apart);
    }
  });
}

void slice(const View &in, const View &out, const int32_t *start, const int32_t *step) {
  int64_t si[MAX_RANK], so[MAX_RANK], first = 0;
  strides_of(in.shape, si);
  strides_of(out.shape, so);
  Nest<2> nest;
  for (uint32_t i = 0; i < out.shape.rank; i++) {
    first += start[i] * si[i];
    nest.add(out.shape.dims[i], {step[i] * si[i], so[i]});
  }
  copy(nest, in.values + first, out.values);
}

void place(const View &in, const View &out, const uint32_t *start) {
  int64_t si[MAX_RANK], so[MAX_RANK], first = 0;
  strides_of(in.shape, si);
  strides_of(out.shape, so);
  Nest<2> nest;
  for (uint32_t i = 0; i < in.shape.rank; i++) {
    first += start[i] * so[i];
    nest.add(in.shape.dims[i], {si[i], so[i]});
  }
  copy(nest, in.values, out.values + first);
}

FL_HOT void interpolate(const View &in, const View &out, uint32_t axis, const uint32_t *words) {
  int64_t outer = 1, inner = 1;
  for (uint32_t i = 0; i < axis; i++) outer *= in.shape.dims[i];
  for (uint32_t i = axis + 1; i < MAX_RANK; i++) inner *= in.shape.dims[i];
  const int64_t from = in.shape.dims[axis], to = out.shape.dims[axis];
  for (int64_t o = 0; o < outer; o++) {
    const float *plane = in.values + o * from * inner;
    float *y = out.values + o * to * inner;
    for (int64_t i = 0; i < to; i++, y += inner) {
      float weight;
      std::memcpy(&weight, words + 3 * i + 2, sizeof weight);
      const float *low = plane + words[3 * i] * inner, *high = plane + words[3 * i + 1] * inner;
      if (weight == 0) {
        std::memcpy(y, low, size_t(inner) * sizeof *y);
      } else {
        for (int64_t k = 0; k < inner; k++) y[k] = low[k] + (high[k] - low[k]) * weight;
      }
    }
  }
}

}  // namespace fl
