#include "workers.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fl {
namespace {

// Layers follow one another within microseconds: what comes soon is waited for awake.
constexpr uint32_t AWAKE = 2000;

// A futex, not a condition variable: libstdc++ and glibc both moved theirs to newer versions than the oldest image has.
#if defined(__linux__)
void sleep_while(std::atomic<uint32_t> &word, uint32_t value) { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0); }
void wake_all(std::atomic<uint32_t> &word) { syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0); }
#else
void sleep_while(std::atomic<uint32_t> &, uint32_t) { std::this_thread::yield(); }
void wake_all(std::atomic<uint32_t> &) {}
#endif
static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "a futex is a 32-bit word");

void wait_while(std::atomic<uint32_t> &word, uint32_t value) {
  for (uint32_t i = 0; i < AWAKE; i++) {
    if (word.load(std::memory_order_acquire) != value) return;
  }
  while (word.load(std::memory_order_acquire) == value) sleep_while(word, value);
}

}  // namespace

bool has_workers() {
#if defined(__linux__)
  return true;
#else
  return false;
#endif
}

Workers::Workers(uint32_t count) {
  try {
    for (uint32_t i = 1; i <= count; i++) threads_.emplace_back([this, i] { serve(i); });
  } catch (...) {
    stop_ = true;
    begin();
    for (std::thread &thread : threads_) thread.join();
    throw;
  }
}

Workers::~Workers() {
  stop_ = true;
  begin();
  for (std::thread &thread : threads_) thread.join();
}

void Workers::begin() {
  turn_.fetch_add(1, std::memory_order_release);
  wake_all(turn_);
}

void Workers::serve(uint32_t index) {
  for (uint32_t turn = 0;; turn++) {
    wait_while(turn_, turn);
    if (stop_) return;
    work_(context_, index);
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) wake_all(left_);
  }
}

void Workers::run(Work work, const void *context) {
  work_ = work;
  context_ = context;
  left_.store(uint32_t(threads_.size()), std::memory_order_relaxed);
  begin();
  work(context, 0);
  for (uint32_t left; (left = left_.load(std::memory_order_acquire)) != 0;) wait_while(left_, left);
}

}  // namespace fl
