// When to stop waiting, and how to wait. No heap, no thread.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "../include/fabriclens_runtime.h"

namespace fl {

inline uint64_t now_ns() {
  return uint64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

// What the caller of fl_run asked for.
struct Limits {
  const volatile int32_t *cancel = nullptr;
  uint64_t end_ns = 0;  // of now_ns(); 0: none

  // FL_OK, FL_ERROR_CANCELLED or FL_ERROR_DEADLINE.
  int32_t reached() const {
    if (cancel && *cancel) return FL_ERROR_CANCELLED;
    return end_ns > 0 && now_ns() >= end_ns ? FL_ERROR_DEADLINE : FL_OK;
  }
};

// Between two looks at something that was first looked at `waited_ns` ago. What comes soon is waited for awake; later looks are a 64th of the time apart,
// LEAST at least, so that no more than that and the timers' own lateness is added to it, and the processor is left to others.
inline void pause(uint64_t waited_ns) {
  constexpr uint64_t AWAKE = 20000, LEAST = 20000, MOST = 1000000;
  if (waited_ns < AWAKE) return;
  std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(MOST, std::max(LEAST, waited_ns / 64))));
}

}  // namespace fl
