// Who runs next: a program runs once at a time, and a session may be run by several threads.
#pragma once
#include "../runtime/src/futex.h"

namespace fl {

// In the order in which they came.
class Turns {
 public:
  void take() {
    const uint32_t mine = next_.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t now; (now = now_.load(std::memory_order_acquire)) != mine;) wait_while(now_, now, 0);
  }
  void give_back() {
    now_.fetch_add(1, std::memory_order_release);
    wake_all(now_);
  }

 private:
  std::atomic<uint32_t> next_{0}, now_{0};
};

// A turn, as long as this lives.
class Turn {
 public:
  explicit Turn(Turns &turns) : turns_(turns) { turns_.take(); }
  ~Turn() { turns_.give_back(); }
  Turn(const Turn &) = delete;
  Turn &operator=(const Turn &) = delete;

 private:
  Turns &turns_;
};

}  // namespace fl
