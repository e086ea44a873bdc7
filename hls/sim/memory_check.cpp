// Test program: AxiMemory with a master that does as each scenario says. Prints a line "scenario: what came of it".
#include <cinttypes>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "memory.h"

namespace {

using namespace fl;

constexpr uint32_t BASE = 0x1000, BYTES = 0x2000;

struct Bench {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(BYTES);
  AxiMemory memory;

  Bench() {
    for (uint32_t i = 0; i < BYTES; i++) bytes[i] = uint8_t(i / 8);
    memory.map(BASE, bytes.data(), BYTES);
  }

  ReadWires &r() { return memory.read[0]; }
  WriteWires &w() { return memory.write; }

  void cycle() {
    memory.drive();
    memory.clock();
  }
  void cycles(uint32_t count) {
    while (count-- > 0) cycle();
  }
  void address(uint32_t at, uint32_t beats) {
    r().m_araddr = at;
    r().m_arlen = uint8_t(beats - 1);
    r().m_arvalid = true;
    for (bool taken = false; !taken;) {
      memory.drive();
      taken = r().arready;
      memory.clock();
    }
    r().m_arvalid = false;
  }
  // Shows address, data or both and takes away what was taken, until all was.
  void write(uint32_t at, uint32_t beats, bool data_first = false, uint32_t last = 0) {
    w().m_awaddr = at;
    w().m_awlen = uint8_t(beats - 1);
    w().m_wstrb = 0xff;
    uint32_t sent = 0;
    bool announced = false;
    while (!announced || sent < beats) {
      w().m_awvalid = !announced && (!data_first || sent == beats);
      w().m_wvalid = sent < beats;
      w().m_wlast = sent + 1 == (last ? last : beats);
      w().m_wdata = 0x0101010101010101 * (100 + sent);
      memory.drive();
      const bool aw = w().m_awvalid && w().awready, taken = w().m_wvalid && w().wready;
      memory.clock();
      announced |= aw;
      sent += taken;
    }
    w().m_awvalid = w().m_wvalid = false;
  }
};

std::string hex(uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "%" PRIx64, value);
  return text;
}

// "beat value response" of a burst as it comes, and the cycles of its first and last beat.
std::string collect(Bench &b, uint32_t beats) {
  std::string text;
  b.r().m_rready = true;
  uint64_t first = 0, last = 0;
  for (uint32_t i = 0, waited = 0; i < beats && waited < 1000; waited++) {
    b.memory.drive();
    const bool here = b.r().rvalid;
    if (here) {
      (i == 0 ? first : last) = b.memory.now();
      last = b.memory.now();
      if (i == 0 || b.r().rlast || b.r().rresp != OKAY) text += hex(b.r().rdata & 0xff) + (b.r().rresp ? "!" + std::to_string(b.r().rresp) : "") + (b.r().rlast ? " last " : " ");
      i++;
    }
    b.memory.clock();
  }
  b.r().m_rready = false;
  return text + "cycles " + std::to_string(first) + "-" + std::to_string(last);
}

std::string respond(Bench &b) {
  b.w().m_bready = true;
  for (uint32_t i = 0; i < 1000; i++) {
    b.memory.drive();
    const bool here = b.w().bvalid;
    const uint8_t response = b.w().bresp;
    b.memory.clock();
    if (here) {
      b.w().m_bready = false;
      return "response " + std::to_string(response);
    }
  }
  return "no response";
}

struct Scenario {
  const char *name;
  std::function<std::string(Bench &)> run;
};

