// Residual loader: fetches the other operand of a command's add, in the order in which its results leave the array, into two queues (the
// planes of a block). Bursts are asked for only when their queue has room.
module fl_residual #(
  parameter int OC = 8,
  parameter int QUEUE_LOG2 = 9
) (
  input  logic        clk,
  input  logic        rst,
  // commands
  input  logic        command_ready,
  output logic [3:0]  command_beat,
  input  logic [63:0] command_data,
  output logic        command_pop,
  input  logic [15:0] stored,
  // memory
  input  logic [31:0] arena_base, arena_bytes,
  output logic        request,
  input  logic        granted,
  output logic [31:0] address,
  output logic [3:0]  length,
  output logic        second,         // which queue the burst is for
  output logic        range_fault,
  output logic [15:0] layer,
  input  logic [1:0]  pop             // of the queues
);
  logic [15:0] wait_stores, planes, row_beats, columns, rows;
  logic [31:0] first, plane_stride;
  logic [7:0]  kind, flags;
  logic        wide, wanted;
  assign wide = kind != fabriclens_layout::COMMAND_KIND_REDUCE;
  assign wanted = |(flags & fabriclens_layout::COMMAND_FLAG_RESIDUAL);

  typedef enum logic [1:0] {LOAD, WAIT, RUN} state_t;
  state_t state;
  logic start, done;
  assign start = state == WAIT && wanted && stored >= wait_stores;
  assign command_pop = state == WAIT ? !wanted : state == RUN && done;

  always_ff @(posedge clk) begin
    if (rst) begin
      state <= LOAD;
      command_beat <= '0;
    end else begin
      unique case (state)
        LOAD: if (command_ready) begin
          unique case (command_beat)
            4'(fabriclens_layout::COMMAND_KIND_BEAT): command_beat <= 4'(fabriclens_layout::COMMAND_PLANES_BEAT);
            4'(fabriclens_layout::COMMAND_PLANES_BEAT): command_beat <= 4'(fabriclens_layout::COMMAND_RESIDUAL_ADDRESS_BEAT);
            4'(fabriclens_layout::COMMAND_RESIDUAL_ADDRESS_BEAT): command_beat <= 4'(fabriclens_layout::COMMAND_STORE_ROWS_BEAT);
            default: state <= WAIT;
          endcase
        end
        WAIT: if (!wanted) begin
          state <= LOAD;
          command_beat <= '0;
        end else if (start) state <= RUN;
        default: if (done) begin
          state <= LOAD;
          command_beat <= '0;
        end
      endcase
    end
  end
  always_ff @(posedge clk) if (state == LOAD) begin
    if (command_beat == 4'(fabriclens_layout::COMMAND_KIND_BEAT)) begin
      kind <= command_data[fabriclens_layout::COMMAND_KIND_BIT+:8];
      flags <= command_data[fabriclens_layout::COMMAND_FLAGS_BIT+:8];
      layer <= command_data[fabriclens_layout::COMMAND_LAYER_BIT+:16];
      wait_stores <= command_data[fabriclens_layout::COMMAND_WAIT_STORES_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_PLANES_BEAT)) begin
      planes <= command_data[fabriclens_layout::COMMAND_PLANES_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_RESIDUAL_ADDRESS_BEAT)) begin
      first <= command_data[fabriclens_layout::COMMAND_RESIDUAL_ADDRESS_BIT+:32];
      plane_stride <= command_data[fabriclens_layout::COMMAND_RESIDUAL_PLANE_STRIDE_BIT+:32];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_RESIDUAL_ROW_BEATS_BEAT)) begin
      row_beats <= command_data[fabriclens_layout::COMMAND_RESIDUAL_ROW_BEATS_BIT+:16];
      columns <= command_data[fabriclens_layout::COMMAND_STORE_COLUMNS_BIT+:16];
      rows <= command_data[fabriclens_layout::COMMAND_STORE_ROWS_BIT+:16];
    end
  end

  logic valid;
  logic [31:0] at;
  logic [4:0]  beats;
  logic [32:0] last_byte;
  logic        final_burst_unused;
  fl_bursts #(.OC(OC)) bursts (
    .clk, .rst, .start, .wide, .planes, .columns, .rows, .row_beats, .first, .plane_stride,
    .done, .valid, .second, .at, .length(beats), .last_byte, .final_burst(final_burst_unused), .take(request && granted));

  logic [QUEUE_LOG2:0] room[2];
  always_ff @(posedge clk) begin
    for (int q = 0; q < 2; q++) begin
      if (rst) room[q] <= (QUEUE_LOG2 + 1)'(2 ** QUEUE_LOG2);
      else room[q] <= room[q] + (QUEUE_LOG2 + 1)'(pop[q]) - (request && granted && second == 1'(q) ? (QUEUE_LOG2 + 1)'(beats) : '0);
    end
  end
  assign range_fault = valid && last_byte > {1'b0, arena_bytes};
  assign request = valid && !range_fault && room[second] >= (QUEUE_LOG2 + 1)'(16);
  assign address = arena_base + at;
  assign length = 4'(beats - 5'd1);
endmodule
