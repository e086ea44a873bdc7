// nnet::conv_2d_cl of hls4ml (io_parallel, latency strategy), computed by FabricLens's core: the same template parameters and arguments, so that the
// name of the namespace is all that changes in hls4ml's generated source. Codes of 8 bits in and out, scales powers of two: then
// ap_fixed with AP_RND_CONV and AP_SAT and the core's requantisation are the same function.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/core.cpp"

namespace fabriclens {

template <class T>
struct Fixed {
  static const int width = T::width, fraction = T::width - T::iwidth;
  static int64_t raw(T value) { return int64_t(value.range().to_int64() << (64 - width)) >> (64 - width); }
};

// One layer; arena: planes of 8 channels (hls/core/layout.json), input first.
struct Shape {
  uint32_t height, width, channels;
  uint32_t planes() const { return (channels + 7) / 8; }
  uint32_t bytes() const { return planes() * height * width * 8; }
  size_t at(uint32_t y, uint32_t x, uint32_t c) const { return ((size_t(c / 8) * height + y) * width + x) * 8 + c % 8; }
};

template <class data_T, class res_T, typename CONFIG_T>
void conv_2d_cl(data_T data[], res_T res[], typename CONFIG_T::weight_t weights[], typename CONFIG_T::bias_t biases[]) {
  using W = Fixed<typename CONFIG_T::weight_t>;
  using B = Fixed<typename CONFIG_T::bias_t>;
  static_assert(Fixed<data_T>::width == 8 && Fixed<res_T>::width == 8 && W::width == 8, "the core takes and gives codes of 8 bits");
  const int accumulator_fraction = Fixed<data_T>::fraction + W::fraction;
  const Shape in{CONFIG_T::in_height, CONFIG_T::in_width, CONFIG_T::n_chan}, out{CONFIG_T::out_height, CONFIG_T::out_width, CONFIG_T::n_filt};
  const uint32_t taps = CONFIG_T::filt_height * CONFIG_T::filt_width, channels = CONFIG_T::n_chan, filters = CONFIG_T::n_filt;

  std::vector<int8_t> packed;
  std::vector<fl::Parameter> parameters;
  for (uint32_t o = 0; o < filters; o++) {
    for (uint32_t k = 0; k < taps * channels; k++) packed.push_back(int8_t(W::raw(weights[k * filters + o])));
    // The bias in units of the accumulator; a finer one would be none of the core's.
    const int shift = B::fraction - accumulator_fraction;
    const int64_t raw = B::raw(biases[o]), bias = shift > 0 ? raw >> shift : raw << -shift;
    if (shift > 0 && (bias << shift) != raw) std::abort();
    // 2^(out fraction - accumulator fraction) as M / 2^s with M = 2^23.
    parameters.push_back({int32_t(bias), (1u << 23) | uint32_t(23 + accumulator_fraction - Fixed<res_T>::fraction) << 24});
  }
#ifdef FABRICLENS_FAULT
  parameters[0].bias += 1 << (accumulator_fraction - Fixed<res_T>::fraction);
#endif
  std::vector<uint8_t> section(parameters.size() * sizeof(fl::Parameter));
  std::memcpy(section.data(), parameters.data(), section.size());

  std::vector<int8_t> arena(in.bytes() + out.bytes());
  for (uint32_t y = 0; y < in.height; y++) {
    for (uint32_t x = 0; x < in.width; x++) {
      for (uint32_t c = 0; c < channels; c++) arena[in.at(y, x, c)] = int8_t(Fixed<data_T>::raw(data[(y * in.width + x) * channels + c]));
    }
  }

  fl::Descriptor d{};
  d.op = fl::Op::CONV;
  d.input_plane_stride = in.height * in.width * 8;
  d.input_row_stride = in.width * 8;
  d.input_height = uint16_t(in.height);
  d.input_width = uint16_t(in.width);
  d.input_channels = channels;
  d.second_offset = d.table_offset = d.residual_offset = fl::NONE;
  d.output_offset = in.bytes();
  d.output_plane_stride = out.height * out.width * 8;
  d.output_row_stride = out.width * 8;
  d.output_height = uint16_t(out.height);
  d.output_width = uint16_t(out.width);
  d.output_channels = filters;
  d.kernel_h = CONFIG_T::filt_height;
  d.kernel_w = CONFIG_T::filt_width;
  d.stride_h = CONFIG_T::stride_height;
  d.stride_w = CONFIG_T::stride_width;
  d.dilation_h = CONFIG_T::dilation_height;
  d.dilation_w = CONFIG_T::dilation_width;
  d.pad_top = CONFIG_T::pad_top;
  d.pad_bottom = CONFIG_T::pad_bottom;
  d.pad_left = CONFIG_T::pad_left;
  d.pad_right = CONFIG_T::pad_right;
  d.output_min = -128;
  d.output_max = 127;

  std::vector<int16_t> prepared(fl::prepared_elements(d)), patches(fl::patch_elements(d));
  fl::prepare_weights(d, packed.data(), prepared.data());
  fl::run_layer(d, {arena.data(), section.data(), prepared.data(), patches.data()});

  for (uint32_t y = 0; y < out.height; y++) {
    for (uint32_t x = 0; x < out.width; x++) {
      for (uint32_t o = 0; o < filters; o++) {
        res_T value;
        value.range() = ap_int<8>(arena[in.bytes() + out.at(y, x, o)]);
        res[(y * out.width + x) * filters + o] = value;
      }
    }
  }
}

}  // namespace fabriclens
