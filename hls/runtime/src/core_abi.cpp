// The part of the C ABI that is about the programmable logic.
#include <memory>

#include "../include/fabriclens_runtime.h"
#include "device.h"
#include "loaded.h"
#include "report.h"

using fl::report;

int32_t fl_core_open(const fl_core_device *device, fl_core **core, char *error, size_t error_bytes) {
  fl::clear(error, error_bytes);
  if (!core) return report(error, error_bytes, FL_ERROR_ARGUMENT, "core is NULL");
  *core = nullptr;
  if (!device || device->struct_bytes < sizeof *device || device->reserved != 0) {
    return report(error, error_bytes, FL_ERROR_ARGUMENT, "device is NULL, has no struct_bytes, or reserved is not 0");
  }
  return fl::guarded(error, error_bytes, [&] { *core = new fl_core(*device); });
}

int32_t fl_core_close(fl_core *core) {
  if (!core) return FL_OK;
  bool stopped;
  {
    const fl::CoreDevice::Hold hold(*core, {});
    if (core->in_use()) return FL_ERROR_BUSY;
    fl::CoreResult result;
    stopped = core->ready(result);
  }
  delete core;
  return stopped ? FL_OK : FL_ERROR_DEVICE;
}

int32_t fl_get_core_info(fl_core *core, fl_core_info *info) {
  if (!core || !info || info->struct_bytes < sizeof *info) return FL_ERROR_ARGUMENT;
  const fl::CoreDevice::Hold hold(*core, {});
  core->describe(*info);
  return FL_OK;
}

int32_t fl_use_core(fl_program *program, fl_core *core, char *error, size_t error_bytes) {
  fl::clear(error, error_bytes);
  if (!program) return report(error, error_bytes, FL_ERROR_ARGUMENT, "program is NULL");
  const fl::Occupied occupied{program->busy};
  if (!occupied.mine) return report(error, error_bytes, FL_ERROR_BUSY, "this program is running in another thread");
  program->offload.reset();
  if (!core) return FL_OK;
  return fl::guarded(error, error_bytes, [&] { program->offload = std::make_unique<fl::Offload>(*program, *core); });
}
