#include "workers.h"

#include "futex.h"

namespace fl {
namespace {

// Layers follow one another within microseconds: what comes soon is waited for awake.
constexpr uint32_t AWAKE = 2000;

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
    wait_while(turn_, turn, AWAKE);
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
  for (uint32_t left; (left = left_.load(std::memory_order_acquire)) != 0;) wait_while(left_, left, AWAKE);
}

}  // namespace fl
