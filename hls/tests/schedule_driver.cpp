// Test program: commands of random and extreme layers, run by the plain interpreter and held against the golden model on every byte that
// means something (pad lanes do not).
//   schedule_driver SEED COUNT    random segments from that seed on, on arrays and buffers of many sizes; a line of counts
//   schedule_driver extremes      layers at the limits, on both real geometries; a line each
// Ends with 1 and a line that names the seed and the difference where there is one.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "../core/core.h"
#include "../core/schedule.h"
#include "interpreter.h"
#include "random_segment.h"

namespace {

using namespace fl;

using Counts = std::map<std::string, uint32_t>;

void golden(const SegmentBuilder &b, std::vector<int8_t> &arena, std::vector<bool> &defined) {
  for (const Descriptor &d : b.layers) {
    std::vector<int16_t> weights(prepared_elements(d)), patches(patch_elements(d));
    if (!weights.empty()) prepare_weights(d, reinterpret_cast<const int8_t *>(b.data.data()) + d.weights_offset, weights.data());
    run_layer(d, {arena.data(), b.data.data(), weights.data(), patches.data()});
    for (uint32_t plane = 0; plane * 8 < d.output_channels; plane++) {
      for (uint32_t y = 0; y < d.output_height; y++) {
        for (uint32_t i = 0; i < d.output_width * 8u; i++) {
          defined[d.output_offset + size_t(plane) * d.output_plane_stride + size_t(y) * d.output_row_stride + i] = plane * 8 + i % 8 < d.output_channels;
        }
      }
    }
  }
}

void count(const Schedule &s, Counts &counts) {
  for (const Command &c : s.commands) {
    counts["commands"]++;
    counts["folded"] += (c.mode & 3) != 0;
    counts["half"] += (c.mode & (CommandMode::HALF_A | CommandMode::HALF_B)) != 0;
    counts["two sources"] += c.b_planes > 0;
    counts["reuse"] += (c.flags & CommandFlag::REUSE) != 0;
    counts["residual"] += (c.flags & CommandFlag::RESIDUAL) != 0;
    counts["new table"] += (c.flags & CommandFlag::NEW_TABLE) != 0;
    counts["uniform"] += (c.flags & CommandFlag::UNIFORM) != 0;
    counts["joined rows"] += c.store_rows == 1 && c.out_rows > 1;
    counts["pooled"] += (c.flags & CommandFlag::POOL) != 0;
    counts["reduce"] += c.kind == CommandKind::REDUCE;
    counts["depthwise"] += c.kind == CommandKind::DEPTHWISE && !(c.flags & CommandFlag::UNIFORM);
    counts["maximum"] += c.kind == CommandKind::MAXIMUM;
  }
  for (size_t i = 1; i < s.commands.size(); i++) {
    counts["waits for the one before"] += s.commands[i].wait_stores == i;
    counts["runs ahead"] += s.commands[i].wait_stores < i;
  }
  for (const Tiling &t : s.tilings) {
    counts["layers"]++;
    counts["kept"] += t.kept;
    counts["one tile"] += t.commands == 1;
  }
  for (size_t i = 0; i < s.tilings.size(); i++) {
    const Tiling &t = s.tilings[i];
    const Command &c = s.commands[t.first_command];
    uint32_t blocks = 0, columns = 0;
    for (uint32_t k = t.first_command; k < t.first_command + t.commands; k++) {
      blocks += s.commands[k].out_address == c.out_address ? 0 : s.commands[k].planes != c.planes;
      columns += s.commands[k].out_columns != c.out_columns;
    }
    counts["cut by channels"] += blocks > 0;
    counts["cut by columns"] += columns > 0;
  }
}

// "" or what is wrong.
std::string check(const SegmentBuilder &b, const Geometry &g, uint64_t seed, Counts &counts) {
  for (size_t i = 0; i < b.layers.size(); i++) {
    char text[200];
    if (core_refusal(b.layers[i], g, text, sizeof text) == nullptr) continue;
    counts["refused"]++;
    const Schedule s = schedule_segment(b.layers.data(), uint32_t(b.layers.size()), b.data.data(), g);
    return s.refusal.find(text) != std::string::npos ? "" : "a refused layer was cut";
  }
  const Schedule s = schedule_segment(b.layers.data(), uint32_t(b.layers.size()), b.data.data(), g);
  if (!s.refusal.empty()) return s.refusal;
  const Schedule again = schedule_segment(b.layers.data(), uint32_t(b.layers.size()), b.data.data(), g);
  const size_t bytes = s.commands.size() * sizeof(Command);
  if (s.commands.size() != again.commands.size() || std::memcmp(s.commands.data(), again.commands.data(), bytes) != 0 || s.weights != again.weights) {
    return "cut differently the second time";
  }
  count(s, counts);
  for (size_t i = 0; i < s.commands.size(); i++) {
    const bool last = i + 1 == s.commands.size() || s.commands[i + 1].layer != s.commands[i].layer;
    if (((s.commands[i].flags & CommandFlag::LAST) != 0) != last) return "LAST is not on the last command of a layer";
  }
  std::vector<int8_t> want(b.arena_bytes), got;
  Random codes(seed);
  for (int8_t &code : want) code = codes.code();
  got = want;
  std::vector<bool> defined(b.arena_bytes, true);
  golden(b, want, defined);
  try {
    interpret(s, g, got, seed);
  } catch (const Fault &fault) {
    return fault.text;
  }
  for (size_t i = 0; i < want.size(); i++) {
    if (defined[i] && want[i] != got[i]) return "byte " + std::to_string(i) + " of the arena is " + std::to_string(got[i]) + ", not " + std::to_string(want[i]);
  }
  return "";
}

std::string name(const Geometry &g) {
  return "16x" + std::to_string(g.output_lanes) + "x" + std::to_string(g.pixel_lanes) + ", " + std::to_string(g.bank_rows) + " rows, " +
         std::to_string(g.weight_steps) + " steps";
}

int random_segments(uint64_t seed, uint32_t segments) {
  Counts counts;
  for (uint32_t i = 0; i < segments; i++, seed++) {
    SegmentBuilder b(seed);
    Geometry g = b.random.chance(50) ? DEFAULT_GEOMETRY : Geometry{16, 1, 4096, 1024};
    g.bank_rows = b.random.pick({24, 64, 100, 256, 4096});
    g.weight_steps = b.random.pick({16, 33, 128, 1024});
    for (uint32_t layers = b.random.between(1, 4); layers > 0; layers--) b.add_random_layer();
    const std::string wrong = check(b, g, seed, counts);
    if (wrong.empty()) continue;
    std::printf("seed %llu, %s: %s\n", static_cast<unsigned long long>(seed), name(g).c_str(), wrong.c_str());
    return 1;
  }
  std::printf("{");
  const char *comma = "";
  for (const auto &[what, many] : counts) {
    std::printf("%s\"%s\": %u", comma, what.c_str(), many);
    comma = ", ";
  }
  std::printf("}\n");
  return 0;
}

struct Extreme {
  const char *what;
  uint32_t op;
  uint32_t height, width, channels, outputs;
  Axis h, w;          // `out` is worked out
  uint32_t half, second;  // channels of a second source; half: the first lies at half resolution
  const char *refusal;    // words of it, or nullptr
  bool pool = false;      // the largest of each 2 x 2 is stored
};

constexpr Axis POINT{1, 1, 1, 0, 0, 0}, THREE{3, 1, 1, 1, 1, 0};

const Extreme EXTREMES[] = {
    {"7x7 convolution, dilation 2", Op::CONV, 30, 31, 16, 24, {7, 1, 2, 6, 6, 0}, {7, 2, 2, 6, 6, 0}, 0, 0, nullptr},
    {"one pixel, one channel", Op::CONV, 1, 1, 1, 1, POINT, POINT, 0, 0, nullptr},
    {"one pixel under a dilated kernel that meets padding alone", Op::CONV, 1, 1, 5, 9, {2, 1, 2, 1, 1, 0}, {2, 1, 2, 1, 1, 0}, 0, 0, nullptr},
    {"one pixel, 512 channels", Op::CONV, 1, 1, 512, 1000, POINT, POINT, 0, 0, nullptr},
    {"dense, 25088 columns", Op::DENSE, 7, 7, 512, 64, POINT, POINT, 0, 0, nullptr},
    {"dense, 65536 columns of one pixel", Op::DENSE, 1, 1, 65536, 3, POINT, POINT, 0, 0, nullptr},
    {"dense, 131072 columns of one pixel", Op::DENSE, 1, 1, 131072, 3, POINT, POINT, 0, 0, "rows of the core's activation buffer"},
    {"dense, 300 rows", Op::DENSE, 300, 2, 4, 3, POINT, POINT, 0, 0, "255 rows or columns"},
    {"copy of 131072 channels", Op::COPY, 1, 1, 131072, 131072, POINT, POINT, 0, 0, nullptr},
    {"512 channels, 3x3", Op::CONV, 9, 9, 512, 40, THREE, THREE, 0, 0, nullptr},
    {"512 channels, 7x7: a block is longer than the ring", Op::CONV, 9, 9, 512, 9, {7, 1, 1, 1, 1, 0}, {7, 1, 1, 0, 0, 0}, 0, 0, nullptr},
    {"2048 channels, 3x3: a block is longer than the ring", Op::CONV, 5, 5, 2048, 8, THREE, THREE, 0, 0, nullptr},
    {"rows of 16384 pixels", Op::CONV, 4, 16384, 16, 8, THREE, THREE, 0, 0, nullptr},
    {"stem 7x7, stride 2, 3 channels", Op::CONV, 50, 224, 3, 24, {7, 2, 1, 3, 3, 0}, {7, 2, 1, 3, 3, 0}, 0, 0, nullptr},
    {"stem 6x6, stride 2, 3 channels, 640 wide", Op::CONV, 24, 640, 3, 8, {6, 2, 1, 2, 2, 0}, {6, 2, 1, 2, 2, 0}, 0, 0, nullptr},
    {"stem 5x5, 1 channel", Op::CONV, 60, 61, 1, 16, {5, 1, 1, 2, 2, 0}, {5, 1, 1, 2, 2, 0}, 0, 0, nullptr},
    {"stem 3x3, 2 channels", Op::CONV, 33, 34, 2, 16, {3, 2, 1, 1, 0, 0}, {3, 1, 1, 1, 1, 0}, 0, 0, nullptr},
    {"1x1 over an upsampled and a second source", Op::CONV, 27, 26, 256, 64, POINT, POINT, 1, 128, nullptr},
    {"stem 11x11, stride 4", Op::CONV, 31, 31, 3, 8, {11, 4, 1, 2, 2, 0}, {11, 4, 1, 2, 2, 0}, 0, 0, "a kernel of 11x11: the core has up to 7x7"},
    {"depthwise, stride 3", Op::DEPTHWISE, 9, 9, 8, 8, {3, 1, 1, 1, 1, 0}, {3, 3, 1, 1, 1, 0}, 0, 0, "a stride of 1x3: the core has 1 and 2"},
    {"dilation 6", Op::CONV, 20, 20, 8, 8, {3, 1, 6, 6, 6, 0}, {3, 1, 6, 6, 6, 0}, 0, 0, "a dilation of 6x6: the core has 1 and 2"},
    {"max pooling 5x5", Op::MAX_POOL, 20, 20, 256, 256, {5, 1, 1, 2, 2, 0}, {5, 1, 1, 2, 2, 0}, 0, 0, nullptr},
    {"max pooling 2x2, padding behind", Op::MAX_POOL, 13, 13, 100, 100, {2, 1, 1, 0, 1, 0}, {2, 1, 1, 0, 1, 0}, 0, 0, nullptr},
    {"max pooling, stride 3", Op::MAX_POOL, 9, 9, 8, 8, {3, 3, 1, 0, 0, 0}, {3, 3, 1, 0, 0, 0}, 0, 0, "stride of more than 2"},
    {"global average, stride as long", Op::AVERAGE_POOL, 7, 7, 1280, 1280, {7, 7, 1, 0, 0, 0}, {7, 7, 1, 0, 0, 0}, 0, 0, nullptr},
    {"global average of 64 x 64", Op::AVERAGE_POOL, 64, 64, 24, 24, {64, 1, 1, 0, 0, 0}, {64, 1, 1, 0, 0, 0}, 0, 0, nullptr},
    {"global average of 255 x 255", Op::AVERAGE_POOL, 255, 255, 8, 8, {255, 1, 1, 0, 0, 0}, {255, 1, 1, 0, 0, 0}, 0, 0, "rows of the core's activation buffer"},
    {"average pooling that does not count padding", Op::AVERAGE_POOL, 8, 8, 8, 8, THREE, THREE, 0, 0, "counts padding"},
    {"depthwise 5x5, stride 2", Op::DEPTHWISE, 28, 29, 150, 150, {5, 2, 1, 2, 2, 0}, {5, 2, 1, 2, 2, 0}, 0, 0, nullptr},
    {"depthwise 3x3, 960 channels", Op::DEPTHWISE, 14, 14, 960, 960, THREE, THREE, 0, 0, nullptr},
    {"pooled 3x3, an odd row dropped", Op::CONV, 27, 52, 64, 40, THREE, THREE, 0, 0, nullptr, true},
    {"pooled rows of 3000 results", Op::CONV, 6, 3000, 3, 8, THREE, THREE, 0, 0, nullptr, true},
    {"pooled, and a block is longer than the ring", Op::CONV, 4, 4, 2048, 8, THREE, THREE, 0, 0, "fill more than the core's ring", true},
    {"op 9", 9, 1, 1, 1, 1, POINT, POINT, 0, 0, "does not know op 9"},
};

uint32_t outputs_along(const Axis &a, uint32_t length, bool dense) {
  return dense ? 1 : (length + a.before + a.after - ((a.kernel - 1) * a.dilation + 1)) / a.stride + 1;
}

int extremes() {
  for (const Extreme &e : EXTREMES) {
    for (const Geometry &g : {DEFAULT_GEOMETRY, Geometry{16, 1, 4096, 1024}}) {
      SegmentBuilder b(1);
      Axis h = e.h, w = e.w;
      h.out = outputs_along(h, e.height, e.op == Op::DENSE) / (e.pool ? 2 : 1);
      w.out = outputs_along(w, e.width, e.op == Op::DENSE) / (e.pool ? 2 : 1);
      Laid input = b.lay(e.half ? (e.height + 1) / 2 : e.height, e.half ? (e.width + 1) / 2 : e.width, e.channels);
      input.height = e.height;
      input.width = e.width;
      Descriptor d = b.layer(e.op, input, h, w, e.outputs);
      if (e.half) d.flags = DescriptorFlag::UPSAMPLE_FIRST;
      if (e.pool) d.flags = uint16_t(d.flags | DescriptorFlag::POOL_OUTPUT);
      if (e.second > 0) {
        const Laid second = b.lay(e.height, e.width, e.second);
        d.second_offset = second.offset;
        d.second_plane_stride = second.plane_stride;
        d.second_row_stride = second.row_stride;
        d.second_channels = e.second;
        d.input_channels += e.second;
      }
      const Laid output = b.lay(h.out, w.out, e.outputs);
      d.output_offset = output.offset;
      d.output_plane_stride = output.plane_stride;
      d.output_row_stride = output.row_stride;
      b.add(d);
      Counts counts;
      std::string wrong = check(b, g, 1, counts);
      char text[200];
      const char *refusal = core_refusal(d, g, text, sizeof text);
      if (wrong.empty() && e.refusal != nullptr && (refusal == nullptr || std::strstr(refusal, e.refusal) == nullptr)) wrong = "is not refused as it should be";
      if (wrong.empty() && e.refusal == nullptr && refusal != nullptr) wrong = refusal;
      std::printf("%s on %s: %s, %u commands\n", e.what, name(g).c_str(), !wrong.empty() ? wrong.c_str() : refusal ? refusal : "equal", counts["commands"]);
      if (!wrong.empty()) return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc == 3) return random_segments(std::strtoull(argv[1], nullptr, 10), uint32_t(std::atoi(argv[2])));
  if (argc == 2 && std::strcmp(argv[1], "extremes") == 0) return extremes();
  return 2;
}
