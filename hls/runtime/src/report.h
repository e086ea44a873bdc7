// One line of text for a caller's error buffer, and the status that goes with it. No heap: fl_run fails without touching it, too.
#pragma once
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>

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

}  // namespace fl
