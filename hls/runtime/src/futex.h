// Threads that sleep until a word changes. A futex, not a mutex or a condition variable: libstdc++ and glibc both moved theirs to newer versions than the
// oldest image has.
#pragma once
#include <atomic>
#include <cstdint>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#include <thread>
#endif

namespace fl {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "a futex is a 32-bit word");

#if defined(__linux__)
inline void sleep_while(std::atomic<uint32_t> &word, uint32_t value) { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0); }
inline void wake_all(std::atomic<uint32_t> &word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0); }
#else
inline void sleep_while(std::atomic<uint32_t> &, uint32_t) { std::this_thread::yield(); }
inline void wake_all(std::atomic<uint32_t> &) {}
#endif

// Awake at first, for so many looks: what comes soon is met at once.
inline void wait_while(std::atomic<uint32_t> &word, uint32_t value, uint32_t awake) {
  for (uint32_t i = 0; i < awake; i++) {
    if (word.load(std::memory_order_acquire) != value) return;
  }
  while (word.load(std::memory_order_acquire) == value) sleep_while(word, value);
}

}  // namespace fl
