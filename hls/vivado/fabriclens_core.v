// fl_core for Vivado's block design: Verilog-2001 with the attributes by which IP Integrator finds buses, and what AXI3 has beyond the core's
// own ports: one ID, INCR bursts of 8-byte beats, normal bufferable memory, no protection, no priority.
module fabriclens_core #(
  parameter integer OC = 8,           // as in fl_core
  parameter integer PX = 3,
  parameter integer ROWS_LOG2 = 12,
  parameter integer STEPS_LOG2 = 10
) (
  (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 clk CLK" *)
  (* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME clk, ASSOCIATED_BUSIF s_axi_control:m_axi_activations:m_axi_weights, ASSOCIATED_RESET rst_n" *) input  wire        clk,
  (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 rst_n RST" *)
  (* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME rst_n, POLARITY ACTIVE_LOW" *) input  wire        rst_n,
  (* X_INTERFACE_INFO = "xilinx.com:signal:interrupt:1.0 irq INTERRUPT" *)
  (* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME irq, SENSITIVITY LEVEL_HIGH" *) output wire        irq,
  // registers: GP0
  (* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME s_axi_control, PROTOCOL AXI4LITE, ADDR_WIDTH 12, DATA_WIDTH 32" *)
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control AWADDR" *) input  wire [11:0] s_axi_control_awaddr,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control AWPROT" *) input  wire [2:0]  s_axi_control_awprot,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control AWVALID" *) input  wire        s_axi_control_awvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control AWREADY" *) output wire        s_axi_control_awready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control WDATA" *) input  wire [31:0] s_axi_control_wdata,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control WSTRB" *) input  wire [3:0]  s_axi_control_wstrb,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control WVALID" *) input  wire        s_axi_control_wvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control WREADY" *) output wire        s_axi_control_wready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control BRESP" *) output wire [1:0]  s_axi_control_bresp,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control BVALID" *) output wire        s_axi_control_bvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control BREADY" *) input  wire        s_axi_control_bready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control ARADDR" *) input  wire [11:0] s_axi_control_araddr,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control ARPROT" *) input  wire [2:0]  s_axi_control_arprot,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control ARVALID" *) input  wire        s_axi_control_arvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control ARREADY" *) output wire        s_axi_control_arready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control RDATA" *) output wire [31:0] s_axi_control_rdata,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control RRESP" *) output wire [1:0]  s_axi_control_rresp,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control RVALID" *) output wire        s_axi_control_rvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 s_axi_control RREADY" *) input  wire        s_axi_control_rready,
  // activations: HP0
  (* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME m_axi_activations, PROTOCOL AXI3, ADDR_WIDTH 32, DATA_WIDTH 64, ID_WIDTH 6, READ_WRITE_MODE READ_WRITE, SUPPORTS_NARROW_BURST 0, MAX_BURST_LENGTH 16, NUM_READ_OUTSTANDING 8, NUM_WRITE_OUTSTANDING 8" *)
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARID" *) output wire [5:0]  m_axi_activations_arid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARADDR" *) output wire [31:0] m_axi_activations_araddr,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARLEN" *) output wire [3:0]  m_axi_activations_arlen,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARSIZE" *) output wire [2:0]  m_axi_activations_arsize,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARBURST" *) output wire [1:0]  m_axi_activations_arburst,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARLOCK" *) output wire [1:0]  m_axi_activations_arlock,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARCACHE" *) output wire [3:0]  m_axi_activations_arcache,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARPROT" *) output wire [2:0]  m_axi_activations_arprot,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARQOS" *) output wire [3:0]  m_axi_activations_arqos,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARVALID" *) output wire        m_axi_activations_arvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations ARREADY" *) input  wire        m_axi_activations_arready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations RID" *) input  wire [5:0]  m_axi_activations_rid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations RDATA" *) input  wire [63:0] m_axi_activations_rdata,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations RRESP" *) input  wire [1:0]  m_axi_activations_rresp,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations RLAST" *) input  wire        m_axi_activations_rlast,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations RVALID" *) input  wire        m_axi_activations_rvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations RREADY" *) output wire        m_axi_activations_rready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWID" *) output wire [5:0]  m_axi_activations_awid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWADDR" *) output wire [31:0] m_axi_activations_awaddr,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWLEN" *) output wire [3:0]  m_axi_activations_awlen,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWSIZE" *) output wire [2:0]  m_axi_activations_awsize,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWBURST" *) output wire [1:0]  m_axi_activations_awburst,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWLOCK" *) output wire [1:0]  m_axi_activations_awlock,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWCACHE" *) output wire [3:0]  m_axi_activations_awcache,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWPROT" *) output wire [2:0]  m_axi_activations_awprot,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWQOS" *) output wire [3:0]  m_axi_activations_awqos,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWVALID" *) output wire        m_axi_activations_awvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations AWREADY" *) input  wire        m_axi_activations_awready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations WID" *) output wire [5:0]  m_axi_activations_wid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations WDATA" *) output wire [63:0] m_axi_activations_wdata,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations WSTRB" *) output wire [7:0]  m_axi_activations_wstrb,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations WLAST" *) output wire        m_axi_activations_wlast,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations WVALID" *) output wire        m_axi_activations_wvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations WREADY" *) input  wire        m_axi_activations_wready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations BID" *) input  wire [5:0]  m_axi_activations_bid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations BRESP" *) input  wire [1:0]  m_axi_activations_bresp,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations BVALID" *) input  wire        m_axi_activations_bvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_activations BREADY" *) output wire        m_axi_activations_bready,
  // commands and weights: HP2
  (* X_INTERFACE_PARAMETER = "XIL_INTERFACENAME m_axi_weights, PROTOCOL AXI3, ADDR_WIDTH 32, DATA_WIDTH 64, ID_WIDTH 6, READ_WRITE_MODE READ_ONLY, SUPPORTS_NARROW_BURST 0, MAX_BURST_LENGTH 16, NUM_READ_OUTSTANDING 8, NUM_WRITE_OUTSTANDING 1" *)
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARID" *) output wire [5:0]  m_axi_weights_arid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARADDR" *) output wire [31:0] m_axi_weights_araddr,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARLEN" *) output wire [3:0]  m_axi_weights_arlen,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARSIZE" *) output wire [2:0]  m_axi_weights_arsize,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARBURST" *) output wire [1:0]  m_axi_weights_arburst,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARLOCK" *) output wire [1:0]  m_axi_weights_arlock,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARCACHE" *) output wire [3:0]  m_axi_weights_arcache,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARPROT" *) output wire [2:0]  m_axi_weights_arprot,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARQOS" *) output wire [3:0]  m_axi_weights_arqos,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARVALID" *) output wire        m_axi_weights_arvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights ARREADY" *) input  wire        m_axi_weights_arready,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights RID" *) input  wire [5:0]  m_axi_weights_rid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights RDATA" *) input  wire [63:0] m_axi_weights_rdata,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights RRESP" *) input  wire [1:0]  m_axi_weights_rresp,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights RLAST" *) input  wire        m_axi_weights_rlast,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights RVALID" *) input  wire        m_axi_weights_rvalid,
  (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi_weights RREADY" *) output wire        m_axi_weights_rready
);
  assign m_axi_activations_arid = 6'd0;
  assign m_axi_activations_arsize = 3'd3;
  assign m_axi_activations_arburst = 2'd1;
  assign m_axi_activations_arlock = 2'd0;
  assign m_axi_activations_arcache = 4'b0011;
  assign m_axi_activations_arprot = 3'd0;
  assign m_axi_activations_arqos = 4'd0;
  assign m_axi_activations_awid = 6'd0;
  assign m_axi_activations_awsize = 3'd3;
  assign m_axi_activations_awburst = 2'd1;
  assign m_axi_activations_awlock = 2'd0;
  assign m_axi_activations_awcache = 4'b0011;
  assign m_axi_activations_awprot = 3'd0;
  assign m_axi_activations_awqos = 4'd0;
  assign m_axi_activations_wid = 6'd0;
  assign m_axi_weights_arid = 6'd0;
  assign m_axi_weights_arsize = 3'd3;
  assign m_axi_weights_arburst = 2'd1;
  assign m_axi_weights_arlock = 2'd0;
  assign m_axi_weights_arcache = 4'b0011;
  assign m_axi_weights_arprot = 3'd0;
  assign m_axi_weights_arqos = 4'd0;

  // Answers come in order under the one ID, and AXI4-Lite's protection says nothing to the core.
  /* verilator lint_off UNUSEDSIGNAL */
  wire unused = &{s_axi_control_awprot, s_axi_control_arprot, m_axi_activations_rid, m_axi_activations_bid, m_axi_weights_rid};
  /* verilator lint_on UNUSEDSIGNAL */

  fl_core #(.OC(OC), .PX(PX), .ROWS_LOG2(ROWS_LOG2), .STEPS_LOG2(STEPS_LOG2)) core (
    .clk(clk), .rst_n(rst_n), .irq(irq),
    .s_awaddr(s_axi_control_awaddr), .s_awvalid(s_axi_control_awvalid), .s_awready(s_axi_control_awready),
    .s_wdata(s_axi_control_wdata), .s_wstrb(s_axi_control_wstrb), .s_wvalid(s_axi_control_wvalid), .s_wready(s_axi_control_wready),
    .s_bresp(s_axi_control_bresp), .s_bvalid(s_axi_control_bvalid), .s_bready(s_axi_control_bready), .s_araddr(s_axi_control_araddr),
    .s_arvalid(s_axi_control_arvalid), .s_arready(s_axi_control_arready), .s_rdata(s_axi_control_rdata), .s_rresp(s_axi_control_rresp),
    .s_rvalid(s_axi_control_rvalid), .s_rready(s_axi_control_rready), .m0_araddr(m_axi_activations_araddr),
    .m0_arlen(m_axi_activations_arlen), .m0_arvalid(m_axi_activations_arvalid), .m0_arready(m_axi_activations_arready),
    .m0_rdata(m_axi_activations_rdata), .m0_rresp(m_axi_activations_rresp), .m0_rlast(m_axi_activations_rlast),
    .m0_rvalid(m_axi_activations_rvalid), .m0_rready(m_axi_activations_rready), .m0_awaddr(m_axi_activations_awaddr),
    .m0_awlen(m_axi_activations_awlen), .m0_awvalid(m_axi_activations_awvalid), .m0_awready(m_axi_activations_awready),
    .m0_wdata(m_axi_activations_wdata), .m0_wstrb(m_axi_activations_wstrb), .m0_wlast(m_axi_activations_wlast),
    .m0_wvalid(m_axi_activations_wvalid), .m0_wready(m_axi_activations_wready), .m0_bresp(m_axi_activations_bresp),
    .m0_bvalid(m_axi_activations_bvalid), .m0_bready(m_axi_activations_bready), .m1_araddr(m_axi_weights_araddr),
    .m1_arlen(m_axi_weights_arlen), .m1_arvalid(m_axi_weights_arvalid), .m1_arready(m_axi_weights_arready),
    .m1_rdata(m_axi_weights_rdata), .m1_rresp(m_axi_weights_rresp), .m1_rlast(m_axi_weights_rlast), .m1_rvalid(m_axi_weights_rvalid),
    .m1_rready(m_axi_weights_rready));
endmodule
