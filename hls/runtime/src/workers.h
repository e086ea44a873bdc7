// The threads that compute a layer together: started once, woken for each layer, no heap and no lock in between.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace fl {

class Workers {
 public:
  using Work = void (*)(const void *context, uint32_t index);

  // So many beside the caller. Throws what std::thread throws.
  explicit Workers(uint32_t count);
  ~Workers();
  Workers(const Workers &) = delete;
  Workers &operator=(const Workers &) = delete;

  // Calls work(context, 0) here and work(context, 1...) on the others; returns when all have returned.
  void run(Work work, const void *context);

 private:
  std::atomic<uint32_t> turn_{0}, left_{0};
  bool stop_ = false;
  Work work_ = nullptr;
  const void *context_ = nullptr;
  std::vector<std::thread> threads_;

  void serve(uint32_t index);
  void begin();
};

// Can threads be put to sleep here?
bool has_workers();

}  // namespace fl
