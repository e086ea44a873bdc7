#include "program.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "../../core/core.h"
#include "../include/fabriclens_runtime.h"

namespace fl {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "program.bin is little-endian and its structs are read as they lie");

namespace {

[[noreturn]] void refuse(const std::string &text, int32_t status = FL_ERROR_FORMAT) { throw Refusal{status, text}; }

template <size_t N>
bool all_zero(const uint32_t (&words)[N]) {
  for (uint32_t word : words) {
    if (word != 0) return false;
  }
  return true;
}

template <typename Entry>
std::vector<Entry> entries_of(const uint8_t *bytes, const Section &section) {
  std::vector<Entry> entries(section.count);
  if (section.count > 0) std::memcpy(entries.data(), bytes + section.offset, size_t(section.count) * sizeof(Entry));
  return entries;
}

struct Kind {
  const char *name;
  uint32_t entry_bytes;
  uint32_t limit;
};
constexpr uint32_t KINDS = 8;
const Kind KIND[KINDS] = {{"STRINGS", 1, MAX_FILE_BYTES},
                          {"TENSORS", sizeof(Tensor), MAX_TENSORS},
                          {"BINDINGS", sizeof(Binding), MAX_BINDINGS},
                          {"SEGMENTS", sizeof(Segment), MAX_DESCRIPTORS + MAX_FLOAT_OPS},
                          {"DESCRIPTORS", sizeof(Descriptor), MAX_DESCRIPTORS},
                          {"FLOAT_TENSORS", sizeof(FloatTensor), MAX_FLOAT_TENSORS},
                          {"FLOAT_OPS", sizeof(FloatOp), MAX_FLOAT_OPS},
                          {"DATA", 1, MAX_FILE_BYTES}};

Header read_header(const uint8_t *bytes, size_t size) {
  Header h;
  if (size < sizeof(Header)) refuse(text_of("program is truncated: %zu bytes, its header alone has %zu", size, sizeof(Header)));
  std::memcpy(&h, bytes, sizeof h);
  if (h.magic != MAGIC) refuse(text_of("not a FabricLens program: magic is 0x%08x, not 0x%08x", h.magic, MAGIC));
  if (h.version != LAYOUT_VERSION) {
    refuse(text_of("program has layout version %u, this runtime reads version %u: compile the model again or update the runtime", h.version,
                   LAYOUT_VERSION), FL_ERROR_VERSION);
  }
  if (h.file_bytes != size) refuse(text_of("header.file_bytes is %u but the program has %zu bytes: truncated or overlong", h.file_bytes, size));
  if (size > MAX_FILE_BYTES) refuse(text_of("program has %zu bytes, more than %u", size, MAX_FILE_BYTES));
  if (h.section_count != KINDS) refuse(text_of("header.section_count is %u, not %u", h.section_count, KINDS));
  if (h.arena_bytes > MAX_ARENA_BYTES) refuse(text_of("header.arena_bytes is %u, more than %u", h.arena_bytes, MAX_ARENA_BYTES));
  if (h.float_arena_bytes > MAX_FLOAT_ARENA_BYTES || h.float_arena_bytes % sizeof(float) != 0) {
    refuse(text_of("header.float_arena_bytes is %u: more than %u, or not a multiple of 4", h.float_arena_bytes, MAX_FLOAT_ARENA_BYTES));
  }
  if (!all_zero(h.reserved)) refuse("header.reserved is not 0");
  return h;
}

void read_sections(const uint8_t *bytes, size_t size, Section *sections) {
  uint64_t end = sizeof(Header) + KINDS * sizeof(Section);
  if (size < end) refuse(text_of("program is truncated in its section table: %zu bytes", size));
  std::memcpy(sections, bytes + sizeof(Header), KINDS * sizeof(Section));
  for (uint32_t i = 0; i < KINDS; i++) {
    const Section &s = sections[i];
    const Kind &k = KIND[i];
    if (s.kind != i + 1) refuse(text_of("section %u is of kind %u, not %u (%s)", i, s.kind, i + 1, k.name));
    if (s.entry_bytes != k.entry_bytes) refuse(text_of("section %s: entry_bytes is %u, not %u", k.name, s.entry_bytes, k.entry_bytes));
    if (s.count > k.limit) refuse(text_of("section %s: count is %u, more than %u", k.name, s.count, k.limit));
    if (uint64_t(s.count) * s.entry_bytes != s.bytes) refuse(text_of("section %s: bytes is %u, not count * entry_bytes", k.name, s.bytes));
    if (s.offset % ALIGNMENT != 0) refuse(text_of("section %s: offset %u is not a multiple of %u", k.name, s.offset, ALIGNMENT));
    if (s.offset < end) refuse(text_of("section %s: offset %u lies inside what precedes it", k.name, s.offset));
    end = uint64_t(s.offset) + s.bytes;
    if (end > size) refuse(text_of("section %s: ends at byte %llu of %zu: truncated", k.name, static_cast<unsigned long long>(end), size));
    if (!all_zero(s.reserved)) refuse(text_of("section %s: reserved is not 0", k.name));
  }
}

void check_checksums(const uint8_t *bytes, const Header &header, const Section *sections, bool verify_data) {
  Header blank = header;
  blank.metadata_crc32 = 0;
  uint32_t crc = crc32(0, reinterpret_cast<const uint8_t *>(&blank), sizeof blank);
  crc = crc32(crc, bytes + sizeof(Header), KINDS * sizeof(Section));
  for (uint32_t i = 0; i + 1 < KINDS; i++) crc = crc32(crc, bytes + sections[i].offset, sections[i].bytes);
  if (crc != header.metadata_crc32) refuse(text_of("header.metadata_crc32 is %08x but the tables have %08x: the program is damaged", header.metadata_crc32, crc));
  if (!verify_data) return;
  const Section &data = sections[KINDS - 1];
  crc = crc32(0, bytes + data.offset, data.bytes);
  if (crc != data.crc32) refuse(text_of("section DATA: crc32 is %08x but its bytes have %08x: the weights are damaged", data.crc32, crc));
}

// Well-formed UTF-8 (Unicode 15, table 3-7, without its finer second-byte ranges) and no control characters.
bool is_text(const uint8_t *text, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes;) {
    const uint8_t lead = text[i++];
    const uint32_t follow = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 4;
    if (lead < 0x20 || lead == 0x7f || follow == 4 || follow > bytes - i) return false;
    for (uint32_t k = 0; k < follow; k++) {
      if ((text[i++] & 0xc0) != 0x80) return false;
    }
  }
  return true;
}

