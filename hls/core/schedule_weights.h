// The weight stream of a layer, as the core's ring takes it. Part of schedule.h.
#pragma once
#include "schedule_shape.h"

namespace fl {

// Bytes of the stream: table, then for each block a header and its weight steps.
uint64_t stream_bytes(const Shape &s);
void append_stream(const Descriptor &d, const Shape &s, const uint8_t *data, std::vector<uint8_t> &to);

}  // namespace fl
