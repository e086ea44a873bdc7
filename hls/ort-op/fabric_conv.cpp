#include "fabric_conv.h"

namespace fl {
namespace {

constexpr char PROGRAM[] = "program";

// What nodes are made with, and who changes or reads it.
Core given;
Turns giving;

// Things of theirs that are given back at the end of a scope.
template <typename T, typename Release>
struct Borrowed {
  const ort::Api *api;
  const Release &release;
  T *thing = nullptr;
  ~Borrowed() {
    if (thing) release(api, thing);
  }
};

// [1, 8, 4, 4]
std::string text_of(const std::vector<int64_t> &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string name_of(const ort::Api *api, const ort::KernelInfo *info) {
  size_t bytes = 0;
  Borrowed<ort::Status, decltype(ort::release_status)> status{api, ort::release_status};
  status.thing = ort::node_name(api, info, nullptr, &bytes);
  if (status.thing || bytes == 0) return "";
  std::string name(bytes, '\0');
  status.thing = ort::node_name(api, info, name.data(), &bytes);
  name.resize(name.find('\0') == std::string::npos ? name.size() : name.find('\0'));
  return status.thing ? "" : name;
}

}  // namespace

void use_core(const Core &core) {
  const Turn turn(giving);
  given = core;
}

void FabricConv::refuse(ort::ErrorCode code, const std::string &why) const { throw Refused{code, "FabricConv '" + name_ + "': " + why}; }

void FabricConv::check(ort::Status *status) const {
  if (!status) return;
  const std::string text = ort::error_message(api_, status);
  ort::release_status(api_, status);
  refuse(ort::FAIL, text);
}

FabricConv::FabricConv(const ort::Api *api, const ort::KernelInfo *info) : api_(api), name_(name_of(api, info)) {
  load(info);
  fl_program_info about{};
  about.struct_bytes = sizeof about;
  fl_get_program_info(program_.get(), &about);
  inputs_ = ports(FL_INPUT, about.input_count);
  outputs_ = ports(FL_OUTPUT, about.output_count);
  size_t inputs = 0, outputs = 0;
  check(ort::node_input_count(api_, info, &inputs));
  check(ort::node_output_count(api_, info, &outputs));
  check_count("inputs", inputs, inputs_.size());
  check_count("outputs", outputs, outputs_.size());
}

void FabricConv::check_count(const char *side, size_t given, size_t wanted) const {
  if (given != wanted) refuse(ort::INVALID_ARGUMENT, "the node has " + std::to_string(given) + " " + side + ", its program " + std::to_string(wanted) + "; export the model again");
}

void FabricConv::load(const ort::KernelInfo *info) {
  ort::Allocator *allocator = nullptr;
  check(ort::default_allocator(api_, &allocator));
  Borrowed<ort::Value, decltype(ort::release_value)> value{api_, ort::release_value};
  check(ort::attribute_tensor(api_, info, PROGRAM, allocator, &value.thing));
  Borrowed<ort::ShapeInfo, decltype(ort::release_shape_info)> shape{api_, ort::release_shape_info};
  check(ort::shape_info(api_, value.thing, &shape.thing));
  ort::ElementType type{};
  size_t bytes = 0;
  check(ort::element_type(api_, shape.thing, &type));
  check(ort::element_count(api_, shape.thing, &bytes));
  if (type != ort::UINT8) refuse(ort::INVALID_ARGUMENT, "its attribute 'program' is no tensor of uint8; export the model again");
  void *data = nullptr;
  check(ort::tensor_data(api_, value.thing, &data));
  char error[512];
  fl_program *program = nullptr;
  // No package's SHA-256 stands behind this file: the weights' own checksum does.
  const int32_t status = fl_load(data, bytes, FL_LOAD_VERIFY_DATA, 0, &program, error, sizeof error);
  if (status != FL_OK) refuse(ort::INVALID_ARGUMENT, std::string("its program cannot be loaded (") + fl_status_name(status) + ": " + error + "); export the model again with this version");
  program_.reset(program);
  const Turn turn(giving);
  core_ = given;
  if (!core_.core) return;
  const int32_t placed = fl_use_core(program, core_.core, error, sizeof error);
  if (placed != FL_OK) refuse(ort::FAIL, std::string("the core cannot take it (") + fl_status_name(placed) + ": " + error + ")");
}

std::vector<FabricConv::Port> FabricConv::ports(uint32_t direction, uint32_t count) const {
  std::vector<Port> ports;
  for (uint32_t i = 0; i < count; i++) {
    fl_tensor_info info{};
    info.struct_bytes = sizeof info;
    fl_get_tensor_info(program_.get(), direction, i, &info);
    if (info.dtype != FL_INT8) refuse(ort::INVALID_ARGUMENT, std::string("tensor '") + info.name + "' of its program is not int8; export the model again");
    ports.push_back({info.name, std::vector<int64_t>(info.shape, info.shape + info.rank), info.element_count});
  }
  return ports;
}

fl_buffer FabricConv::input(ort::KernelContext *context, size_t index) const {
  const Port &port = inputs_[index];
  const ort::Value *value = nullptr;
  check(ort::context_input(api_, context, index, &value));
  Borrowed<ort::ShapeInfo, decltype(ort::release_shape_info)> info{api_, ort::release_shape_info};
  check(ort::shape_info(api_, value, &info.thing));
  size_t rank = 0;
  check(ort::rank(api_, info.thing, &rank));
  std::vector<int64_t> shape(rank);
  check(ort::dimensions(api_, info.thing, shape.data(), rank));
  if (shape != port.shape) refuse(ort::INVALID_ARGUMENT, "input '" + port.name + "' has shape " + text_of(shape) + ", its program takes " + text_of(port.shape));
  void *data = nullptr;
  // Nothing writes there: their interface has one call for both.
  check(ort::tensor_data(api_, const_cast<ort::Value *>(value), &data));
  return {data, port.bytes, FL_INT8, 0};
}

fl_buffer FabricConv::output(ort::KernelContext *context, size_t index) const {
  const Port &port = outputs_[index];
  ort::Value *value = nullptr;
  check(ort::context_output(api_, context, index, port.shape.data(), port.shape.size(), &value));
  void *data = nullptr;
  check(ort::tensor_data(api_, value, &data));
  return {data, port.bytes, FL_INT8, 0};
}

void FabricConv::run(ort::KernelContext *context) {
  std::vector<fl_buffer> inputs, outputs;
  for (size_t i = 0; i < inputs_.size(); i++) inputs.push_back(input(context, i));
  for (size_t i = 0; i < outputs_.size(); i++) outputs.push_back(output(context, i));
  char error[512];
  const Turn turn(turns_);
  if (core_.check && core_.check(core_.context) != 0) refuse(ort::FAIL, "the core is not ours any more; make the session again once it is");
  const int32_t status = fl_run(program_.get(), inputs.data(), uint32_t(inputs.size()), outputs.data(), uint32_t(outputs.size()), nullptr, nullptr, error, sizeof error);
  if (status != FL_OK) refuse(ort::FAIL, std::string(fl_status_name(status)) + ": " + error);
}

}  // namespace fl