void check_name(const Program &p, const char *what, uint32_t index, uint32_t offset, uint32_t bytes) {
  if (bytes == 0 || bytes > MAX_NAME_BYTES) refuse(text_of("%s %u: name_bytes is %u, not 1..%u", what, index, bytes, MAX_NAME_BYTES));
  if (uint64_t(offset) + bytes > p.strings_bytes) refuse(text_of("%s %u: name lies outside STRINGS", what, index));
  if (!is_text(p.strings + offset, bytes)) refuse(text_of("%s %u: name is not UTF-8 text", what, index));
}

void check_tensor(const Program &p, uint32_t index) {
  const Tensor &t = p.tensors[index];
  check_name(p, "tensor", index, t.name_offset, t.name_bytes);
  if (t.data_type != DataType::INT8) refuse(text_of("tensor %u: data_type is %u, not INT8", index, t.data_type));
  if (t.height == 0 || t.height > MAX_DIMENSION || t.width == 0 || t.width > MAX_DIMENSION || t.channels == 0 || t.channels > MAX_CHANNELS) {
    refuse(text_of("tensor %u: shape %u x %u x %u is out of range", index, t.height, t.width, t.channels));
  }
  if ((t.arena_offset | t.plane_stride | t.row_stride) % PLANE_CHANNELS != 0) {
    refuse(text_of("tensor %u: arena_offset, plane_stride or row_stride is not a multiple of %u", index, PLANE_CHANNELS));
  }
  const uint64_t row = uint64_t(t.width) * PLANE_CHANNELS;
  if (t.row_stride < row) refuse(text_of("tensor %u: row_stride %u is less than a row", index, t.row_stride));
  const uint64_t plane = uint64_t(t.height - 1) * t.row_stride + row;
  if (t.plane_stride < plane) refuse(text_of("tensor %u: plane_stride %u is less than a plane", index, t.plane_stride));
  const uint64_t end = t.arena_offset + uint64_t(planes_of(t.channels) - 1) * t.plane_stride + plane;
  if (end > p.header.arena_bytes) refuse(text_of("tensor %u: ends at byte %llu of an arena of %u", index, static_cast<unsigned long long>(end), p.header.arena_bytes));
  if (!std::isfinite(t.scale) || t.scale <= 0) refuse(text_of("tensor %u: scale is not a positive number", index));
  if (t.zero_point < -128 || t.zero_point > 127) refuse(text_of("tensor %u: zero_point %d is not -128..127", index, t.zero_point));
  if (!all_zero(t.reserved)) refuse(text_of("tensor %u: reserved is not 0", index));
}

