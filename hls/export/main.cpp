// Test bench of an exported network, and its plain C++ program: network INPUT OUTPUT [EXPECTED]
// INPUT holds all inputs one behind the other in ONNX order: int8 codes, or fp32 where it is four times as long. OUTPUT is written likewise, in
// the type of the input; what float operators made is fp32 always. With EXPECTED, ends with 1 where OUTPUT differs from that file.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "fabriclens/runtime/src/convert.h"
#include "network.h"

namespace {

using Bytes = std::vector<uint8_t>;

bool read_file(const char *path, Bytes &bytes) {
  std::FILE *file = std::fopen(path, "rb");
  if (!file) return false;
  uint8_t part[65536];
  for (size_t got; (got = std::fread(part, 1, sizeof part, file)) > 0;) bytes.insert(bytes.end(), part, part + got);
  const bool whole = std::ferror(file) == 0;
  return std::fclose(file) == 0 && whole;
}

bool write_file(const char *path, const Bytes &bytes) {
  std::FILE *file = std::fopen(path, "wb");
  if (!file) return false;
  const bool whole = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  return std::fclose(file) == 0 && whole;
}

int fail(const std::string &text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  return 2;
}

// The program's own memory. On a board, `arena` and `weights` are contiguous buffers that the programmable logic reads.
struct Memory {
  std::vector<network::Beat> arena = std::vector<network::Beat>(network::ARENA_BEATS);
  std::vector<network::Beat> weights = std::vector<network::Beat>(network::WEIGHT_BEATS + 1);
  std::vector<float> floats = std::vector<float>(network::FLOATS + 1);

  int8_t *codes() { return reinterpret_cast<int8_t *>(arena.data()); }
};

// Index of the first input element that is not a number, or -1.
int64_t load(const Bytes &input, bool fp32, Memory &memory) {
  size_t at = 0;
  for (uint32_t i = 0; i < network::INPUTS; i++) {
    const network::Port &port = network::PORTS[i];
    if (!fp32) {
      fl::load_int8(port.tensor, reinterpret_cast<const int8_t *>(input.data()) + at, memory.codes());
    } else {
      std::vector<float> values(port.elements);
      std::vector<int8_t> row(port.tensor.width);
      std::memcpy(values.data(), input.data() + 4 * at, 4 * size_t(port.elements));
      const int64_t bad = fl::load_fp32(port.tensor, values.data(), memory.codes(), row.data());
      if (bad >= 0) return int64_t(at) + bad;
    }
    at += port.elements;
  }
  return -1;
}

Bytes stored(bool fp32, Memory &memory) {
  Bytes output;
  for (uint32_t i = network::INPUTS; i < network::INPUTS + network::OUTPUTS; i++) {
    const network::Port &port = network::PORTS[i];
    const bool is_float = port.float_at != fl::NONE;
    const size_t at = output.size();
    output.resize(at + size_t(port.elements) * (fp32 || is_float ? 4 : 1));
    if (is_float) {
      std::memcpy(output.data() + at, memory.floats.data() + port.float_at, 4 * size_t(port.elements));
    } else if (fp32) {
      std::vector<float> values(port.elements);
      fl::store_fp32(port.tensor, memory.codes(), values.data());
      std::memcpy(output.data() + at, values.data(), 4 * values.size());
    } else {
      fl::store_int8(port.tensor, memory.codes(), reinterpret_cast<int8_t *>(output.data()) + at);
    }
  }
  return output;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) return fail("usage: network INPUT OUTPUT [EXPECTED]");
  Bytes input, expected;
  if (!read_file(argv[1], input)) return fail(std::string("cannot read ") + argv[1]);
  size_t elements = 0;
  for (uint32_t i = 0; i < network::INPUTS; i++) elements += network::PORTS[i].elements;
  const bool fp32 = input.size() == 4 * elements;
  if (!fp32 && input.size() != elements) {
    return fail(std::string(argv[1]) + " has " + std::to_string(input.size()) + " bytes; the inputs have " + std::to_string(elements) + " elements of 1 byte (codes) or 4 (fp32)");
  }
  Memory memory;
  network::pack_weights(memory.weights.data());
  const int64_t bad = load(input, fp32, memory);
  if (bad >= 0) return fail("element " + std::to_string(bad) + " of the input is not a number");
  network::run(memory.arena.data(), memory.weights.data(), memory.floats.data());
  const Bytes output = stored(fp32, memory);
  if (!write_file(argv[2], output)) return fail(std::string("cannot write ") + argv[2]);
  if (argc == 3) return 0;
  if (!read_file(argv[3], expected)) return fail(std::string("cannot read ") + argv[3]);
  if (expected == output) return 0;
  std::printf("%s differs from %s\n", argv[2], argv[3]);
  return 1;
}
