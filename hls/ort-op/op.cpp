// An operator library for ONNX Runtime: domain ai.fabriclens, operator FabricConv, version 1.
//   FabricConv(int8 tensors, 1 to 64) -> int8 tensors, 1 to 64; attribute program: uint8 tensor, the bytes of a program.bin
// whose inputs and outputs, in order, shape and name, are the node's. `npx fabriclens export-ort` writes files with such nodes.
#include <exception>
#include <string>

#include "fabric_conv.h"
#include "fabriclens_ort.h"

namespace {

constexpr char DOMAIN[] = "ai.fabriclens";

// What is called from C: nothing is thrown past it.
template <typename Work>
ort::Status *guarded(const ort::Api *api, const Work &work) {
  try {
    work();
    return nullptr;
  } catch (const fl::Refused &refused) {
    return ort::create_status(api, refused.code, refused.text.c_str());
  } catch (const std::exception &failure) {
    return ort::create_status(api, ort::FAIL, failure.what());
  }
}

// A kernel, and the interface that it was made with.
struct Kernel {
  const ort::Api *api;
  fl::FabricConv node;
};

ort::Status *create(const ort::CustomOp *, const ort::Api *api, const ort::KernelInfo *info, void **kernel) {
  return guarded(api, [&] { *kernel = new Kernel{api, {api, info}}; });
}

ort::Status *compute(void *kernel, ort::KernelContext *context) {
  Kernel &k = *static_cast<Kernel *>(kernel);
  return guarded(k.api, [&] { k.node.run(context); });
}

const ort::CustomOp &fabric_conv() {
  static const ort::CustomOp op = [] {
    ort::CustomOp made{};
    made.version = ort::API_VERSION;
    made.name = [](const ort::CustomOp *) { return "FabricConv"; };
    made.execution_provider = [](const ort::CustomOp *) { return "CPUExecutionProvider"; };
    made.input_type = made.output_type = [](const ort::CustomOp *, size_t) { return ort::INT8; };
    made.input_count = made.output_count = [](const ort::CustomOp *) { return size_t(1); };
    made.input_characteristic = made.output_characteristic = [](const ort::CustomOp *, size_t) { return ort::VARIADIC; };
    made.input_memory = [](const ort::CustomOp *, size_t) { return ort::DEFAULT_MEMORY; };
    made.least_inputs = made.least_outputs = [](const ort::CustomOp *) { return int32_t(1); };
    made.inputs_of_one_type = made.outputs_of_one_type = [](const ort::CustomOp *) { return int32_t(1); };
    made.destroy = [](void *kernel) { delete static_cast<Kernel *>(kernel); };
    made.create_kernel_v2 = create;
    made.compute_v2 = compute;
    return made;
  }();
  return op;
}

// Every session that knows the domain reads it as long as it lives: it is made once and never given back.
ort::Status *domain_of(const ort::Api *api, ort::CustomOpDomain **domain) {
  static ort::CustomOpDomain *made = nullptr;
  static ort::Status *const failed = [&]() -> ort::Status * {
    if (ort::Status *status = ort::create_custom_op_domain(api, DOMAIN, &made)) return status;
    return ort::add_custom_op(api, made, &fabric_conv());
  }();
  *domain = made;
  return failed ? ort::create_status(api, ort::FAIL, ort::error_message(api, failed)) : nullptr;
}

}  // namespace

extern "C" FL_API ort::Status *RegisterCustomOps(ort::SessionOptions *options, const ort::ApiBase *base) {
  const ort::Api *api = base->get_api(ort::API_VERSION);
  if (!api) {
    const std::string text = std::string("FabricConv needs ONNX Runtime 1.16 or later; this is ") + base->get_version_string();
    return ort::create_status(base->get_api(1), ort::FAIL, text.c_str());
  }
  ort::CustomOpDomain *domain = nullptr;
  if (ort::Status *status = domain_of(api, &domain)) return status;
  return ort::add_custom_op_domain(api, options, domain);
}

void fl_ort_use_core(fl_core *core, int32_t (*check)(void *context), void *context) { fl::use_core({core, check, context}); }