void check_float_binding(const Program &p, uint32_t index) {
  const Binding &b = p.bindings[index];
  if (b.direction != Direction::OUTPUT) refuse(text_of("binding %u: an input that is a float tensor", index));
  if (b.tensor != NONE) refuse(text_of("binding %u: both a tensor and a float tensor", index));
  if (b.data_type != DataType::FP32) refuse(text_of("binding %u: data_type is %u, not FP32", index, b.data_type));
  if (b.float_tensor >= p.float_tensors.size()) refuse(text_of("binding %u: float_tensor %u of %zu", index, b.float_tensor, p.float_tensors.size()));
  const FloatTensor &t = p.float_tensors[b.float_tensor];
  if (b.rank != t.rank || std::memcmp(b.shape, t.dims, sizeof b.shape) != 0) refuse(text_of("binding %u: its shape and that of float tensor %u differ", index, b.float_tensor));
}

void check_binding(const Program &p, uint32_t index) {
  const Binding &b = p.bindings[index];
  check_name(p, "binding", index, b.name_offset, b.name_bytes);
  if (b.direction > Direction::OUTPUT) refuse(text_of("binding %u: direction is %u", index, b.direction));
  if (index > 0 && b.direction < p.bindings[index - 1].direction) refuse(text_of("binding %u: an input after an output", index));
  if (!all_zero(b.reserved)) refuse(text_of("binding %u: reserved is not 0", index));
  if (b.float_tensor != NONE) return check_float_binding(p, index);
  if (b.tensor >= p.tensors.size()) refuse(text_of("binding %u: tensor %u of %zu", index, b.tensor, p.tensors.size()));
  if (b.data_type != DataType::INT8 && b.data_type != DataType::FP32) refuse(text_of("binding %u: data_type is %u, neither INT8 nor FP32", index, b.data_type));
  if (b.rank < 2 || b.rank > 4) refuse(text_of("binding %u: rank is %u, not 2..4", index, b.rank));
  if (b.shape[0] != 1) refuse(text_of("binding %u: batch is %u, not 1", index, b.shape[0]));
  uint64_t elements = 1;
  for (uint32_t i = 0; i < MAX_RANK; i++) {
    if (b.shape[i] == 0 || b.shape[i] > MAX_ARENA_BYTES || (i >= b.rank && b.shape[i] != 1)) refuse(text_of("binding %u: shape[%u] is %u", index, i, b.shape[i]));
    elements *= b.shape[i];
    if (elements > MAX_ARENA_BYTES) refuse(text_of("binding %u: too many elements", index));
  }
  const Tensor &t = p.tensors[b.tensor];
  if (elements != uint64_t(t.height) * t.width * t.channels) refuse(text_of("binding %u: its shape and tensor %u differ in elements", index, b.tensor));
}

