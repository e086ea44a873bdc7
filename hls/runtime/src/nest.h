// Nested loops over the axes of dense or strided tensors, with an element offset of each of N operands.
#pragma once
#include <cstdint>

#include "../../core/layout.h"

namespace fl {

template <int N>
class Nest {
 public:
  // An axis inside those before; one that all operands walk evenly with the axis around it is merged into that.
  void add(int64_t count, const int64_t (&stride)[N]) {
    if (count == 1) return;
    bool even = rank_ > 0;
    for (int k = 0; even && k < N; k++) even = stride_[rank_ - 1][k] == stride[k] * count;
    if (even) count_[rank_ - 1] *= count;
    else count_[rank_++] = count;
    for (int k = 0; k < N; k++) stride_[rank_ - 1][k] = stride[k];
  }

  uint32_t rank() const { return rank_; }
  int64_t count(uint32_t axis) const { return count_[axis]; }
  int64_t stride(uint32_t axis, int operand) const { return stride_[axis][operand]; }

  // The axis, and out of the loops with it.
  void remove(uint32_t axis) {
    rank_--;
    for (uint32_t i = axis; i < rank_; i++) {
      count_[i] = count_[i + 1];
      for (int k = 0; k < N; k++) stride_[i][k] = stride_[i + 1][k];
    }
  }

  // body(const int64_t (&offset)[N], int64_t count, const int64_t (&stride)[N]) for each run along the innermost axis, in row-major order.
  template <typename Body>
  void rows(Body body) const {
    const int64_t none[N] = {};
    int64_t at[N] = {}, index[MAX_RANK] = {};
    if (rank_ == 0) return body(at, int64_t(1), none);
    for (;;) {
      body(at, count_[rank_ - 1], stride_[rank_ - 1]);
      uint32_t axis = rank_ - 1;
      for (;;) {
        if (axis == 0) return;
        axis--;
        for (int k = 0; k < N; k++) at[k] += stride_[axis][k];
        if (++index[axis] < count_[axis]) break;
        for (int k = 0; k < N; k++) at[k] -= stride_[axis][k] * count_[axis];
        index[axis] = 0;
      }
    }
  }

 private:
  uint32_t rank_ = 0;
  int64_t count_[MAX_RANK] = {};
  int64_t stride_[MAX_RANK][N] = {};
};

// Elements from one index of an axis of a dense tensor to the next.
inline void strides_of(const FloatTensor &t, int64_t (&strides)[MAX_RANK]) {
  int64_t stride = 1;
  for (uint32_t i = MAX_RANK; i-- > 0;) {
    strides[i] = stride;
    stride *= t.dims[i];
  }
}

}  // namespace fl
