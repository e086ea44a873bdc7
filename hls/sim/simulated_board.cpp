// The Verilated core as hardware: a program that serves its registers and its memory over two files, so that whoever maps them drives it with the very
// code that maps a board's /dev/mem.
//   simulated_board DIR [MEMORY-BYTES [MEMORY-ADDRESS]]     default 33554432 (32 MiB) at 0x10000000
// makes DIR/registers (4096 bytes) and DIR/memory, writes one line that begins with "serving" when both are there, and ends when stdin ends.
// Commands on stdin, a line each, answered by "ok" or "error WHY":
//   fault read|write slverr|decerr [N]   the next burst of that kind (N: the N-th of a segment, from 0) is answered so, until the core has reported an error
//   lose          the next doorbell is not heard: a segment that never ends
//   hang          memory answers nothing more, and a reset does not end, until `resume`
//   resume
//   show OFFSET VALUE   the register at OFFSET reads as VALUE, until `show OFFSET`
//
// What a file cannot do as a bus does:
// - A write is seen at the next look, microseconds to a millisecond later: wait for what the core changes (COMPLETED, bits of STATUS, CONTROL's reset bit),
//   never for what you wrote. DOORBELL and CONTROL's reset bit read as written until they were seen. Two writes to one register between two looks are one.
// - STATUS shows bit 31 with DONE or ERROR, so that writing those bits back to clear them is a change that can be seen.
// - After LAYER_SELECT write anything to LAYER_CYCLES, which a core ignores: it is replaced by the answer.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>
#include <verilated.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <map>
#include <sstream>
#include <string>
#include <thread>

#include "../core/layout.h"
#include "core_sim.h"

namespace {

using namespace fl;
using Clock = std::chrono::steady_clock;

constexpr uint32_t STEP_CYCLES = 1000;  // between two looks while the core runs
constexpr uint32_t MARK = 1u << 31;     // of STATUS, see above
// Looks while the core is idle: soon after the last access they are close together.
using Pause = std::chrono::microseconds;
constexpr Pause AWAKE{20000}, SHORT{50}, LONG{1000};

constexpr uint32_t WRITABLE[] = {Register::WATCHDOG_CYCLES, Register::COMMAND_ADDRESS, Register::COMMAND_COUNT, Register::ARENA_ADDRESS,
                                 Register::ARENA_BYTES,     Register::DATA_ADDRESS,    Register::DATA_BYTES,    Register::LAYER_SELECT};
// In the order in which they are shown: what a client waits for comes last.
constexpr uint32_t READABLE[] = {Register::ID,          Register::VERSION,    Register::CAPABILITY,  Register::CYCLES_LOW,  Register::CYCLES_HIGH,
                                 Register::STALL_READ,  Register::STALL_WRITE, Register::LAYER_CYCLES, Register::ERROR_LAYER, Register::ERROR_CODE};

void *map_file(const std::string &path, size_t bytes) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  void *at = file >= 0 && ftruncate(file, off_t(bytes)) == 0 ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  if (at == MAP_FAILED) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), std::strerror(errno));
    std::exit(1);
  }
  close(file);
  return at;
}

class Board {
 public:
  Board(const std::string &folder, uint32_t memory_bytes, uint32_t memory_address)
      : cells_(static_cast<std::atomic<uint32_t> *>(map_file(folder + "/registers", Register::SPAN))) {
    uint8_t *memory = static_cast<uint8_t *>(map_file(folder + "/memory", memory_bytes));
    core_.memory.map(memory_address, memory, memory_bytes);
    core_.reset();
    for (const uint32_t offset : WRITABLE) show(offset, core_.read(offset));
    show(Register::CONTROL, core_.read(Register::CONTROL));
    show_all();
  }

  // One look: takes what was written, lets the core run. Gives how long nobody needs to look again.
  Pause look() {
    if (take_writes()) active_ = Clock::now();
    if (busy_) {
      core_.cycles(STEP_CYCLES);
      show_all();
      active_ = Clock::now();
      return hanging_ ? LONG : Pause(0);
    }
    return Clock::now() - active_ < AWAKE ? SHORT : LONG;
  }