void check_segments(const Program &p) {
  uint64_t descriptors = 0, float_ops = 0;
  for (uint32_t i = 0; i < p.segments.size(); i++) {
    const Segment &s = p.segments[i];
    if (s.target != Target::PL && s.target != Target::PS && s.target != Target::FLOAT) refuse(text_of("segment %u: target is %u", i, s.target));
    uint64_t &next = s.target == Target::FLOAT ? float_ops : descriptors;
    if (s.first != next || s.count == 0) refuse(text_of("segment %u: does not go on where the one before ends", i));
    next += s.count;
    if (s.reserved != 0) refuse(text_of("segment %u: reserved is not 0", i));
  }
  if (descriptors != p.descriptors.size()) refuse(text_of("segments hold %llu descriptors of %zu", static_cast<unsigned long long>(descriptors), p.descriptors.size()));
  if (float_ops != p.float_ops.size()) refuse(text_of("segments hold %llu float operators of %zu", static_cast<unsigned long long>(float_ops), p.float_ops.size()));
}

// Of each descriptor, when segments are known to be right.
std::vector<uint32_t> targets_of(const Program &p) {
  std::vector<uint32_t> targets;
  for (const Segment &s : p.segments) {
    if (s.target != Target::FLOAT) targets.insert(targets.end(), s.count, s.target);
  }
  return targets;
}

}  // namespace

uint32_t crc32(uint32_t crc, const uint8_t *bytes, size_t size) {
  crc = ~crc;
  for (size_t i = 0; i < size; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

std::string text_of(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

std::string name_of(const Program &p, uint32_t offset, uint32_t bytes) {
  return std::string(reinterpret_cast<const char *>(p.strings) + offset, bytes);
}

Program parse_program(const uint8_t *bytes, size_t size, bool verify_data, uint64_t budget) {
  Program p;
  Section sections[KINDS];
  p.header = read_header(bytes, size);
  read_sections(bytes, size, sections);
  check_checksums(bytes, p.header, sections, verify_data);
  p.strings = bytes + sections[0].offset;
  p.strings_bytes = sections[0].bytes;
  p.tensors = entries_of<Tensor>(bytes, sections[1]);
  p.bindings = entries_of<Binding>(bytes, sections[2]);
  p.segments = entries_of<Segment>(bytes, sections[3]);
  p.descriptors = entries_of<Descriptor>(bytes, sections[4]);
  p.float_tensors = entries_of<FloatTensor>(bytes, sections[5]);
  p.float_ops = entries_of<FloatOp>(bytes, sections[6]);
  p.data = bytes + sections[7].offset;
  p.data_bytes = sections[7].bytes;
  for (uint32_t i = 0; i < p.tensors.size(); i++) check_tensor(p, i);
  for (uint32_t i = 0; i < p.float_tensors.size(); i++) check_float_tensor(p, i);
  for (uint32_t i = 0; i < p.bindings.size(); i++) check_binding(p, i);
  check_segments(p);
  uint64_t weights = 0;
  const std::vector<uint32_t> targets = targets_of(p);
  for (uint32_t i = 0; i < p.descriptors.size(); i++) {
    const Descriptor &d = p.descriptors[i];
    check_name(p, "descriptor", i, d.name_offset, d.name_bytes);
    check_descriptor(p, i, targets[i]);
    // Layers may share weights, and each looks at all of its own: without a bound here, a file of some megabytes keeps a board busy for minutes.
    weights += sizeof(int16_t) * uint64_t(prepared_elements(d));
    if (weights > budget) {
      refuse(text_of("weights up to layer %u need %llu bytes, the budget is %llu", i, static_cast<unsigned long long>(weights),
                     static_cast<unsigned long long>(budget)), FL_ERROR_MEMORY);
    }
  }
  for (uint32_t i = 0; i < p.float_ops.size(); i++) check_name(p, "float operator", i, p.float_ops[i].name_offset, p.float_ops[i].name_bytes);
  check_float_ops(p);
  if (p.bindings.empty() || p.bindings.front().direction != Direction::INPUT || p.bindings.back().direction != Direction::OUTPUT) {
    refuse("program has no input or no output");
  }
  return p;
}

}  // namespace fl
