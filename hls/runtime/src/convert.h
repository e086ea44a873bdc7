// Between a caller's tensors (ONNX order, codes or fp32) and the arena (planes of 8 channels, codes).
#pragma once
#include <cstdint>

#include "../../core/layout.h"

namespace fl {

// ONNX QuantizeLinear, int8, fp32 division, round half to even, saturating. Returns the index of the first NaN, or -1.
int64_t quantize_linear(const float *x, int8_t *codes, size_t count, float scale, int32_t zero_point);

// `row` is one row of staging (t.width bytes). Returns the index of the first NaN, or -1.
int64_t load_fp32(const Tensor &t, const float *in, int8_t *arena, int8_t *row);
// The same for float operators: NaN gives the zero point.
void quantize(const Tensor &t, const float *in, int8_t *arena, int8_t *row);
void load_int8(const Tensor &t, const int8_t *in, int8_t *arena);
void store_int8(const Tensor &t, const int8_t *arena, int8_t *out);
// ONNX DequantizeLinear: (code - zero_point) * scale in fp32.
void store_fp32(const Tensor &t, const int8_t *arena, float *out);

}  // namespace fl