  // "ok", or "error WHY".
  std::string command(const std::string &line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "fault") return fault(words);
    if (verb == "show") return override(words);
    if (verb == "lose") lose_ = true;
    else if (verb == "hang" || verb == "resume") hang(verb == "hang");
    else return "error unknown command";
    return "ok";
  }

 private:
  std::atomic<uint32_t> &cell(uint32_t offset) { return cells_[offset / sizeof(uint32_t)]; }

  std::string fault(std::istringstream &words) {
    std::string kind, answer;
    words >> kind >> answer;
    if ((kind != "read" && kind != "write") || (answer != "slverr" && answer != "decerr")) return "error fault read|write slverr|decerr [N]";
    Fault f{kind == "write", Fault::ANY, Fault::ANY, 0, 0, answer == "slverr" ? SLVERR : DECERR};
    uint32_t burst;
    if (words >> burst) f.burst = burst;
    core_.memory.set_faults({f});
    return "ok";
  }

  std::string override(std::istringstream &words) {
    uint32_t offset, value;
    if (!(words >> std::setbase(0) >> offset) || offset >= Register::SPAN || offset % sizeof(uint32_t) != 0) return "error show OFFSET [VALUE]";
    if (words >> value) overrides_[offset] = value;
    else overrides_.erase(offset);
    show_all();
    return "ok";
  }

  void hang(bool on) {
    hanging_ = on;
    Stalls stalls;
    if (on) stalls = {{1000, 1000}, {1000, 1000}, 1000, 1000, 1000};
    core_.memory.set_stalls(stalls);
  }

  uint32_t see(uint32_t offset) { return seen_[offset] = cell(offset).load(); }
  bool differs(uint32_t offset) { return see(offset) != shown_[offset]; }

  // Where a client wrote since the cell was seen, that stays, for the next look.
  void show(uint32_t offset, uint32_t value) {
    if (cell(offset).compare_exchange_strong(seen_[offset], value)) seen_[offset] = shown_[offset] = value;
  }

  uint32_t value_of(uint32_t offset) {
    const auto found = overrides_.find(offset);
    return found == overrides_.end() ? core_.read(offset) : found->second;
  }

  void show_all() {
    const uint32_t status = core_.read(Register::STATUS), completed = core_.read(Register::COMPLETED);
    busy_ = (status & (StatusBit::BUSY | StatusBit::RESETTING)) != 0;
    if (status & StatusBit::ERROR) core_.memory.set_faults({});
    for (const uint32_t offset : READABLE) show(offset, value_of(offset));
    show(Register::STATUS, status & (StatusBit::DONE | StatusBit::ERROR) ? status | MARK : status);
    show(Register::COMPLETED, completed);
  }

  // A client writes registers before it rings, and LAYER_SELECT before LAYER_CYCLES: what is written last is looked at first.
  bool take_writes() {
    bool rung = cell(Register::DOORBELL).exchange(0) != 0;
    bool written = rung | differs(Register::COMPLETED);
    for (const uint32_t offset : READABLE) written |= differs(offset);
    for (const uint32_t offset : WRITABLE) written |= take(offset);
    if (differs(Register::STATUS)) {
      core_.write(Register::STATUS, seen_[Register::STATUS] & ~MARK);
      written = true;
    }
    const bool controlled = differs(Register::CONTROL);
    // Rung before it was reset, and not after: a client waits for a reset's end before it rings again.
    if (controlled) rung |= cell(Register::DOORBELL).exchange(0) != 0;
    if (rung) ring();
    if (controlled) core_.write(Register::CONTROL, seen_[Register::CONTROL]);
    if (written || controlled) show_all();
    // Behind STATUS, so that a reset is seen there before it is no longer asked for.
    if (controlled) show(Register::CONTROL, core_.read(Register::CONTROL));
    return written || controlled;
  }

  bool take(uint32_t offset) {
    if (!differs(offset)) return false;
    core_.write(offset, seen_[offset]);
    shown_[offset] = seen_[offset];
    show(offset, core_.read(offset));
    return true;
  }

  void ring() {
    if (!lose_) {
      core_.memory.clear_traffic();  // bursts of faults count from here
      core_.write(Register::DOORBELL, 1);
    }
    lose_ = false;
  }

  CoreSim core_;
  std::atomic<uint32_t> *cells_;
  std::map<uint32_t, uint32_t> seen_, shown_, overrides_;  // by offset
  bool busy_ = false, lose_ = false, hanging_ = false;
  Clock::time_point active_ = Clock::now();
};

// What has come on stdin is given to the board. False when it has ended.
bool listen(Board &board, Pause patience) {
  static std::string text;
  pollfd in{STDIN_FILENO, POLLIN, 0};
  if (poll(&in, 1, 0) > 0) {
    char chunk[512];
    const ssize_t bytes = read(STDIN_FILENO, chunk, sizeof chunk);
    if (bytes <= 0) return false;
    text.append(chunk, size_t(bytes));
    for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
      std::printf("%s\n", board.command(text.substr(0, end)).c_str());
      std::fflush(stdout);
    }
  } else if (patience.count() > 0) {
    std::this_thread::sleep_for(patience);
  }
  return true;
}

}  // namespace

int main(int count, char **arguments) {
  if (count < 2 || count > 4) {
    std::fprintf(stderr, "simulated_board DIR [MEMORY-BYTES [MEMORY-ADDRESS]]\n");
    return 2;
  }
  const uint32_t bytes = count > 2 ? uint32_t(std::strtoul(arguments[2], nullptr, 0)) : 32u << 20;
  const uint32_t address = count > 3 ? uint32_t(std::strtoul(arguments[3], nullptr, 0)) : 0x10000000;
  // What registers hold before the first reset.
  Verilated::randReset(2);
  Verilated::randSeed(1);
  try {
    Board board(arguments[1], bytes, address);
    std::printf("serving a core of layout %u, its memory %u bytes at 0x%08x\n", LAYOUT_VERSION, bytes, address);
    std::fflush(stdout);
    while (listen(board, board.look())) {
    }
    return 0;
  } catch (const ProtocolError &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
