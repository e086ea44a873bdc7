// AXI4-Lite registers, the queue of segments, and what happens at an error: the first one is kept, nothing new goes on the bus, and when
// the bus is clean every unit is reset. A soft reset goes the same way.
module fl_registers #(
  parameter int OC = 8,
  parameter int PX = 3,
  parameter int ROWS_LOG2 = 12,
  parameter int STEPS_LOG2 = 10
) (
  input  logic        clk,
  input  logic        rst,
  output logic        irq,
  // AXI4-Lite
  input  logic [11:0] awaddr,
  input  logic        awvalid,
  output logic        awready,
  input  logic [31:0] wdata,
  input  logic [3:0]  wstrb,
  input  logic        wvalid,
  output logic        wready,
  output logic [1:0]  bresp,
  output logic        bvalid,
  input  logic        bready,
  input  logic [11:0] araddr,
  input  logic        arvalid,
  output logic        arready,
  output logic [31:0] rdata,
  output logic [1:0]  rresp,
  output logic        rvalid,
  input  logic        rready,
  // the segment under way
  output logic        active,
  output logic        unit_rst,      // at its start, and when the bus is clean after an error or for a soft reset
  output logic        halt,
  input  logic        bus_idle,
  output logic [31:0] command_base,
  output logic [15:0] command_count,
  output logic [31:0] arena_base, arena_bytes, data_base, data_bytes,
  input  logic [15:0] stored,
  input  logic        layer_done,
  input  logic [$clog2(fabriclens_layout::MAX_CORE_LAYERS)-1:0] done_layer,
  input  logic [15:0] oldest_layer,
  input  logic        stall_read, stall_write,
  // errors: 1 command, 2 address range, 3 bus read, 4 bus write
  input  logic        command_fault, range_fault, read_error, write_error,
  input  logic [15:0] command_layer, range_layer, read_layer
);
  localparam logic [31:0] IDENTITY = 32'h31504c46;  // "FLP1"
  localparam logic [31:0] CORE_VERSION = 32'd1;
  localparam logic [31:0] BASE_MASK = ~32'd127;     // the units cut bursts at offsets of 128 bytes: with any other base they could cross 4 KB

  // --- the segment described, the one that waits, the one that runs ---
  typedef struct packed {
    logic [31:0] command_base;
    logic [15:0] command_count;
    logic [31:0] arena_base, arena_bytes, data_base, data_bytes, watchdog;
  } segment_t;
  segment_t described, waiting, running;
  logic pending, start;
  assign {command_base, command_count, arena_base, arena_bytes, data_base, data_bytes} =
    {running.command_base, running.command_count, running.arena_base, running.arena_bytes, running.data_base, running.data_bytes};

  // --- writes ---
  logic write;
  assign write = awvalid && wvalid && (!bvalid || bready);
  assign awready = write;
  assign wready = write;
  assign bresp = 2'b00;
  logic [31:0] mask;
  assign mask = {{8{wstrb[3]}}, {8{wstrb[2]}}, {8{wstrb[1]}}, {8{wstrb[0]}}};
  function automatic logic [31:0] merged(input logic [31:0] old, input logic [31:0] fresh, input logic [31:0] bits);
    merged = (old & ~bits) | (fresh & bits);
  endfunction

  logic done, failed, irq_enable, resetting, doorbell;
  logic [15:0] layer_select;
  assign doorbell = write && awaddr == fabriclens_layout::REGISTER_DOORBELL;
  logic full;
  assign full = pending;
  logic ring;                        // a doorbell that is heard
  assign ring = doorbell && !full && !failed && !halt;
  logic refused;                     // a segment that could not even start
  assign refused = ring && (described.command_count == '0 || described.watchdog == '0);
  logic soft_reset;
  assign soft_reset = write && awaddr == fabriclens_layout::REGISTER_CONTROL && wstrb[0] && wdata[0];

  always_ff @(posedge clk) begin
    if (rst) begin
      bvalid <= 1'b0;
      irq_enable <= 1'b0;
      described <= '0;
      layer_select <= '0;
    end else begin
      if (bready) bvalid <= 1'b0;
      if (write) begin
        bvalid <= 1'b1;
        unique case (awaddr)
          fabriclens_layout::REGISTER_CONTROL: if (wstrb[0]) irq_enable <= wdata[1];
          fabriclens_layout::REGISTER_WATCHDOG_CYCLES: described.watchdog <= merged(described.watchdog, wdata, mask);
          fabriclens_layout::REGISTER_COMMAND_ADDRESS: described.command_base <= merged(described.command_base, wdata, mask) & BASE_MASK;
          fabriclens_layout::REGISTER_COMMAND_COUNT: described.command_count <= 16'(merged({16'd0, described.command_count}, wdata, mask));
          fabriclens_layout::REGISTER_ARENA_ADDRESS: described.arena_base <= merged(described.arena_base, wdata, mask) & BASE_MASK;
          fabriclens_layout::REGISTER_ARENA_BYTES: described.arena_bytes <= merged(described.arena_bytes, wdata, mask);
          fabriclens_layout::REGISTER_DATA_ADDRESS: described.data_base <= merged(described.data_base, wdata, mask) & BASE_MASK;
          fabriclens_layout::REGISTER_DATA_BYTES: described.data_bytes <= merged(described.data_bytes, wdata, mask);
          fabriclens_layout::REGISTER_LAYER_SELECT: layer_select <= 16'(merged({16'd0, layer_select}, wdata, mask));
          default: ;
        endcase
      end
    end
  end

  // --- running, ending, failing ---
  logic [63:0] cycles, last_cycles;
  logic [31:0] read_stalls, write_stalls, last_read_stalls, last_write_stalls, completed, watched;
  logic [3:0]  error_code;
  logic [15:0] error_layer;
  logic        finished, late, fault;
  // Commands that are not a scheduler's may have asked for more than they use: the next segment begins with a clean bus.
  assign finished = active && !halt && bus_idle && stored == running.command_count;
  assign late = active && watched > running.watchdog;
  assign fault = active && !halt && (command_fault || range_fault || read_error || write_error || late);
  assign start = !active && pending && !halt && !unit_rst;

  always_ff @(posedge clk) begin
    unit_rst <= 1'b0;
    if (rst) begin
      active <= 1'b0;
      pending <= 1'b0;
      halt <= 1'b0;
      resetting <= 1'b0;
      done <= 1'b0;
      failed <= 1'b0;
      unit_rst <= 1'b1;
      completed <= '0;
      error_code <= '0;
      error_layer <= '0;
      last_cycles <= '0;
      last_read_stalls <= '0;
      last_write_stalls <= '0;
    end else begin
      cycles <= cycles + 64'd1;
      watched <= layer_done ? '0 : watched + 32'd1;
      read_stalls <= read_stalls + 32'(stall_read);
      write_stalls <= write_stalls + 32'(stall_write);
      if (write && awaddr == fabriclens_layout::REGISTER_STATUS && wstrb[0]) begin
        if (wdata[1]) done <= 1'b0;
        if (wdata[2]) failed <= 1'b0;
      end
      if (refused) begin
        failed <= 1'b1;
        error_code <= described.watchdog == '0 ? 4'd5 : 4'd1;
        error_layer <= '0;
      end else if (ring) begin
        pending <= 1'b1;
        waiting <= described;
      end
      if (start) begin
        running <= waiting;
        pending <= 1'b0;
        unit_rst <= 1'b1;
        active <= 1'b1;
        cycles <= '0;
        watched <= '0;
        read_stalls <= '0;
        write_stalls <= '0;
      end
      if (finished && !unit_rst) begin
        active <= 1'b0;
        done <= 1'b1;
        completed <= completed + 1'b1;
        last_cycles <= cycles;
        last_read_stalls <= read_stalls;
        last_write_stalls <= write_stalls;
      end else if (fault && !unit_rst) begin
        failed <= 1'b1;
        halt <= 1'b1;
        pending <= 1'b0;
        if (read_error) {error_code, error_layer} <= {4'd3, read_layer};
        else if (write_error) {error_code, error_layer} <= {4'd4, oldest_layer};
        else if (command_fault) {error_code, error_layer} <= {4'd1, command_layer};
        else if (range_fault) {error_code, error_layer} <= {4'd2, range_layer};
        else {error_code, error_layer} <= {4'd5, oldest_layer};
      end
      if (halt && bus_idle && !unit_rst) begin
        // One cycle in reset, then free again.
        unit_rst <= 1'b1;
        active <= 1'b0;
        halt <= 1'b0;
        resetting <= 1'b0;
        if (resetting) begin
          done <= 1'b0;
          failed <= 1'b0;
          completed <= '0;
          error_code <= '0;
          error_layer <= '0;
        end
      end
      // Behind the end of an error's halt, which it may come together with.
      if (soft_reset) begin
        halt <= 1'b1;
        resetting <= 1'b1;
        pending <= 1'b0;
      end
    end
  end
  assign irq = irq_enable && (done || failed);

  // --- when each layer ended ---
  localparam int LAYERS_LOG2 = $clog2(fabriclens_layout::MAX_CORE_LAYERS);
  (* ram_style = "block" *) logic [31:0] layer_cycles[fabriclens_layout::MAX_CORE_LAYERS];
  logic [31:0] selected_cycles;
  always_ff @(posedge clk) begin
    if (layer_done) layer_cycles[done_layer] <= cycles[31:0];
    selected_cycles <= layer_cycles[layer_select[LAYERS_LOG2-1:0]];
  end

  // --- reads ---
  assign rresp = 2'b00;
  assign arready = arvalid && (!rvalid || rready);
  always_ff @(posedge clk) begin
    if (rst) rvalid <= 1'b0;
    else begin
      if (rready) rvalid <= 1'b0;
      if (arready) rvalid <= 1'b1;
    end
    if (arready) begin
      unique case (araddr)
        fabriclens_layout::REGISTER_ID: rdata <= IDENTITY;
        fabriclens_layout::REGISTER_VERSION: rdata <= (CORE_VERSION << 16) | 32'(fabriclens_layout::LAYOUT_VERSION);
        fabriclens_layout::REGISTER_CAPABILITY: rdata <= {4'(STEPS_LOG2), 4'(ROWS_LOG2), 8'(PX), 8'(OC), 8'd16};
        fabriclens_layout::REGISTER_CONTROL: rdata <= {30'd0, irq_enable, 1'b0};
        fabriclens_layout::REGISTER_STATUS: rdata <= {27'd0, resetting, full, failed, done, active || pending};
        fabriclens_layout::REGISTER_ERROR_CODE: rdata <= {28'd0, error_code};
        fabriclens_layout::REGISTER_ERROR_LAYER: rdata <= {16'd0, error_layer};
        fabriclens_layout::REGISTER_WATCHDOG_CYCLES: rdata <= described.watchdog;
        fabriclens_layout::REGISTER_COMMAND_ADDRESS: rdata <= described.command_base;
        fabriclens_layout::REGISTER_COMMAND_COUNT: rdata <= {16'd0, described.command_count};
        fabriclens_layout::REGISTER_ARENA_ADDRESS: rdata <= described.arena_base;
        fabriclens_layout::REGISTER_ARENA_BYTES: rdata <= described.arena_bytes;
        fabriclens_layout::REGISTER_DATA_ADDRESS: rdata <= described.data_base;
        fabriclens_layout::REGISTER_DATA_BYTES: rdata <= described.data_bytes;
        fabriclens_layout::REGISTER_COMPLETED: rdata <= completed;
        fabriclens_layout::REGISTER_CYCLES_LOW: rdata <= last_cycles[31:0];
        fabriclens_layout::REGISTER_CYCLES_HIGH: rdata <= last_cycles[63:32];
        fabriclens_layout::REGISTER_STALL_READ: rdata <= last_read_stalls;
        fabriclens_layout::REGISTER_STALL_WRITE: rdata <= last_write_stalls;
        fabriclens_layout::REGISTER_LAYER_SELECT: rdata <= {16'd0, layer_select};
        fabriclens_layout::REGISTER_LAYER_CYCLES: rdata <= selected_cycles;
        default: rdata <= '0;
      endcase
    end
  end
endmodule
