// The float operators of a program (hls/core/layout.json, FloatOperator): what the core's int8 arithmetic cannot do, in fp32 on the processor.
// Everything was checked by check_float.cpp; nothing here allocates. Results are the same bits on every machine: IEEE + - * / sqrt in a stated
// order, no libm, no fused multiply-add. docs/decisions/ps-float.md says why and what it costs.
#pragma once
#include <cstddef>
#include <cstdint>

#include "../../core/arithmetic.h"
#include "program.h"

namespace fl {

// What float operators work on. All pointers are the caller's.
struct FloatMemory {
  float *arena;         // header.float_arena_bytes
  int8_t *codes;        // header.arena_bytes: the int8 arena
  const uint8_t *data;  // section DATA, 4-byte aligned
  int8_t *row;          // a row of the widest Tensor that an operator quantises
  uint8_t *scratch;     // float_scratch_bytes of any operator, 4-byte aligned
};

uint64_t float_scratch_bytes(const Program &program, const FloatOp &op);
void run_float_op(const Program &program, const FloatOp &op, const FloatMemory &memory);

// "sigmoid", "transpose", ...: the function where the operator has one that names it, for reports.
const char *float_op_name(const FloatOp &op);
// Multiply-accumulates of a MATMUL; 0 for the others.
uint64_t float_macs(const Program &program, const FloatOp &op);

inline uint64_t elements_of(const FloatTensor &t) {
  uint64_t elements = 1;
  for (uint32_t i = 0; i < MAX_RANK; i++) elements *= t.dims[i];
  return elements;
}

// --- The parts, a file each: x, y, a, b are dense values of the given tensors, `words` an operator's parameters.

// A tensor and where its values are. An output's are not const in truth.
struct View {
  const FloatTensor &shape;
  float *values;
};

// float_unary.cpp: `count` values, x and y may be the same.
void unary(uint32_t function, const float *x, float *y, size_t count, float alpha, float beta);
// float_binary.cpp
void binary(uint32_t function, const View &a, const View &b, const View &out);
// float_moves.cpp
void transpose(const View &in, const View &out, const uint32_t *permutation);
void slice(const View &in, const View &out, const int32_t *start, const int32_t *step);
void place(const View &in, const View &out, const uint32_t *start);
void interpolate(const View &in, const View &out, uint32_t axis, const uint32_t *words);
// float_sums.cpp
void softmax(bool log, const View &in, const View &out, uint32_t axis);
void reduce(uint32_t function, const View &in, const View &out, uint32_t mask);
void matmul(const View &a, const View &b, const View &out);
// nms.cpp: scratch of nms_scratch_bytes(rows).
struct NmsRule {
  bool objectness;
  float score_threshold, iou_threshold;
};
uint64_t nms_scratch_bytes(uint64_t rows);
void nms(const NmsRule &rule, const View &in, const View &out, uint8_t *scratch);

}  // namespace fl
