// Non-maximum suppression by docs/decisions/ps-float.md, every step rounded to fp32. src/review/detections.ts has the same rule for the predictions of
// other engines; hls/runtime/nms.test.ts holds the two equal.
#include <algorithm>

#include "float_ops.h"

namespace fl {
namespace {

constexpr uint32_t BOX = 4, RESULT = 6;

struct Candidate {
  float score;
  uint32_t row, label;

  bool operator<(const Candidate &other) const { return score > other.score || (score == other.score && row < other.row); }
};

// NaN if either is.
float smaller(float a, float b) { return a != a || a < b ? a : b; }
float larger(float a, float b) { return a != a || a > b ? a : b; }

float area(const float *box) { return (box[2] - box[0]) * (box[3] - box[1]); }

// Intersection over union of corners x1, y1, x2, y2. NaN, which suppresses nothing, where both boxes are empty.
float overlap(const float *a, const float *b) {
  const float width = smaller(a[2], b[2]) - larger(a[0], b[0]), height = smaller(a[3], b[3]) - larger(a[1], b[1]);
  if (!(width > 0 && height > 0)) return 0;
  const float both = width * height;
  return both / ((area(a) + area(b)) - both);
}

// In double: half of the smallest fp32 numbers is none.
void corners(const float *row, float *box) {
  for (uint32_t axis = 0; axis < 2; axis++) {
    const double half = double(row[2 + axis]) / 2;
    box[axis] = float(double(row[axis]) - half);
    box[2 + axis] = float(double(row[axis]) + half);
  }
}

uint32_t candidates_of(const NmsRule &rule, const View &in, Candidate *candidates) {
  const uint32_t rows = in.shape.dims[1], values = in.shape.dims[2], first = BOX + (rule.objectness ? 1 : 0);
  uint32_t count = 0;
  for (uint32_t row = 0; row < rows; row++) {
    const float *x = in.values + size_t(row) * values;
    uint32_t best = first;
    for (uint32_t k = first + 1; k < values; k++) best = x[k] > x[best] ? k : best;
    const float score = rule.objectness ? x[BOX] * x[best] : x[best];
    if (score >= rule.score_threshold) candidates[count++] = {score, row, best - first};
  }
  return count;
}

}  // namespace

uint64_t nms_scratch_bytes(uint64_t rows) { return rows * sizeof(Candidate); }

void nms(const NmsRule &rule, const View &in, const View &out, uint8_t *scratch) {
  Candidate *candidates = reinterpret_cast<Candidate *>(scratch);
  uint32_t count = candidates_of(rule, in, candidates);
  if (count > MAX_NMS_CANDIDATES) {
    std::nth_element(candidates, candidates + MAX_NMS_CANDIDATES, candidates + count);
    count = MAX_NMS_CANDIDATES;
  }
  std::sort(candidates, candidates + count);
  const uint32_t most = out.shape.dims[1];
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count && kept < most; i++) {
    float *box = out.values + size_t(kept) * RESULT;
    corners(in.values + size_t(candidates[i].row) * in.shape.dims[2], box);
    const float label = float(candidates[i].label);
    bool dropped = false;
    for (uint32_t k = 0; k < kept && !dropped; k++) {
      const float *other = out.values + size_t(k) * RESULT;
      dropped = other[5] == label && overlap(box, other) > rule.iou_threshold;
    }
    if (dropped) continue;
    box[4] = candidates[i].score;
    box[5] = label;
    kept++;
  }
  for (; kept < most; kept++) {
    float *box = out.values + size_t(kept) * RESULT;
    std::fill(box, box + RESULT - 1, 0.0f);
    box[RESULT - 1] = -1;
  }
}

}  // namespace fl
