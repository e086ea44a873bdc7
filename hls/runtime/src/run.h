// One inference on a loaded program. No heap.
#pragma once
#include "../include/fabriclens_runtime.h"
#include "limits.h"
#include "loaded.h"

namespace fl {

class Run {
 public:
  // `start`: when the caller's call began, of now_ns(). options and timing may be NULL.
  Run(fl_program &program, const fl_run_options *options, fl_timing *timing, uint64_t start);

  // Index of the first NaN of the input, or -1.
  int64_t load_input(uint32_t index, const fl_buffer &buffer);
  // All of them; writes `error` where the status is not FL_OK.
  int32_t layers(char *error, size_t error_bytes);
  void store_output(uint32_t index, const fl_buffer &buffer) const;
  // What the simulation of a core took beyond what it counts; 0 otherwise.
  int64_t uncounted_ns() const { return uncounted_ns_; }

 private:
  int32_t core_segment(size_t first_layer, uint32_t segment, char *error, size_t error_bytes);
  void processor_layer(const Layer &layer);
  void count(const Layer &layer, size_t index, uint64_t ns);

  fl_program &p_;
  fl_timing *timing_;
  Limits limits_;
  int64_t uncounted_ns_ = 0;
};

}  // namespace fl
