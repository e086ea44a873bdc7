// Where there is no NEON: the golden model itself.
#include "kernels.h"

#if !defined(__ARM_NEON) || defined(FL_NO_NEON)

namespace fl::kernels {

size_t prepared_bytes(const Descriptor &d, bool) { return sizeof(int16_t) * prepared_elements(d); }
size_t scratch_bytes(const Descriptor &d, bool) { return sizeof(int16_t) * patch_elements(d); }

void prepare(const Descriptor &d, const uint8_t *data, bool, uint8_t *prepared) {
  prepare_weights(d, reinterpret_cast<const int8_t *>(data + d.weights_offset), reinterpret_cast<int16_t *>(prepared));
}

void run(const Descriptor &d, const Memory &m, const Part &part) {
  run_part(d, {m.arena, m.data, reinterpret_cast<const int16_t *>(m.weights), reinterpret_cast<int16_t *>(m.scratch)}, part);
}

}  // namespace fl::kernels

#endif
