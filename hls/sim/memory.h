// The memory behind the core in simulation: an AXI3 slave for both masters on plain bytes, with the times of core/memory_timing.h,
// random stalls, injected errors, and the rules of AXI held against the core: a breach throws ProtocolError with what and when.
//
// A cycle: drive() sets what the slave says, the model settles and says what it says, clock() takes what passed and goes on.
// What the slave says in a cycle never depends on what the core says in it.
//
// Data moves as late as AXI allows: a write is there when its response was taken. Reads are of the moment of their address. With stalls,
// each burst chooses at random whether it moves then or at the other end, so that a core that counts on either order is found out.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/memory_timing.h"

namespace fl {

struct ProtocolError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum Response : uint8_t { OKAY = 0, SLVERR = 2, DECERR = 3 };

// The wires of one master. The m_ ones are the master's.
struct ReadWires {
  uint32_t m_araddr;
  uint8_t m_arlen;
  bool m_arvalid, m_rready;
  bool arready, rvalid, rlast;
  uint8_t rresp;
  uint64_t rdata;
};
struct WriteWires {
  uint32_t m_awaddr;
  uint8_t m_awlen, m_wstrb;
  bool m_awvalid, m_wvalid, m_wlast, m_bready;
  uint64_t m_wdata;
  bool awready, wready, bvalid;
  uint8_t bresp;
};

// Of 1000 cycles, in how many a channel is not ready, or holds back what it could give. Reads of each port.
struct Stalls {
  uint32_t ar[2] = {0, 0}, r[2] = {0, 0}, aw = 0, w = 0, b = 0;
  bool any() const { return (ar[0] | ar[1] | r[0] | r[1] | aw | w | b) != 0; }
};

// Every burst that fits gets `response` (a read on one beat alone).
struct Fault {
  static constexpr uint32_t ANY = 0xffffffff;
  bool write;
  uint32_t port;             // or ANY
  uint32_t burst;            // the n-th of its port and direction since reset(), from 0; or ANY
  uint32_t address, bytes;   // and touches these; bytes 0: wherever it is
  uint8_t response;
};

struct Traffic {
  uint64_t read_bytes, write_bytes, read_bursts, write_bursts;
};

class AxiMemory {
 public:
  static constexpr uint32_t PORTS = 2;  // the first reads and writes, the second reads
  ReadWires read[PORTS];
  WriteWires write;

  AxiMemory();
  // Bytes [base, base + bytes); the caller's, base a multiple of 8. What is not mapped answers DECERR.
  void map(uint32_t base, uint8_t *data, uint32_t bytes);
  void unmap_all();
  void configure(const MemoryConfig &config, const Stalls &stalls, uint64_t seed);
  void set_faults(std::vector<Fault> faults);
  // From now on; configure() sets them anew.
  void set_stalls(const Stalls &stalls) { stalls_ = stalls; }
  // Forgets what is under way and counts from 0; mapping, configuration and faults stay.
  void reset();

  void drive();
  void clock();

  // Nothing is under way on any channel.
  bool idle() const;
  std::string under_way() const;
  uint64_t now() const { return now_; }
  const Traffic &traffic(uint32_t port) const { return traffic_[port]; }
  void clear_traffic();
  uint32_t unmapped_bursts() const { return unmapped_; }
  uint32_t unmapped_address() const { return unmapped_address_; }

 private:
  static constexpr uint32_t SLOTS = MemoryTiming::OUTSTANDING, BEATS = MemoryTiming::BURST_BEATS;

  struct Region {
    uint32_t base, bytes;
    uint8_t *data;
  };
  struct ReadBurst {
    MemoryTiming::Read timing;
    uint32_t address;
    const uint8_t *data;  // null: answers errors
    uint32_t beats, bad_beat;
    uint8_t response;
    bool taken;  // data is in `words`
    uint64_t words[BEATS];
  };
  struct WriteBurst {
    uint64_t respond_at;
    uint32_t address, beats, have;
    uint8_t *data;
    uint8_t response, strobes[BEATS];
    bool late;
    uint64_t words[BEATS];
  };
  // What a master showed and the slave did not take: it must still be there in the next cycle.
  struct Waiting {
    bool valid;
    uint64_t payload[2];
  };
  struct Reader {
    ReadBurst bursts[SLOTS];
    uint32_t head, count, beat;
    uint64_t beat_at;
    bool showing;
    Waiting ar;
  };

  [[noreturn]] void breach(const char *channel, const std::string &text) const;
  void hold(Waiting &waiting, const char *channel, bool valid, bool ready, uint64_t payload, uint64_t more) const;
  void check_burst(const char *channel, uint32_t address, uint32_t length) const;
  bool chance(uint32_t of_1000);
  uint8_t *find(uint32_t address, uint32_t bytes);
  uint8_t response_of(bool is_write, uint32_t port, uint64_t burst, uint32_t address, uint32_t bytes) const;
  void drive_read(uint32_t port);
  void take_address(uint32_t port);
  void take_beat(uint32_t port);
  void show_next(Reader &reader) const;
  void clock_write();
  void finish_write(WriteBurst &burst);
  static void put(const WriteBurst &burst);

  std::vector<Region> regions_;
  MemoryConfig config_;
  MemoryTiming timing_;
  Stalls stalls_;
  uint64_t seed_, random_, now_;
  std::vector<Fault> faults_;
  Reader readers_[PORTS];
  // Addresses, data and responses of writes go round the same slots, each at its own pace: data may come before its address.
  WriteBurst writes_[SLOTS];
  uint64_t addresses_, filled_, entered_, responded_;
  bool showing_response_;
  Waiting aw_, w_;
  Traffic traffic_[PORTS];
  uint32_t unmapped_, unmapped_address_;
};

}  // namespace fl
