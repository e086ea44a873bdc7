// One FabricConv node: the program that it carries, loaded once, and run on the node's tensors.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../runtime/include/fabriclens_runtime.h"
#include "ort_api.h"
#include "turn.h"

namespace fl {

// The core that nodes run on, or nullptr: fabriclens_ort.h.
struct Core {
  fl_core *core = nullptr;
  int32_t (*check)(void *context) = nullptr;
  void *context = nullptr;
};
// Taken from now on by nodes that are made.
void use_core(const Core &core);

// What goes to ONNX Runtime as a Status: its code and a sentence that names the node.
struct Refused {
  ort::ErrorCode code;
  std::string text;
};

class FabricConv {
 public:
  // Loads the node's attribute `program`. Throws Refused.
  FabricConv(const ort::Api *api, const ort::KernelInfo *info);
  // One inference; calls from several threads follow one another. Throws Refused.
  void run(ort::KernelContext *context);

 private:
  // A tensor of the program: int8, of one shape.
  struct Port {
    std::string name;
    std::vector<int64_t> shape;
    size_t bytes;
  };
  struct Unload {
    void operator()(fl_program *program) const { fl_unload(program); }
  };

  const ort::Api *api_;
  std::string name_;
  std::unique_ptr<fl_program, Unload> program_;
  std::vector<Port> inputs_, outputs_;
  Core core_;
  Turns turns_;

  [[noreturn]] void refuse(ort::ErrorCode code, const std::string &why) const;
  void check(ort::Status *status) const;
  void load(const ort::KernelInfo *info);
  std::vector<Port> ports(uint32_t direction, uint32_t count) const;
  void check_count(const char *side, size_t given, size_t wanted) const;
  fl_buffer input(ort::KernelContext *context, size_t index) const;
  fl_buffer output(ort::KernelContext *context, size_t index) const;
};

}  // namespace fl
