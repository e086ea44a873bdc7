#include "memory.h"

#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

namespace fl {
namespace {

constexpr uint32_t PAGE = 4096;
constexpr uint64_t ABSENT = 0xbadbadbadbadbad0;  // what reads beside the mapped bytes give

uint64_t seeded(uint64_t seed) { return seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d; }

std::string text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
std::string text_of(const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

}  // namespace

AxiMemory::AxiMemory() : timing_(config_), seed_(0) { reset(); }

void AxiMemory::map(uint32_t base, uint8_t *data, uint32_t bytes) { regions_.push_back({base, bytes, data}); }
void AxiMemory::unmap_all() { regions_.clear(); }

void AxiMemory::configure(const MemoryConfig &config, const Stalls &stalls, uint64_t seed) {
  config_ = config;
  stalls_ = stalls;
  seed_ = seed;
  reset();
}

void AxiMemory::set_faults(std::vector<Fault> faults) { faults_ = std::move(faults); }

void AxiMemory::reset() {
  for (ReadWires &r : read) r = {};
  write = {};
  for (Reader &reader : readers_) reader = {};
  for (WriteBurst &burst : writes_) burst = {};
  addresses_ = filled_ = entered_ = responded_ = 0;
  showing_response_ = false;
  aw_ = w_ = {};
  timing_ = MemoryTiming(config_);
  random_ = seeded(seed_);
  now_ = 0;
  unmapped_ = unmapped_address_ = 0;
  clear_traffic();
}

void AxiMemory::clear_traffic() {
  for (Traffic &t : traffic_) t = {};
}

bool AxiMemory::idle() const {
  return readers_[0].count == 0 && readers_[1].count == 0 && addresses_ == responded_ && filled_ == responded_ && writes_[filled_ % SLOTS].have == 0 &&
         !readers_[0].ar.valid && !readers_[1].ar.valid && !aw_.valid && !w_.valid;
}

std::string AxiMemory::under_way() const {
  return text_of("reads %u and %u, writes: %" PRIu64 " addresses and %" PRIu64 " data bursts (+ %u beats) without response; waiting AR %d %d AW %d W %d",
                 readers_[0].count, readers_[1].count, addresses_ - responded_, filled_ - responded_, writes_[filled_ % SLOTS].have,
                 readers_[0].ar.valid, readers_[1].ar.valid, aw_.valid, w_.valid);
}

void AxiMemory::breach(const char *channel, const std::string &text) const {
  throw ProtocolError(text_of("AXI %s in cycle %" PRIu64 ": %s", channel, now_, text.c_str()));
}

bool AxiMemory::chance(uint32_t of_1000) {
  if (of_1000 == 0) return false;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return uint32_t(random_ >> 32) % 1000 < of_1000;
}

void AxiMemory::hold(Waiting &waiting, const char *channel, bool valid, bool ready, uint64_t payload, uint64_t more) const {
  if (waiting.valid) {
    if (!valid) breach(channel, "valid fell before it was taken");
    if (waiting.payload[0] != payload || waiting.payload[1] != more) breach(channel, "its payload changed while it waited");
  }
  waiting = {valid && !ready, {payload, more}};
}

void AxiMemory::check_burst(const char *channel, uint32_t address, uint32_t length) const {
  if (length >= BEATS) breach(channel, text_of("a burst of %u beats", length + 1));
  if (address % MemoryTiming::BEAT_BYTES != 0) breach(channel, text_of("address 0x%08x is not a multiple of 8", address));
  if (address % PAGE + (length + 1) * MemoryTiming::BEAT_BYTES > PAGE) breach(channel, text_of("%u beats from 0x%08x on cross 4 KB", length + 1, address));
}

uint8_t *AxiMemory::find(uint32_t address, uint32_t bytes) {
  for (const Region &r : regions_) {
    if (address >= r.base && uint64_t(address) + bytes <= uint64_t(r.base) + r.bytes) return r.data + (address - r.base);
  }
  if (unmapped_++ == 0) unmapped_address_ = address;
  return nullptr;
}

uint8_t AxiMemory::response_of(bool is_write, uint32_t port, uint64_t burst, uint32_t address, uint32_t bytes) const {
  for (const Fault &f : faults_) {
    if (f.write != is_write || (f.port != Fault::ANY && f.port != port) || (f.burst != Fault::ANY && f.burst != burst)) continue;
    if (f.bytes == 0 || (uint64_t(address) + bytes > f.address && uint64_t(f.address) + f.bytes > address)) return f.response;
  }
  return OKAY;
}

void AxiMemory::drive() {
  for (uint32_t port = 0; port < PORTS; port++) drive_read(port);
  write.awready = addresses_ - responded_ < SLOTS && !chance(stalls_.aw);
  write.wready = filled_ - responded_ < SLOTS && !chance(stalls_.w);
  if (!showing_response_ && responded_ < entered_ && writes_[responded_ % SLOTS].respond_at <= now_) showing_response_ = !chance(stalls_.b);
  write.bvalid = showing_response_;
  write.bresp = showing_response_ ? writes_[responded_ % SLOTS].response : 0;
}

void AxiMemory::drive_read(uint32_t port) {
  Reader &reader = readers_[port];
  ReadWires &wires = read[port];
  wires.arready = reader.count < SLOTS && !chance(stalls_.ar[port]);
  if (!reader.showing && reader.count > 0 && reader.beat_at <= now_ && !chance(stalls_.r[port])) {
    ReadBurst &burst = reader.bursts[reader.head];
    if (!burst.taken && burst.data) std::memcpy(&burst.words[reader.beat], burst.data + 8 * reader.beat, 8);
    reader.showing = true;
    wires.rdata = burst.data ? burst.words[reader.beat] : ABSENT;
    wires.rresp = reader.beat == burst.bad_beat ? burst.response : uint8_t(OKAY);
    wires.rlast = reader.beat + 1 == burst.beats;
  }
  wires.rvalid = reader.showing;
}

void AxiMemory::clock() {
  static const char *const AR[PORTS] = {"m0 AR", "m1 AR"};
  for (uint32_t port = 0; port < PORTS; port++) {
    const ReadWires &r = read[port];
    hold(readers_[port].ar, AR[port], r.m_arvalid, r.arready, r.m_araddr, r.m_arlen);
    if (r.m_arvalid && r.arready) {
      check_burst(AR[port], r.m_araddr, r.m_arlen);
      take_address(port);
    }
    if (r.rvalid && r.m_rready) take_beat(port);
  }
  clock_write();
  now_++;
}

void AxiMemory::show_next(Reader &reader) const {
  if (reader.count > 0) reader.beat_at = MemoryTiming::ready(reader.bursts[reader.head].timing, reader.beat);
}

void AxiMemory::take_address(uint32_t port) {
  Reader &reader = readers_[port];
  const ReadWires &r = read[port];
  const uint32_t beats = r.m_arlen + 1u, bytes = 8 * beats;
  ReadBurst &burst = reader.bursts[(reader.head + reader.count) % SLOTS];
  burst.timing = timing_.read(now_, beats);
  burst.address = r.m_araddr;
  burst.beats = beats;
  burst.data = find(r.m_araddr, bytes);
  burst.response = burst.data ? response_of(false, port, traffic_[port].read_bursts, r.m_araddr, bytes) : uint8_t(DECERR);
  burst.bad_beat = burst.response == OKAY ? BEATS : uint32_t(now_) % beats;
  burst.taken = burst.data && !(stalls_.any() && chance(500));
  if (burst.taken) std::memcpy(burst.words, burst.data, bytes);
  traffic_[port].read_bytes += bytes;
  traffic_[port].read_bursts++;
  if (reader.count++ == 0) show_next(reader);
}

void AxiMemory::take_beat(uint32_t port) {
  Reader &reader = readers_[port];
  reader.showing = false;
  if (++reader.beat == reader.bursts[reader.head].beats) {
    reader.beat = 0;
    reader.head = (reader.head + 1) % SLOTS;
    reader.count--;
  }
  show_next(reader);
}

void AxiMemory::put(const WriteBurst &burst) {
  if (!burst.data) return;
  for (uint32_t i = 0; i < burst.beats; i++) {
    if (burst.strobes[i] == 0xff) {
      std::memcpy(burst.data + 8 * i, &burst.words[i], 8);
      continue;
    }
    for (uint32_t k = 0; k < 8; k++) {
      if (burst.strobes[i] >> k & 1) burst.data[8 * i + k] = uint8_t(burst.words[i] >> 8 * k);
    }
  }
}

// Address and data are both in.
void AxiMemory::finish_write(WriteBurst &burst) {
  const uint32_t bytes = 8 * burst.beats;
  burst.data = find(burst.address, bytes);
  burst.response = burst.data ? response_of(true, 0, traffic_[0].write_bursts, burst.address, bytes) : uint8_t(DECERR);
  burst.respond_at = timing_.write(now_, burst.beats);
  burst.late = !(stalls_.any() && chance(500));
  if (!burst.late) put(burst);
  traffic_[0].write_bytes += bytes;
  traffic_[0].write_bursts++;
  entered_++;
}

void AxiMemory::clock_write() {
  const WriteWires &w = write;
  hold(aw_, "m0 AW", w.m_awvalid, w.awready, w.m_awaddr, w.m_awlen);
  hold(w_, "m0 W", w.m_wvalid, w.wready, w.m_wdata, uint64_t(w.m_wstrb) << 1 | w.m_wlast);
  const bool respond = w.bvalid && w.m_bready;  // of an earlier cycle: a burst of this one comes into its slot only afterwards
  if (w.m_awvalid && w.awready) {
    check_burst("m0 AW", w.m_awaddr, w.m_awlen);
    WriteBurst &burst = writes_[addresses_ % SLOTS];
    burst.address = w.m_awaddr;
    burst.beats = w.m_awlen + 1u;
    if (addresses_ < filled_ && burst.have != burst.beats) breach("m0 AW", text_of("announces %u beats after %u of data up to WLAST", burst.beats, burst.have));
    addresses_++;
  }
  if (w.m_wvalid && w.wready) {
    WriteBurst &burst = writes_[filled_ % SLOTS];
    const bool known = filled_ < addresses_;
    if (burst.have == BEATS) breach("m0 W", "more than 16 beats without WLAST");
    burst.words[burst.have] = w.m_wdata;
    burst.strobes[burst.have++] = w.m_wstrb;
    if (known && w.m_wlast != (burst.have == burst.beats)) breach("m0 W", text_of("WLAST is %d on beat %u of %u", w.m_wlast, burst.have, burst.beats));
    if (w.m_wlast) filled_++;
  }
  if (respond) {
    WriteBurst &burst = writes_[responded_ % SLOTS];
    if (burst.late) put(burst);
    burst.have = 0;
    showing_response_ = false;
    responded_++;
  }
  while (entered_ < addresses_ && entered_ < filled_) finish_write(writes_[entered_ % SLOTS]);
}

}  // namespace fl
