// One line of text for a caller's error buffer, and the status that goes with it. report() touches no heap: fl_run fails without, too.
#pragma once
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>

#include "../include/fabriclens_runtime.h"
#include "program.h"

namespace fl {

__attribute__((format(printf, 4, 5))) inline int32_t report(char *error, size_t error_bytes, int32_t status, const char *format, ...) {
  if (!error || error_bytes == 0) return status;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error, error_bytes, format, arguments);
  va_end(arguments);
  return status;
}

// As fl_get_* and others begin: no error yet.
inline void clear(char *error, size_t error_bytes) {
  if (error && error_bytes > 0) error[0] = 0;
}

// What is called from C: nothing is thrown past it.
template <typename Work>
int32_t guarded(char *error, size_t error_bytes, const Work &work) {
  try {
    work();
    return FL_OK;
  } catch (const Refusal &refusal) {
    return report(error, error_bytes, refusal.status, "%s", refusal.text.c_str());
  } catch (const std::bad_alloc &) {
    return report(error, error_bytes, FL_ERROR_MEMORY, "out of memory");
  } catch (const std::exception &failure) {
    // A vector beyond what 32 bits address, a thread too many.
    return report(error, error_bytes, FL_ERROR_MEMORY, "%s", failure.what());
  }
}

}  // namespace fl
