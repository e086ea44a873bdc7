// Runs a network of int8 operators in XNNPACK on one thread, so many times: peer_xnnpack FOLDER REPEATS. FOLDER has network.txt and network.bin (xnnpack.ts)
// and input.s8; the outputs' codes go to stdout.
#include <xnnpack.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<int8_t>;

[[noreturn]] void fail(const std::string &what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}
void check(xnn_status status, const char *what) {
  if (status != xnn_status_success) fail(std::string(what) + ": status " + std::to_string(int(status)));
}

Bytes contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

struct Words {
  std::ifstream file;
  template <typename T>
  T next() {
    T value{};
    if (!(file >> value)) fail("network.txt is cut short");
    return value;
  }
  uint32_t count() { return next<uint32_t>(); }
  int8_t code() { return int8_t(next<int>()); }
  float scale() { return next<float>(); }
};

struct Network {
  Words words;
  Bytes data;
  std::vector<Bytes> tensors;
  std::vector<xnn_operator_t> operators;

  template <typename T>
  const T *at(uint32_t offset) const { return reinterpret_cast<const T *>(data.data() + offset); }

  void convolution() {
    int8_t *from = tensors[words.count()].data(), *to = tensors[words.count()].data();
    const uint32_t height = words.count(), width = words.count(), kernel = words.count(), stride = words.count(), pad = words.count(), groups = words.count(), ins = words.count(), outs = words.count();
    const int8_t zero = words.code();
    const float scale = words.scale();
    const int8_t out_zero = words.code();
    const float out_scale = words.scale();
    const int8_t least = words.code(), most = words.code();
    const int8_t *weights = at<int8_t>(words.count());
    const int32_t *biases = at<int32_t>(words.count());
    const float *scales = at<float>(words.count());
    check(xnn_create_convolution2d_nhwc_qc8(pad, pad, pad, pad, kernel, kernel, stride, stride, 1, 1, groups, ins, outs, groups * ins, groups * outs, zero, scale, scales, weights, biases, out_zero, out_scale,
                                            least, most, groups > 1 ? XNN_FLAG_DEPTHWISE_CONVOLUTION : 0, &operators.back()), "convolution");
    check(xnn_setup_convolution2d_nhwc_qc8(operators.back(), 1, height, width, from, to, nullptr), "convolution");
  }

  void add() {
    int8_t *one = tensors[words.count()].data(), *other = tensors[words.count()].data(), *to = tensors[words.count()].data();
    const size_t elements = words.count();
    const int8_t zero_one = words.code();
    const float scale_one = words.scale();
    const int8_t zero_other = words.code();
    const float scale_other = words.scale();
    const int8_t zero = words.code();
    const float scale = words.scale();
    const int8_t least = words.code(), most = words.code();
    check(xnn_create_add_nd_qs8(zero_one, scale_one, zero_other, scale_other, zero, scale, least, most, 0, &operators.back()), "add");
    check(xnn_setup_add_nd_qs8(operators.back(), 1, &elements, 1, &elements, one, other, to, nullptr), "add");
  }

  void max() {
    int8_t *from = tensors[words.count()].data(), *to = tensors[words.count()].data();
    const uint32_t height = words.count(), width = words.count(), channels = words.count(), kernel = words.count(), stride = words.count(), pad = words.count();
    check(xnn_create_max_pooling2d_nhwc_s8(pad, pad, pad, pad, kernel, kernel, stride, stride, 1, 1, channels, channels, channels, -128, 127, 0, &operators.back()), "max");
    check(xnn_setup_max_pooling2d_nhwc_s8(operators.back(), 1, height, width, from, to, nullptr), "max");
  }

  void mean() {
    int8_t *from = tensors[words.count()].data(), *to = tensors[words.count()].data();
    const uint32_t elements = words.count(), channels = words.count();
    const int8_t zero = words.code();
    const float scale = words.scale();
    const int8_t out_zero = words.code();
    const float out_scale = words.scale();
    check(xnn_create_global_average_pooling_nwc_qs8(channels, channels, channels, zero, scale, out_zero, out_scale, -128, 127, 0, &operators.back()), "mean");
    check(xnn_setup_global_average_pooling_nwc_qs8(operators.back(), 1, elements, from, to, nullptr), "mean");
  }
};

}  // namespace

int main(int argc, char **argv) {
  if (argc != 3) fail("peer_xnnpack FOLDER REPEATS");
  const std::string folder = argv[1];
  check(xnn_initialize(nullptr), "XNNPACK does not know this processor");
  Network n{{std::ifstream(folder + "/network.txt")}, contents(folder + "/network.bin"), {}, {}};
  for (uint32_t left = n.words.count(); left > 0; left--) n.tensors.emplace_back(n.words.count() + XNN_EXTRA_BYTES);
  const uint32_t input = n.words.count();
  const Bytes codes = contents(folder + "/input.s8");
  std::copy(codes.begin(), codes.end(), n.tensors[input].begin());
  std::vector<uint32_t> outputs(n.words.count());
  for (uint32_t &output : outputs) output = n.words.count();
  for (uint32_t left = n.words.count(); left > 0; left--) {
    n.operators.push_back(nullptr);
    const std::string kind = n.words.next<std::string>();
    if (kind == "convolution") n.convolution();
    else if (kind == "add") n.add();
    else if (kind == "max") n.max();
    else if (kind == "mean") n.mean();
    else fail("no operator " + kind);
  }
  for (int repeat = 0; repeat < std::atoi(argv[2]); repeat++) {
    for (const xnn_operator_t op : n.operators) check(xnn_run_operator(op, nullptr), "run");
  }
  for (const uint32_t output : outputs) std::fwrite(n.tensors[output].data(), 1, n.tensors[output].size() - XNN_EXTRA_BYTES, stdout);
  return 0;
}