const Scenario SCENARIOS[] = {
    {"a read", [](Bench &b) {
       b.address(BASE + 128, 16);
       return collect(b, 16);
     }},
    {"two reads share the server", [](Bench &b) {
       b.address(BASE, 16);
       b.address(BASE + 128, 16);
       collect(b, 16);
       return collect(b, 16);
     }},
    {"a write is there after its response", [](Bench &b) {
       b.write(BASE + 8, 2);
       const std::string before = hex(b.bytes[8]);
       const std::string response = respond(b);
       return before + " " + response + " " + hex(b.bytes[8]) + hex(b.bytes[16]) + " idle " + std::to_string(b.memory.idle());
     }},
    {"data before its address", [](Bench &b) {
       b.write(BASE, 3, true);
       const std::string response = respond(b);
       return response + " " + hex(b.bytes[16]);
     }},
    {"strobes", [](Bench &b) {
       b.w().m_awaddr = BASE;
       b.w().m_awvalid = b.w().m_wvalid = b.w().m_wlast = true;
       b.w().m_awlen = 0;
       b.w().m_wstrb = 0x42;
       b.w().m_wdata = 0x8877665544332211;
       b.cycle();
       b.w().m_awvalid = b.w().m_wvalid = false;
       respond(b);
       std::string text;
       for (int i = 0; i < 8; i++) text += hex(b.bytes[size_t(i)]) + " ";
       return text;
     }},
    {"eight reads and no more", [](Bench &b) {
       for (uint32_t i = 0; i < 8; i++) b.address(BASE + 128 * i, 16);
       b.memory.drive();
       return "ready " + std::to_string(b.r().arready);
     }},
    {"a read outside", [](Bench &b) {
       b.address(BASE + BYTES, 2);
       const std::string text = collect(b, 2);
       return text + " unmapped " + std::to_string(b.memory.unmapped_bursts());
     }},
    {"an injected read error", [](Bench &b) {
       b.memory.set_faults({{false, 0, 1, 0, 0, SLVERR}});
       b.address(BASE, 1);
       b.address(BASE + 8, 1);
       const std::string first = collect(b, 1);
       return first + ", " + collect(b, 1);
     }},
    {"an injected write error", [](Bench &b) {
       b.memory.set_faults({{true, Fault::ANY, Fault::ANY, BASE + 0x100, 8, DECERR}});
       b.write(BASE, 2);
       b.write(BASE + 0xf8, 2);
       const std::string first = respond(b);
       return first + ", " + respond(b);
     }},
    {"stalls keep what is shown", [](Bench &b) {
       b.memory.configure({}, {{500, 500}, {500, 500}, 500, 500, 500}, 7);
       for (uint32_t i = 0; i < 50; i++) {
         b.address(BASE + 128 * (i % 8), 16);
         uint64_t shown = 0;
         for (uint32_t beat = 0; beat < 16;) {
           b.memory.drive();
           if (shown && (!b.r().rvalid || b.r().rdata != shown)) return std::string("changed");
           shown = b.r().rvalid ? b.r().rdata : 0;
           b.r().m_rready = (b.memory.now() * 7 & 4) != 0;
           if (b.r().rvalid && b.r().m_rready) {
             if (uint8_t(b.r().rdata) != uint8_t(16 * (i % 8) + beat)) return std::string("wrong data");
             beat++;
             shown = 0;
           }
           b.memory.clock();
         }
         b.r().m_rready = false;
         b.write(BASE + 0x1000, 16, i % 2);
         if (respond(b) != "response 0") return std::string("no response");
       }
       return "idle " + std::to_string(b.memory.idle());
     }},
    {"valid falls", [](Bench &b) {
       for (uint32_t i = 0; i < 8; i++) b.address(BASE, 16);
       b.r().m_arvalid = true;
       b.cycle();
       b.r().m_arvalid = false;
       b.cycle();
       return "";
     }},
    {"the address changes", [](Bench &b) {
       for (uint32_t i = 0; i < 8; i++) b.address(BASE, 16);
       b.r().m_arvalid = true;
       b.cycle();
       b.r().m_araddr += 8;
       b.cycle();
       return "";
     }},
    {"the data changes", [](Bench &b) {
       for (uint32_t i = 0; i < 8; i++) b.write(BASE, 1);
       b.w().m_wvalid = true;
       b.cycle();
       b.w().m_wdata++;
       b.cycle();
       return "";
     }},
    {"across 4 KB", [](Bench &b) {
       b.address(BASE + 0xf88, 16);
       return "";
     }},
    {"an odd address", [](Bench &b) {
       b.address(BASE + 4, 1);
       return "";
     }},
    {"a burst of 17", [](Bench &b) {
       b.address(BASE, 17);
       return "";
     }},
    {"WLAST early", [](Bench &b) {
       b.write(BASE, 4, false, 3);
       return "";
     }},
    {"WLAST late", [](Bench &b) {
       b.write(BASE, 4, false, 5);
       return "";
     }},
    {"WLAST early, before the address", [](Bench &b) {
       b.write(BASE, 4, true, 3);
       return "";
     }},
    {"data that nothing announced", [](Bench &b) {
       b.w().m_wvalid = b.w().m_wlast = true;
       b.cycle();
       b.w().m_wvalid = false;
       b.cycles(1000);
       return "idle " + std::to_string(b.memory.idle());
     }},
};

}  // namespace

int main() {
  for (const Scenario &scenario : SCENARIOS) {
    Bench bench;
    std::string text;
    try {
      text = scenario.run(bench);
    } catch (const fl::ProtocolError &error) {
      text = error.what();
    }
    std::printf("%s: %s\n", scenario.name, text.c_str());
  }
  return 0;
}
