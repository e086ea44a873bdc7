// One float operator: finds its operands and calls what computes it.
#include "float_ops.h"

#include <cstring>

#include "convert.h"

namespace fl {
namespace {

View view_of(const Program &program, uint32_t index, const FloatMemory &memory) {
  const FloatTensor &t = program.float_tensors[index];
  // Constants are never written: an output lies in the arena (check_float.cpp).
  const uint8_t *base = t.place == FloatPlace::CONSTANT ? memory.data : reinterpret_cast<const uint8_t *>(memory.arena);
  return {t, reinterpret_cast<float *>(const_cast<uint8_t *>(base + t.offset))};
}

const uint32_t *words_of(const FloatOp &op, const FloatMemory &memory) {
  return op.parameters_offset == NONE ? nullptr : reinterpret_cast<const uint32_t *>(memory.data + op.parameters_offset);
}

float float_of(uint32_t word) {
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

}  // namespace

uint64_t float_scratch_bytes(const Program &program, const FloatOp &op) {
  return op.op == FloatOperator::NMS ? nms_scratch_bytes(program.float_tensors[op.input_a].dims[1]) : 0;
}

void run_float_op(const Program &program, const FloatOp &op, const FloatMemory &memory) {
  const uint32_t *words = words_of(op, memory);
  const auto view = [&](uint32_t index) { return view_of(program, index, memory); };
  switch (op.op) {
    case FloatOperator::DEQUANTIZE: return store_fp32(program.tensors[op.tensor], memory.codes, view(op.output).values);
    case FloatOperator::QUANTIZE: return quantize(program.tensors[op.tensor], view(op.input_a).values, memory.codes, memory.row);
    case FloatOperator::UNARY: {
      const View in = view(op.input_a);
      return unary(op.function, in.values, view(op.output).values, size_t(elements_of(in.shape)), float_of(words[0]), float_of(words[1]));
    }
    case FloatOperator::BINARY: return binary(op.function, view(op.input_a), view(op.input_b), view(op.output));
    case FloatOperator::TRANSPOSE: return transpose(view(op.input_a), view(op.output), words);
    case FloatOperator::SLICE: {
      const int32_t *start = reinterpret_cast<const int32_t *>(words);
      return slice(view(op.input_a), view(op.output), start, start + op.parameters_count / 2);
    }
    case FloatOperator::PLACE: return place(view(op.input_a), view(op.output), words);
    case FloatOperator::INTERPOLATE: return interpolate(view(op.input_a), view(op.output), op.axis, words);
    case FloatOperator::SOFTMAX: return softmax(op.function == SoftmaxFunction::LOG_SOFTMAX, view(op.input_a), view(op.output), op.axis);
    case FloatOperator::REDUCE: return reduce(op.function, view(op.input_a), view(op.output), words[0]);
    case FloatOperator::MATMUL: return matmul(view(op.input_a), view(op.input_b), view(op.output));
    default: return nms({op.function == NmsFunction::OBJECTNESS, float_of(words[0]), float_of(words[1])}, view(op.input_a), view(op.output), memory.scratch);
  }
}

const char *float_op_name(const FloatOp &op) {
  static const char *const UNARY[] = {"sigmoid", "tanh", "exp", "log", "sqrt", "neg", "abs", "reciprocal", "relu", "leaky_relu", "thresholded_relu", "elu", "celu", "selu",
                                      "hard_sigmoid", "hard_swish", "swish", "softplus", "softsign", "mish", "gelu", "gelu_tanh", "erf", "clip", "floor", "ceil", "round", "sign"};
  static const char *const BINARY[] = {"add", "sub", "mul", "div", "pow", "min", "max"};
  static const char *const REDUCE[] = {"reduce_mean", "reduce_sum", "reduce_max", "reduce_min"};
  static const char *const OTHERS[] = {"dequantize", "quantize", "unary", "binary", "transpose", "slice", "place", "interpolate", "softmax", "reduce", "matmul", "nms"};
  static_assert(sizeof UNARY / sizeof *UNARY == UnaryFunction::SIGN + 1 && sizeof BINARY / sizeof *BINARY == BinaryFunction::MAX + 1 &&
                sizeof REDUCE / sizeof *REDUCE == ReduceFunction::MIN + 1 && sizeof OTHERS / sizeof *OTHERS == FloatOperator::NMS + 1, "a name for each");
  switch (op.op) {
    case FloatOperator::UNARY: return UNARY[op.function];
    case FloatOperator::BINARY: return BINARY[op.function];
    case FloatOperator::REDUCE: return REDUCE[op.function];
    case FloatOperator::SOFTMAX: return op.function == SoftmaxFunction::LOG_SOFTMAX ? "log_softmax" : "softmax";
    default: return OTHERS[op.op];
  }
}

uint64_t float_macs(const Program &program, const FloatOp &op) {
  if (op.op != FloatOperator::MATMUL) return 0;
  const FloatTensor &a = program.float_tensors[op.input_a];
  return elements_of(program.float_tensors[op.output]) * a.dims[a.rank - 1];
}

}  // namespace fl
