#include "core_sim.h"

#include <Vdut.h>
#include <verilated.h>

#include <string>

#include "../core/layout.h"

namespace fl {
namespace {

constexpr uint32_t RESET_CYCLES = 8;
constexpr uint32_t REGISTER_BOUND = 1000;   // cycles that an access may take
constexpr uint32_t DRAIN_BOUND = 200000;    // cycles that a soft reset may take: all bursts under way, through the slowest memory

}  // namespace

CoreSim::CoreSim() : model_(new Vdut), passed_{}, answer_(0), response_(0), random_(0), assertions_(true) {}
CoreSim::~CoreSim() { model_->final(); }

void CoreSim::reset() {
  memory.reset();
  Vdut &m = *model_;
  m.s_awvalid = m.s_wvalid = m.s_bready = m.s_arvalid = m.s_rready = 0;
  m.rst_n = 0;
  // Registers hold anything before the first edge: no assertions, and nothing for the memory to see.
  Verilated::assertOn(false);
  for (uint32_t i = 0; i < RESET_CYCLES; i++) {
    m.clk = 0;
    m.eval();
    m.clk = 1;
    m.eval();
  }
  if (m.m0_arvalid || m.m1_arvalid || m.m0_awvalid || m.m0_wvalid || m.s_bvalid || m.s_rvalid || m.irq) throw ProtocolError("a valid or the interrupt is high during reset");
  Verilated::assertOn(assertions_);
  m.rst_n = 1;
  cycles(2);
}

void CoreSim::cycle() {
  Vdut &m = *model_;
  memory.drive();
  ReadWires &r0 = memory.read[0], &r1 = memory.read[1];
  WriteWires &w = memory.write;
  m.m0_arready = r0.arready;
  m.m0_rvalid = r0.rvalid;
  m.m0_rdata = r0.rdata;
  m.m0_rresp = r0.rresp;
  m.m0_rlast = r0.rlast;
  m.m1_arready = r1.arready;
  m.m1_rvalid = r1.rvalid;
  m.m1_rdata = r1.rdata;
  m.m1_rresp = r1.rresp;
  m.m1_rlast = r1.rlast;
  m.m0_awready = w.awready;
  m.m0_wready = w.wready;
  m.m0_bvalid = w.bvalid;
  m.m0_bresp = w.bresp;
  m.clk = 0;
  m.eval();
  r0.m_araddr = m.m0_araddr;
  r0.m_arlen = m.m0_arlen;
  r0.m_arvalid = m.m0_arvalid;
  r0.m_rready = m.m0_rready;
  r1.m_araddr = m.m1_araddr;
  r1.m_arlen = m.m1_arlen;
  r1.m_arvalid = m.m1_arvalid;
  r1.m_rready = m.m1_rready;
  w.m_awaddr = m.m0_awaddr;
  w.m_awlen = m.m0_awlen;
  w.m_awvalid = m.m0_awvalid;
  w.m_wdata = m.m0_wdata;
  w.m_wstrb = m.m0_wstrb;
  w.m_wlast = m.m0_wlast;
  w.m_wvalid = m.m0_wvalid;
  w.m_bready = m.m0_bready;
  passed_ = {m.s_awvalid && m.s_awready, m.s_wvalid && m.s_wready, m.s_bvalid && m.s_bready, m.s_arvalid && m.s_arready, m.s_rvalid && m.s_rready};
  if (passed_.r) answer_ = m.s_rdata;
  if (passed_.r || passed_.b) response_ = passed_.r ? m.s_rresp : m.s_bresp;
  memory.clock();
  m.clk = 1;
  m.eval();
}

uint32_t CoreSim::delay() {
  if (random_ == 0) return 0;
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return uint32_t(random_ >> 40) % 4;
}

void CoreSim::until(bool Passed::*what, const char *text) {
  for (uint32_t i = 0; i < REGISTER_BOUND; i++) {
    cycle();
    if (passed_.*what) return;
  }
  throw ProtocolError(std::string("registers: ") + text);
}

uint32_t CoreSim::read(uint32_t offset) {
  Vdut &m = *model_;
  m.s_araddr = offset & 0xfff;
  m.s_arvalid = 1;
  until(&Passed::ar, "a read address is not taken");
  m.s_arvalid = 0;
  cycles(delay());
  m.s_rready = 1;
  until(&Passed::r, "a read is not answered");
  m.s_rready = 0;
  if (response_ != OKAY) throw ProtocolError("registers: a read is answered with an error");
  return answer_;
}

// Address and data each come first at times.
void CoreSim::write(uint32_t offset, uint32_t value, uint8_t strobes) {
  Vdut &m = *model_;
  const uint32_t address_at = delay(), data_at = delay();
  m.s_awaddr = offset & 0xfff;
  m.s_wdata = value;
  m.s_wstrb = strobes;
  bool address = false, data = false;
  for (uint32_t i = 0; !address || !data; i++) {
    if (i == REGISTER_BOUND) throw ProtocolError("registers: a write is not taken");
    m.s_awvalid = !address && i >= address_at;
    m.s_wvalid = !data && i >= data_at;
    cycle();
    address |= passed_.aw;
    data |= passed_.w;
  }
  m.s_awvalid = m.s_wvalid = 0;
  cycles(delay());
  m.s_bready = 1;
  until(&Passed::b, "a write is not answered");
  m.s_bready = 0;
  if (response_ != OKAY) throw ProtocolError("registers: a write is answered with an error");
}

bool CoreSim::irq() const { return model_->irq; }

bool CoreSim::wait_for_irq(uint64_t bound) {
  for (uint64_t i = 0; i < bound && !irq(); i++) cycle();
  return irq();
}

void CoreSim::soft_reset() {
  write(Register::CONTROL, read(Register::CONTROL) | ControlBit::SOFT_RESET);
  const uint64_t start = now();
  while (read(Register::STATUS) & StatusBit::RESETTING) {
    if (now() - start > DRAIN_BOUND) throw ProtocolError("the soft reset does not end: " + memory.under_way());
  }
  if (!memory.idle()) throw ProtocolError("the soft reset leaves transactions under way: " + memory.under_way());
}

}  // namespace fl
