// The part of ONNX Runtime's C interface that is called here, in our own words: no header of theirs is in this repository (docs/decisions/ort-op.md).
// Its OrtApi is a table of function pointers that grows at its end alone, so that a function is known by its place in it; a library that has
// GetApi(16), which is ONNX Runtime 1.16, has every place that is named here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ort {

constexpr uint32_t API_VERSION = 16;

// Theirs, never looked into.
struct Api;
struct Status;
struct Environment;
struct SessionOptions;
struct Session;
struct MemoryInfo;
struct Allocator;
struct Value;
struct ShapeInfo;
struct CustomOpDomain;
struct KernelInfo;
struct KernelContext;

// What a library is handed, and what OrtGetApiBase returns. get_api: nullptr where the runtime is older than that version.
struct ApiBase {
  const Api *(*get_api)(uint32_t version);
  const char *(*get_version_string)();
};

// OrtErrorCode, ONNXTensorElementDataType, OrtCustomOpInputOutputCharacteristic, OrtMemType: those that are used.
enum ErrorCode : int32_t { FAIL = 1, INVALID_ARGUMENT = 2 };
enum ElementType : int32_t { FLOAT = 1, UINT8 = 2, INT8 = 3 };
enum Characteristic : int32_t { VARIADIC = 2 };
enum MemoryType : int32_t { DEFAULT_MEMORY = 0 };

// An operator, as version 16 knows it. A member that is nullptr is an older form of one behind it.
struct CustomOp {
  uint32_t version;
  void *(*create_kernel)(const CustomOp *, const Api *, const KernelInfo *);
  const char *(*name)(const CustomOp *);
  const char *(*execution_provider)(const CustomOp *);
  ElementType (*input_type)(const CustomOp *, size_t);
  size_t (*input_count)(const CustomOp *);
  ElementType (*output_type)(const CustomOp *, size_t);
  size_t (*output_count)(const CustomOp *);
  void (*compute)(void *, KernelContext *);
  void (*destroy)(void *);
  Characteristic (*input_characteristic)(const CustomOp *, size_t);
  Characteristic (*output_characteristic)(const CustomOp *, size_t);
  MemoryType (*input_memory)(const CustomOp *, size_t);
  int32_t (*least_inputs)(const CustomOp *);
  int32_t (*inputs_of_one_type)(const CustomOp *);
  int32_t (*least_outputs)(const CustomOp *);
  int32_t (*outputs_of_one_type)(const CustomOp *);
  Status *(*create_kernel_v2)(const CustomOp *, const Api *, const KernelInfo *, void **kernel);
  Status *(*compute_v2)(void *kernel, KernelContext *);
};

// The function at a place of OrtApi's table. Those that can fail return a Status to be released, nullptr where all went well.
template <size_t PLACE, typename Result, typename... Arguments>
struct Function {
  Result operator()(const Api *api, Arguments... arguments) const {
    Result (*function)(Arguments...);
    std::memcpy(&function, reinterpret_cast<const char *>(api) + PLACE * sizeof function, sizeof function);
    return function(arguments...);
  }
};
template <size_t PLACE, typename... Arguments>
using Fallible = Function<PLACE, Status *, Arguments...>;
template <size_t PLACE, typename T>
using Release = Function<PLACE, void, T *>;

constexpr Function<0, Status *, ErrorCode, const char *> create_status{};
constexpr Function<2, const char *, const Status *> error_message{};
constexpr Release<93, Status> release_status{};

constexpr Fallible<26, const char *, CustomOpDomain **> create_custom_op_domain{};
constexpr Fallible<27, CustomOpDomain *, const CustomOp *> add_custom_op{};
constexpr Fallible<28, SessionOptions *, CustomOpDomain *> add_custom_op_domain{};

constexpr Fallible<51, Value *, void **> tensor_data{};
constexpr Fallible<60, const ShapeInfo *, ElementType *> element_type{};
constexpr Fallible<61, const ShapeInfo *, size_t *> rank{};
constexpr Fallible<62, const ShapeInfo *, int64_t *, size_t> dimensions{};
constexpr Fallible<64, const ShapeInfo *, size_t *> element_count{};
constexpr Fallible<65, const Value *, ShapeInfo **> shape_info{};
constexpr Release<99, ShapeInfo> release_shape_info{};
constexpr Release<96, Value> release_value{};

constexpr Fallible<78, Allocator **> default_allocator{};
constexpr Fallible<230, const KernelInfo *, size_t *> node_input_count{};
constexpr Fallible<231, const KernelInfo *, size_t *> node_output_count{};
constexpr Fallible<236, const KernelInfo *, const char *, Allocator *, Value **> attribute_tensor{};
constexpr Fallible<244, const KernelInfo *, char *, size_t *> node_name{};
constexpr Fallible<90, const KernelContext *, size_t, const Value **> context_input{};
constexpr Fallible<91, KernelContext *, size_t, const int64_t *, size_t, Value **> context_output{};

}  // namespace ort
