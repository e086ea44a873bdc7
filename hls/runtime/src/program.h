// A program.bin, parsed and checked: nothing behind this trusts the bytes, nothing in front of it needs to.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "../../core/arithmetic.h"
#include "../../core/layout.h"

namespace fl {

// Why bytes are not a program. status is an fl_status.
struct Refusal {
  int32_t status;
  std::string text;
};

// Views into the caller's bytes; entries are copied out, DATA is not.
struct Program {
  Header header;
  std::vector<Tensor> tensors;
  std::vector<Binding> bindings;
  std::vector<Segment> segments;
  std::vector<Descriptor> descriptors;
  std::vector<FloatTensor> float_tensors;
  std::vector<FloatOp> float_ops;
  const uint8_t *strings;
  uint32_t strings_bytes;
  const uint8_t *data;
  uint32_t data_bytes;
};

// CRC-32 of IEEE 802.3 (as zlib's); start with 0 and feed the result back to go on.
uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t size);

// Reads and checks everything: sizes, sections, checksums, names, shapes, strides, every arena and DATA range, and that no accumulator can
// leave int32. Stops where the prepared weights alone would exceed `budget` (bytes). Throws Refusal.
Program parse_program(const uint8_t *bytes, size_t size, bool verify_data, uint64_t budget);

// The parts of it that look at single layers (check_layer.cpp) and at float operators (check_float.cpp): each tensor by itself, then all operators
// in the order of execution, when segments, descriptors and bindings are known to be right.
void check_descriptor(const Program &program, uint32_t index, uint32_t target);
void check_float_tensor(const Program &program, uint32_t index);
void check_float_ops(const Program &program);

std::string name_of(const Program &program, uint32_t offset, uint32_t bytes);
std::string text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace fl
