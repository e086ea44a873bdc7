#include "device.h"

#include <cstdio>
#include <cstring>

#include "program.h"

namespace fl {
namespace {

using Wide = unsigned long long;

void require(bool holds, const char *text) {
  if (!holds) throw Refusal{FL_ERROR_ARGUMENT, text};
}

}  // namespace

CoreDevice::CoreDevice(const fl_core_device &device) : device_(device), simulated_(false) {
  require(device.clock_khz >= 1000 && device.clock_khz <= 1000000, "clock_khz is not 1000 to 1000000");
  require(device.registers && reinterpret_cast<uintptr_t>(device.registers) % sizeof(uint32_t) == 0, "registers is NULL or not aligned to 4");
  require(device.register_bytes >= Register::SPAN, "register_bytes is less than 4096");
  require(device.memory && reinterpret_cast<uintptr_t>(device.memory) % CORE_ALIGNMENT == 0, "memory is NULL or not aligned to 128");
  require(device.memory_address % CORE_ALIGNMENT == 0, "memory_address is not a multiple of 128");
  require(device.memory_bytes > 0 && device.memory_bytes <= (uint64_t(1) << 32) - device.memory_address, "memory ends beyond the 4 GB that the core can address");
  require(device.deadline_ns > 0, "deadline_ns is 0");
  require(device.source, "source is NULL");
  simulated_ = std::strcmp(device.source, "rtl") == 0;
  require(simulated_ || std::strcmp(device.source, "measured") == 0, "source is neither \"measured\" nor \"rtl\"");
  identify();
  // Whoever used it before may have left it in the middle of something.
  CoreResult result;
  if (!ready(result)) throw Refusal{FL_ERROR_DEVICE, result.text};
}

void CoreDevice::identify() {
  const uint32_t id = read(Register::ID);
  if (id != CORE_ID) {
    throw Refusal{FL_ERROR_DEVICE, text_of("the programmable logic answers ID 0x%08x, a FabricLens core answers 0x%08x: load the FabricLens overlay, built by hls/vivado", id, CORE_ID)};
  }
  version_ = read(Register::VERSION);
  if (version_ != (CORE_VERSION << 16 | LAYOUT_VERSION)) {
    throw Refusal{FL_ERROR_VERSION, text_of("the core is of version %u and layout %u, this runtime drives version %u and layout %u: build and import the overlay of this release, "
                                            "or update the runtime", version_ >> 16, version_ & 0xffff, CORE_VERSION, LAYOUT_VERSION)};
  }
  const uint32_t capability = read(Register::CAPABILITY);
  geometry_ = geometry_of(capability);
  const bool known = (capability & 0xff) == CORE_INPUT_LANES && (geometry_.output_lanes == 8 || geometry_.output_lanes == 16) &&
                     (geometry_.pixel_lanes == 1 || geometry_.pixel_lanes == 3);
  if (!known) {
    throw Refusal{FL_ERROR_DEVICE, text_of("the core states the shape 0x%08x: %u x %u x %u lanes, and there are none but 16 x 8 or 16 x 1 or 3: build the overlay with hls/vivado's parameters",
                                           capability, capability & 0xff, geometry_.output_lanes, geometry_.pixel_lanes)};
  }
}

CoreDevice::Hold::Hold(CoreDevice &core, const Limits &limits) : core_(core), status_(FL_OK) {
  const uint64_t start = now_ns();
  while (core_.held_.exchange(true, std::memory_order_acquire)) {
    status_ = limits.reached();
    if (status_ != FL_OK) return;
    pause(now_ns() - start);
  }
}

CoreDevice::Hold::~Hold() {
  if (status_ == FL_OK) core_.held_.store(false, std::memory_order_release);
}

uint32_t CoreDevice::take(uint64_t bytes) {
  CoreResult result;
  if (!ready(result)) throw Refusal{FL_ERROR_DEVICE, result.text};
  // Never 0, so that each has a place of its own.
  const uint64_t wanted = core_aligned(std::max<uint64_t>(bytes, 1));
  uint64_t at = 0, largest = 0;
  const auto fits = [&](uint64_t end) {
    const uint64_t gap = end - at;
    largest = gap > largest ? gap : largest;
    return gap >= wanted;
  };
  auto next = used_.begin();
  for (; next != used_.end() && !fits(next->first); ++next) at = next->first + next->second;
  if (next == used_.end() && !fits(device_.memory_bytes / CORE_ALIGNMENT * CORE_ALIGNMENT)) {
    throw Refusal{FL_ERROR_MEMORY, text_of("the program needs %llu bytes of the core's memory; of its %llu bytes, %llu are free in one piece", Wide(wanted), Wide(device_.memory_bytes),
                                           Wide(largest))};
  }
  used_.emplace(uint32_t(at), wanted);
  std::memset(this->at(uint32_t(at)), 0, size_t(wanted));
  return uint32_t(at);
}

void CoreDevice::give_back(uint32_t offset) {
  const auto found = used_.find(offset);
  std::memset(at(offset), 0, size_t(found->second));
  to_core(offset, found->second);
  used_.erase(found);
}

bool CoreDevice::to_core(uint32_t offset, uint64_t bytes) const { return !device_.sync || bytes == 0 || device_.sync(device_.context, FL_SYNC_TO_CORE, offset, bytes) == 0; }
bool CoreDevice::from_core(uint32_t offset, uint64_t bytes) const { return !device_.sync || bytes == 0 || device_.sync(device_.context, FL_SYNC_FROM_CORE, offset, bytes) == 0; }

bool CoreDevice::reset() {
  write(Register::CONTROL, ControlBit::SOFT_RESET);
  const uint64_t start = now_ns();
  for (;;) {
    if (!(read(Register::CONTROL) & ControlBit::SOFT_RESET) && !(read(Register::STATUS) & (StatusBit::RESETTING | StatusBit::BUSY | StatusBit::ERROR))) return true;
    const uint64_t waited = now_ns() - start;
    if (waited > device_.deadline_ns) return false;
    pause(waited);
  }
}

bool CoreDevice::ready(CoreResult &result) {
  if (!running_) return true;
  running_ = !reset();
  if (!running_) return true;
  result.status = FL_ERROR_DEVICE;
  std::snprintf(result.text, sizeof result.text, "the core does not end a reset within %llu ms (STATUS 0x%x): load its overlay again, or restart the board",
                Wide(device_.deadline_ns / 1000000), read(Register::STATUS));
  return false;
}

bool CoreDevice::fail(CoreResult &result, int32_t status) {
  result.status = status;
  // What went wrong first is what is said; where the core is lost too, the next one who wants it is told.
  CoreResult unheard;
  ready(unheard);
  return false;
}

void CoreDevice::name_error(CoreResult &result) const {
  static const char *const WORDS[] = {"an error that it does not name", "a malformed command", "an address outside of the program's memory", "a bus error on a read", "a bus error on a write",
                                      "a layer that took longer than allowed"};
  const uint32_t code = read(Register::ERROR_CODE);
  result.layer = read(Register::ERROR_LAYER);
  std::snprintf(result.text, sizeof result.text, "the core reports %s (ERROR_CODE %u)", WORDS[code <= CoreError::WATCHDOG ? code : 0], code);
}

bool CoreDevice::run(const Job &job, const Limits &limits, CoreResult &result) {
  const uint32_t before = read(Register::COMPLETED);
  fl::describe(job, [this](uint32_t offset, uint32_t value) { write(offset, value); });
  const uint64_t microseconds = std::min<uint64_t>(device_.deadline_ns / 1000, UINT32_MAX);
  write(Register::WATCHDOG_CYCLES, uint32_t(std::min<uint64_t>(std::max<uint64_t>(microseconds * device_.clock_khz / 1000, 1), UINT32_MAX)));
  settle();
  running_ = true;
  write(Register::DOORBELL, 1);
  const uint64_t start = now_ns();
  for (;;) {
    const uint32_t status = read(Register::STATUS);
    if ((status & StatusBit::ERROR) && !(status & StatusBit::BUSY)) {
      name_error(result);
      return fail(result, FL_ERROR_DEVICE);
    }
    if (read(Register::COMPLETED) != before) break;
    const int32_t stop = limits.reached();
    if (stop != FL_OK) return fail(result, stop);
    const uint64_t waited = now_ns() - start;
    if (waited > device_.deadline_ns) {
      std::snprintf(result.text, sizeof result.text, "the core did not end a segment within %llu ms (STATUS 0x%x)", Wide(device_.deadline_ns / 1000000), status);
      return fail(result, FL_ERROR_DEVICE);
    }
    pause(waited);
  }
  running_ = false;
  settle();
  result.core_ns = ns_of(uint64_t(read(Register::CYCLES_HIGH)) << 32 | read(Register::CYCLES_LOW));
  return true;
}

void CoreDevice::layer_times(uint32_t count, uint64_t *ns) {
  // The core ignores what is written there; whoever serves the registers more slowly than a bus replaces it by his answer.
  constexpr uint32_t NO_ANSWER = UINT32_MAX;
  uint32_t before = 0;
  for (uint32_t i = 0; i < count; i++) {
    write(Register::LAYER_CYCLES, NO_ANSWER);
    write(Register::LAYER_SELECT, i);
    uint32_t end;
    const uint64_t start = now_ns();
    while ((end = read(Register::LAYER_CYCLES)) == NO_ANSWER && now_ns() - start < device_.deadline_ns) pause(now_ns() - start);
    ns[i] = ns_of(end - before);
    before = end;
  }
}

void CoreDevice::describe(fl_core_info &info) const {
  info.core_version = version_ >> 16;
  info.layout_version = version_ & 0xffff;
  info.clock_khz = device_.clock_khz;
  info.input_lanes = CORE_INPUT_LANES;
  info.output_lanes = geometry_.output_lanes;
  info.pixel_lanes = geometry_.pixel_lanes;
  info.programs = uint32_t(used_.size());
  info.memory_bytes = device_.memory_bytes;
  info.memory_used = 0;
  for (const auto &[offset, bytes] : used_) info.memory_used += bytes;
}

}  // namespace fl
