// Store unit: takes results from the two queues and writes them. A burst starts when all its beats are there, so that one that has
// started always ends: with `halt` nothing new starts, and the bus is clean once `idle`.
module fl_store #(
  parameter int OC = 8,
  parameter int QUEUE_LOG2 = 9
) (
  input  logic        clk,
  input  logic        rst,
  input  logic        halt,
  output logic        idle,
  // commands
  input  logic        command_ready,
  output logic [3:0]  command_beat,
  input  logic [63:0] command_data,
  output logic        command_pop,
  output logic [15:0] stored,         // commands of this segment whose writes are all answered
  output logic        layer_done,     // pulse: the last of them ended its layer
  output logic [$clog2(fabriclens_layout::MAX_CORE_LAYERS)-1:0] done_layer,
  output logic [15:0] layer,          // of the oldest command that is not stored
  // results
  input  logic [1:0]  queue_valid,
  input  logic [63:0] queue_a, queue_b,
  input  logic [QUEUE_LOG2:0] level_a, level_b,
  output logic [1:0]  queue_pop,
  // AXI
  input  logic [31:0] arena_base, arena_bytes,
  output logic        range_fault,
  output logic [15:0] fault_layer,
  output logic        error,
  output logic [31:0] awaddr,
  output logic [3:0]  awlen,
  output logic        awvalid,
  input  logic        awready,
  output logic [63:0] wdata,
  output logic        wlast,
  output logic        wvalid,
  input  logic        wready,
  input  logic [1:0]  bresp,
  input  logic        bvalid,
  output logic        bready
);
  logic [15:0] planes, row_beats, columns, rows, load_layer;
  logic [31:0] first, plane_stride;
  logic [7:0]  kind, flags;
  logic        wide, ends_layer;
  assign wide = kind != fabriclens_layout::COMMAND_KIND_REDUCE;
  assign ends_layer = |(flags & fabriclens_layout::COMMAND_FLAG_LAST);

  typedef enum logic [1:0] {LOAD, START, RUN} state_t;
  state_t state;
  logic marks_full;
  logic start, begin_burst, final_burst;
  assign start = state == START && !marks_full;
  assign command_pop = begin_burst && final_burst;

  always_ff @(posedge clk) begin
    if (rst) begin
      state <= LOAD;
      command_beat <= '0;
    end else begin
      unique case (state)
        LOAD: if (command_ready) begin
          unique case (command_beat)
            4'(fabriclens_layout::COMMAND_KIND_BEAT): command_beat <= 4'(fabriclens_layout::COMMAND_PLANES_BEAT);
            4'(fabriclens_layout::COMMAND_PLANES_BEAT): command_beat <= 4'(fabriclens_layout::COMMAND_OUT_ADDRESS_BEAT);
            4'(fabriclens_layout::COMMAND_OUT_ADDRESS_BEAT): command_beat <= 4'(fabriclens_layout::COMMAND_STORE_ROWS_BEAT);
            default: state <= START;
          endcase
        end
        START: if (!marks_full) state <= RUN;
        default: if (command_pop) begin
          state <= LOAD;
          command_beat <= '0;
        end
      endcase
    end
  end
  always_ff @(posedge clk) if (rst) load_layer <= '0;
  else if (state == LOAD && command_ready) begin
    if (command_beat == 4'(fabriclens_layout::COMMAND_KIND_BEAT)) begin
      kind <= command_data[fabriclens_layout::COMMAND_KIND_BIT+:8];
      flags <= command_data[fabriclens_layout::COMMAND_FLAGS_BIT+:8];
      load_layer <= command_data[fabriclens_layout::COMMAND_LAYER_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_PLANES_BEAT)) begin
      planes <= command_data[fabriclens_layout::COMMAND_PLANES_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_OUT_ADDRESS_BEAT)) begin
      first <= command_data[fabriclens_layout::COMMAND_OUT_ADDRESS_BIT+:32];
      plane_stride <= command_data[fabriclens_layout::COMMAND_OUT_PLANE_STRIDE_BIT+:32];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_OUT_ROW_BEATS_BEAT)) begin
      row_beats <= command_data[fabriclens_layout::COMMAND_OUT_ROW_BEATS_BIT+:16];
      columns <= command_data[fabriclens_layout::COMMAND_STORE_COLUMNS_BIT+:16];
      rows <= command_data[fabriclens_layout::COMMAND_STORE_ROWS_BIT+:16];
    end
  end

  logic valid, second, done_unused;
  logic [31:0] at;
  logic [4:0]  beats;
  logic [32:0] last_byte;
  fl_bursts #(.OC(OC)) bursts (
    .clk, .rst, .start, .wide, .planes, .columns, .rows, .row_beats, .first, .plane_stride,
    .done(done_unused), .valid, .second, .at, .length(beats), .last_byte, .final_burst, .take(begin_burst));
  assign range_fault = valid && last_byte > {1'b0, arena_bytes};
  assign fault_layer = load_layer;

  // --- the burst on the bus ---
  localparam int OUTSTANDING = 8;
  logic [15:0] sent, answered;        // bursts
  logic [15:0] outstanding;
  assign outstanding = sent - answered;
  logic [4:0]  left;                  // beats to go
  logic        from_second;
  logic there;
  assign there = (second ? level_b : level_a) >= (QUEUE_LOG2 + 1)'(beats);
  assign begin_burst = valid && !range_fault && !halt && there && !awvalid && left == '0 && outstanding < 16'(OUTSTANDING);

  assign wvalid = left != '0 && queue_valid[from_second];
  assign wdata = from_second ? queue_b : queue_a;
  assign wlast = left == 5'd1;
  assign queue_pop = wvalid && wready ? (from_second ? 2'b10 : 2'b01) : 2'b00;
  assign bready = 1'b1;
  assign error = bvalid && bresp != 2'b00;
  assign idle = !awvalid && left == '0 && outstanding == '0;

  always_ff @(posedge clk) begin
    if (rst) begin
      awvalid <= 1'b0;
      left <= '0;
      sent <= '0;
      answered <= '0;
    end else begin
      if (awready) awvalid <= 1'b0;
      if (wvalid && wready) left <= left - 1'b1;
      if (begin_burst) begin
        awvalid <= 1'b1;
        left <= beats;
        from_second <= second;
        sent <= sent + 1'b1;
      end
      if (bvalid) answered <= answered + 1'b1;
    end
  end
  always_ff @(posedge clk) if (begin_burst) begin
    awaddr <= arena_base + at;
    awlen <= 4'(beats - 5'd1);
  end

  // --- ends of commands: a command is stored when as many bursts are answered as were sent with its last ---
  (* ram_style = "distributed" *) logic [32:0] marks[4];  // {ends its layer, layer, bursts sent}
  logic [2:0] mark_written, mark_read, mark_count;
  assign mark_count = mark_written - mark_read;
  assign marks_full = mark_count[2];
  logic [32:0] mark;
  assign mark = marks[mark_read[1:0]];
  logic reached;
  assign reached = mark_count != '0 && answered - mark[15:0] < 16'h8000;
  assign layer = mark_count != '0 ? mark[31:16] : load_layer;

  always_ff @(posedge clk) if (command_pop) marks[mark_written[1:0]] <= {ends_layer, load_layer, sent + 16'd1};
  always_ff @(posedge clk) begin
    layer_done <= 1'b0;
    if (rst) begin
      mark_written <= '0;
      mark_read <= '0;
      stored <= '0;
    end else begin
      if (command_pop) mark_written <= mark_written + 1'b1;
      if (reached) begin
        mark_read <= mark_read + 1'b1;
        stored <= stored + 1'b1;
        layer_done <= mark[32];
        done_layer <= mark[16+:$clog2(fabriclens_layout::MAX_CORE_LAYERS)];
      end
    end
  end

endmodule
