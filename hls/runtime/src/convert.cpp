#include "convert.h"

#include <cstring>

#include "../../core/arithmetic.h"

namespace fl {
namespace {

// Caller's buffers need no alignment.
float float_at(const float *from, size_t index) {
  float value;
  std::memcpy(&value, reinterpret_cast<const char *>(from) + index * sizeof value, sizeof value);
  return value;
}

void put_float(float *to, size_t index, float value) { std::memcpy(reinterpret_cast<char *>(to) + index * sizeof value, &value, sizeof value); }

// Element (c, y, 0) of the caller's C x H x W order, and of the arena, where pixels stand PLANE_CHANNELS apart: a row at a time.
template <typename Row>
void each_row(const Tensor &t, Row row) {
  for (uint32_t c = 0; c < t.channels; c++) {
    const size_t plane = t.arena_offset + size_t(c / PLANE_CHANNELS) * t.plane_stride + c % PLANE_CHANNELS;
    for (uint32_t y = 0; y < t.height; y++) row((size_t(c) * t.height + y) * t.width, plane + size_t(y) * t.row_stride);
  }
}

}  // namespace

FL_HOT int64_t quantize_linear(const float *x, int8_t *codes, size_t count, float scale, int32_t zero_point) {
  // Adding and taking away 1.5 * 2^23 rounds to an integer, half to even, in the default rounding mode; the clamp before it keeps |v| small.
  constexpr float ROUND = 12582912.0f;
  int32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    const float value = float_at(x, i);
    float v = value / scale;
    v = v > 512.0f ? 512.0f : v < -512.0f ? -512.0f : v;
    bad |= v != v;
    const int32_t code = (v != v ? 0 : int32_t((v + ROUND) - ROUND)) + zero_point;
    codes[i] = int8_t(code < -128 ? -128 : code > 127 ? 127 : code);
  }
  if (!bad) return -1;
  for (size_t i = 0; i < count; i++) {
    if (float_at(x, i) != float_at(x, i)) return int64_t(i);
  }
  return -1;
}

int64_t load_fp32(const Tensor &t, const float *in, int8_t *arena, int8_t *row) {
  int64_t bad = -1;
  each_row(t, [&](size_t from, size_t to) {
    if (bad >= 0) return;
    const int64_t nan = quantize_linear(in + from, row, t.width, t.scale, t.zero_point);
    if (nan >= 0) bad = int64_t(from) + nan;
    for (uint32_t x = 0; x < t.width; x++) arena[to + size_t(x) * PLANE_CHANNELS] = row[x];
  });
  return bad;
}

void quantize(const Tensor &t, const float *in, int8_t *arena, int8_t *row) {
  each_row(t, [&](size_t from, size_t to) {
    quantize_linear(in + from, row, t.width, t.scale, t.zero_point);
    for (uint32_t x = 0; x < t.width; x++) arena[to + size_t(x) * PLANE_CHANNELS] = row[x];
  });
}

void load_int8(const Tensor &t, const int8_t *in, int8_t *arena) {
  each_row(t, [&](size_t from, size_t to) {
    for (uint32_t x = 0; x < t.width; x++) arena[to + size_t(x) * PLANE_CHANNELS] = in[from + x];
  });
}

void store_int8(const Tensor &t, const int8_t *arena, int8_t *out) {
  each_row(t, [&](size_t to, size_t from) {
    for (uint32_t x = 0; x < t.width; x++) out[to + x] = arena[from + size_t(x) * PLANE_CHANNELS];
  });
}

void store_fp32(const Tensor &t, const int8_t *arena, float *out) {
  each_row(t, [&](size_t to, size_t from) {
    for (uint32_t x = 0; x < t.width; x++) put_float(out, to + x, float(arena[from + size_t(x) * PLANE_CHANNELS] - t.zero_point) * t.scale);
  });
}

}  // namespace fl
