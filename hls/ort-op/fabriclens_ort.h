/* What libfabriclens_ort exports beside RegisterCustomOps, which ONNX Runtime calls, and the runtime's own interface (fabriclens_runtime.h): the core for
 * FabricConv nodes. Without it the golden model computes. Who opens the core (fl_core_open of this very library) knows the board and its guards;
 * agent/fabriclens_agent/driver.py does. */
#ifndef FABRICLENS_ORT_H
#define FABRICLENS_ORT_H

#include "../runtime/include/fabriclens_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Nodes of sessions that are made from now on run on `core`; with NULL on the golden model again. The core stays open as long as such a session lives:
 * fl_core_close gives FL_ERROR_BUSY until then. check is called before each run, in the thread that runs, and gives 0 where the core is still the caller's:
 * with anything else the core is not touched and the run fails. It may be NULL. A session whose program the core has no room for cannot be made. */
FL_API void fl_ort_use_core(fl_core *core, int32_t (*check)(void *context), void *context);

#ifdef __cplusplus
}
#endif
#endif
