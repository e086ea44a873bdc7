// The core: five units around the array, each with its own queue of commands.
//
//   fetch ─┬─ input loader ── buffer ─┐
//          ├─ weight loader ── ring ──┼─ compute ── results ── store
//          ├─ residual loader ────────┘
//          └─ store                                       see hls/README.md
//
// m0 (HP0) carries activations, m1 (HP2) commands and weights.
module fl_core #(
  parameter int OC = 8,           // output lanes: 8 or 16
  parameter int PX = 3,           // pixel lanes, and banks of the activation buffer: 1 or 3
  parameter int ROWS_LOG2 = 12,   // words of 16 channels in a bank
  parameter int STEPS_LOG2 = 10   // weight steps on chip
) (
  input  logic        clk,
  input  logic        rst_n,
  output logic        irq,
  // AXI4-Lite
  input  logic [11:0] s_awaddr,
  input  logic        s_awvalid,
  output logic        s_awready,
  input  logic [31:0] s_wdata,
  input  logic [3:0]  s_wstrb,
  input  logic        s_wvalid,
  output logic        s_wready,
  output logic [1:0]  s_bresp,
  output logic        s_bvalid,
  input  logic        s_bready,
  input  logic [11:0] s_araddr,
  input  logic        s_arvalid,
  output logic        s_arready,
  output logic [31:0] s_rdata,
  output logic [1:0]  s_rresp,
  output logic        s_rvalid,
  input  logic        s_rready,
  // activations
  output logic [31:0] m0_araddr,
  output logic [3:0]  m0_arlen,
  output logic        m0_arvalid,
  input  logic        m0_arready,
  input  logic [63:0] m0_rdata,
  input  logic [1:0]  m0_rresp,
  input  logic        m0_rlast,
  input  logic        m0_rvalid,
  output logic        m0_rready,
  output logic [31:0] m0_awaddr,
  output logic [3:0]  m0_awlen,
  output logic        m0_awvalid,
  input  logic        m0_awready,
  output logic [63:0] m0_wdata,
  output logic [7:0]  m0_wstrb,
  output logic        m0_wlast,
  output logic        m0_wvalid,
  input  logic        m0_wready,
  input  logic [1:0]  m0_bresp,
  input  logic        m0_bvalid,
  output logic        m0_bready,
  // commands and weights
  output logic [31:0] m1_araddr,
  output logic [3:0]  m1_arlen,
  output logic        m1_arvalid,
  input  logic        m1_arready,
  input  logic [63:0] m1_rdata,
  input  logic [1:0]  m1_rresp,
  input  logic        m1_rlast,
  input  logic        m1_rvalid,
  output logic        m1_rready
);
  localparam int QUEUE_LOG2 = 9;

  logic rst;
  always_ff @(posedge clk) rst <= !rst_n;

  // --- registers, errors ---
  logic active, unit_rst, halt, bus_idle;
  logic [31:0] command_base, arena_base, arena_bytes, data_base, data_bytes;
  logic [15:0] command_count, stored, oldest_layer;
  logic [$clog2(fabriclens_layout::MAX_CORE_LAYERS)-1:0] done_layer;
  logic layer_done, stall_read, stall_write;
  logic command_fault, input_fault, weight_fault, residual_fault, store_fault, m0_error, m1_error, write_error;
  logic [15:0] command_layer, input_layer, weight_layer, residual_layer, store_layer;
  logic [1:0] m0_tag, m1_tag;
  logic m0_idle, m1_idle, store_idle;
  assign bus_idle = m0_idle && m1_idle && store_idle;
  logic [15:0] range_layer, read_layer, m0_layer, m1_layer;
  assign range_layer = input_fault ? input_layer : weight_fault ? weight_layer : residual_fault ? residual_layer : store_layer;
  assign read_layer = m0_error ? m0_layer : m1_layer;

  fl_registers #(.OC(OC), .PX(PX), .ROWS_LOG2(ROWS_LOG2), .STEPS_LOG2(STEPS_LOG2)) registers (
    .clk, .rst, .irq,
    .awaddr(s_awaddr), .awvalid(s_awvalid), .awready(s_awready), .wdata(s_wdata), .wstrb(s_wstrb), .wvalid(s_wvalid), .wready(s_wready),
    .bresp(s_bresp), .bvalid(s_bvalid), .bready(s_bready), .araddr(s_araddr), .arvalid(s_arvalid), .arready(s_arready), .rdata(s_rdata),
    .rresp(s_rresp), .rvalid(s_rvalid), .rready(s_rready),
    .active, .unit_rst, .halt, .bus_idle, .command_base, .command_count, .arena_base, .arena_bytes, .data_base, .data_bytes,
    .stored, .layer_done, .done_layer, .oldest_layer, .stall_read, .stall_write,
    .command_fault, .range_fault(input_fault || weight_fault || residual_fault || store_fault), .read_error(m0_error || m1_error), .write_error,
    .command_layer, .range_layer, .read_layer);

  // --- commands: 0 input, 1 weights, 2 compute, 3 residual, 4 store ---
  localparam int UNITS = 5;
  logic command_write, command_push;
  logic [3:0] command_write_beat;
  logic [63:0] command_write_data;
  logic [UNITS-1:0] full, ready, pop;
  logic [UNITS*4-1:0] beats;
  logic [UNITS*64-1:0] words;
  for (genvar u = 0; u < UNITS; u++) begin : g_queue
    fl_command_queue queue (
      .clk, .rst(unit_rst), .write(command_write), .write_beat(command_write_beat), .write_data(command_write_data), .push(command_push),
      .full(full[u]), .ready(ready[u]), .beat(beats[u*4+:4]), .data(words[u*64+:64]), .pop(pop[u]));
  end

  // --- bus m1 ---
  logic fetch_request, weight_request, fetch_ready, weight_ready, m1_valid;
  logic [1:0] m1_granted;
  logic [31:0] fetch_address, weight_address;
  logic [3:0] weight_length;
  logic [63:0] m1_data;
  fl_read_port m1 (
    .clk, .rst(unit_rst), .halt, .idle(m1_idle), .request({fetch_request, weight_request}), .granted(m1_granted),
    .address0(weight_address), .address1(fetch_address), .length0(weight_length), .length1(4'd15), .tag0(2'd0), .tag1(2'd1),
    .layer0(weight_layer), .layer1(oldest_layer), .layer(m1_layer), .valid(m1_valid), .tag(m1_tag), .data(m1_data), .ready(m1_tag == 2'd0 ? weight_ready : fetch_ready), .error(m1_error),
    .araddr(m1_araddr), .arlen(m1_arlen), .arvalid(m1_arvalid), .arready(m1_arready), .rdata(m1_rdata), .rresp(m1_rresp), .rlast(m1_rlast),
    .rvalid(m1_rvalid), .rready(m1_rready));

  fl_fetch #(.PX(PX)) fetch (
    .clk, .rst(unit_rst), .active, .base(command_base), .count(command_count), .request(fetch_request), .granted(m1_granted[1]),
    .address(fetch_address), .valid(m1_valid && m1_tag == 2'd1), .ready(fetch_ready), .data(m1_data), .full(full != '0),
    .write(command_write), .write_beat(command_write_beat), .write_data(command_write_data), .push(command_push), .fault(command_fault),
    .fault_layer(command_layer));

  logic [15:0] written, released;
  logic hold_weights;
  logic [STEPS_LOG2-1:0] read_step;
  logic [OC/8*1024-1:0] weights;
  fl_weights #(.OC(OC), .STEPS_LOG2(STEPS_LOG2)) loader_w (
    .clk, .rst(unit_rst), .command_ready(ready[1]), .command_beat(beats[4+:4]), .command_data(words[64+:64]), .command_pop(pop[1]),
    .data_base, .data_bytes, .request(weight_request), .granted(m1_granted[0]), .address(weight_address), .length(weight_length),
    .valid(m1_valid && m1_tag == 2'd0), .ready(weight_ready), .data(m1_data), .range_fault(weight_fault), .layer(weight_layer),
    .written, .released, .hold(hold_weights), .read_step, .read_data(weights));

  // --- bus m0, reads ---
  logic input_request, input_ready, residual_request, residual_second, m0_valid;
  logic [1:0] m0_granted;
  logic [31:0] input_address, residual_address;
  logic [3:0] input_length, residual_length;
  logic [63:0] m0_data;
  fl_read_port m0 (
    .clk, .rst(unit_rst), .halt, .idle(m0_idle), .request({residual_request, input_request}), .granted(m0_granted),
    .address0(input_address), .address1(residual_address), .length0(input_length), .length1(residual_length),
    .tag0(2'd0), .tag1({1'b1, residual_second}),
    .layer0(input_layer), .layer1(residual_layer), .layer(m0_layer), .valid(m0_valid), .tag(m0_tag), .data(m0_data), .ready(m0_tag == 2'd0 ? input_ready : 1'b1), .error(m0_error),
    .araddr(m0_araddr), .arlen(m0_arlen), .arvalid(m0_arvalid), .arready(m0_arready), .rdata(m0_rdata), .rresp(m0_rresp), .rlast(m0_rlast),
    .rvalid(m0_rvalid), .rready(m0_rready));

  logic loaded, computed;
  logic [1:0] waiting;  // commands loaded and not computed
  always_ff @(posedge clk) waiting <= unit_rst ? 2'd0 : waiting + 2'(loaded) - 2'(computed);

  logic [1:0] buffer_half, buffer_bank;
  logic [ROWS_LOG2-1:0] buffer_row;
  logic [127:0] buffer_data;
  fl_input #(.PX(PX), .ROWS_LOG2(ROWS_LOG2)) loader_x (
    .clk, .rst(unit_rst), .command_ready(ready[0]), .command_beat(beats[0+:4]), .command_data(words[0+:64]), .command_pop(pop[0]),
    .stored, .waiting, .loaded, .arena_base, .arena_bytes, .request(input_request), .granted(m0_granted[0]), .address(input_address),
    .length(input_length), .valid(m0_valid && m0_tag == 2'd0), .ready(input_ready), .data(m0_data), .range_fault(input_fault),
    .layer(input_layer), .write_half(buffer_half), .write_bank(buffer_bank), .write_row(buffer_row), .write_data(buffer_data));

  // --- residuals ---
  logic [1:0] residual_push, residual_pop, residual_valid_unused;
  logic [127:0] residual;
  assign residual_push = {m0_valid && m0_tag == 2'd3, m0_valid && m0_tag == 2'd2};
  fl_residual #(.OC(OC), .QUEUE_LOG2(QUEUE_LOG2)) loader_r (
    .clk, .rst(unit_rst), .command_ready(ready[3]), .command_beat(beats[12+:4]), .command_data(words[192+:64]), .command_pop(pop[3]),
    .stored, .arena_base, .arena_bytes, .request(residual_request), .granted(m0_granted[1]), .address(residual_address),
    .length(residual_length), .second(residual_second), .range_fault(residual_fault), .layer(residual_layer), .pop(residual_pop));
  logic [QUEUE_LOG2:0] residual_level_unused[2];
  for (genvar q = 0; q < 2; q++) begin : g_residual
    fl_fifo #(.WIDTH(64), .DEPTH_LOG2(QUEUE_LOG2)) queue (
      .clk, .rst(unit_rst), .push(residual_push[q]), .push_data(m0_data), .pop(residual_pop[q]), .valid(residual_valid_unused[q]),
      .data(residual[q*64+:64]), .level(residual_level_unused[q]));
  end

  // --- compute ---
  logic [1:0] out_valid, out_pop;
  logic [63:0] out_data;
  fl_compute #(.OC(OC), .PX(PX), .ROWS_LOG2(ROWS_LOG2), .STEPS_LOG2(STEPS_LOG2), .QUEUE_LOG2(QUEUE_LOG2)) compute (
    .clk, .rst(unit_rst), .command_ready(ready[2]), .command_beat(beats[8+:4]), .command_data(words[128+:64]), .command_pop(pop[2]),
    .window_ready(waiting != 2'd0), .computed, .write_half(buffer_half), .write_bank(buffer_bank), .write_row(buffer_row),
    .write_data(buffer_data), .written, .released, .hold_weights, .read_step, .weights, .residual_push, .residual_pop, .residual,
    .out_valid, .out_data, .out_pop, .stall_read, .stall_write);

  // --- results to memory ---
  logic [1:0] out_head;
  logic [127:0] out_words;
  logic [QUEUE_LOG2:0] out_level[2];
  for (genvar q = 0; q < 2; q++) begin : g_result
    fl_fifo #(.WIDTH(64), .DEPTH_LOG2(QUEUE_LOG2)) queue (
      .clk, .rst(unit_rst), .push(out_valid[q]), .push_data(out_data), .pop(out_pop[q]), .valid(out_head[q]), .data(out_words[q*64+:64]),
      .level(out_level[q]));
  end
  assign m0_wstrb = 8'hff;
  fl_store #(.OC(OC), .QUEUE_LOG2(QUEUE_LOG2)) store (
    .clk, .rst(unit_rst), .halt, .idle(store_idle), .command_ready(ready[4]), .command_beat(beats[16+:4]), .command_data(words[256+:64]),
    .command_pop(pop[4]), .stored, .layer_done, .done_layer, .layer(oldest_layer), .queue_valid(out_head), .queue_a(out_words[63:0]),
    .queue_b(out_words[127:64]), .level_a(out_level[0]), .level_b(out_level[1]), .queue_pop(out_pop), .arena_base, .arena_bytes,
    .range_fault(store_fault), .fault_layer(store_layer), .error(write_error), .awaddr(m0_awaddr), .awlen(m0_awlen), .awvalid(m0_awvalid),
    .awready(m0_awready), .wdata(m0_wdata), .wlast(m0_wlast), .wvalid(m0_wvalid), .wready(m0_wready), .bresp(m0_bresp), .bvalid(m0_bvalid),
    .bready(m0_bready));
endmodule
