// Fetches the commands of a segment, looks at what would make a unit misbehave, and hands them to the five queues.
// What it cannot see (a stream shorter than its blocks, rows that do not add up) ends in the watchdog.
module fl_fetch #(
  parameter int PX = 3
) (
  input  logic        clk,
  input  logic        rst,           // also at the start of a segment
  input  logic        active,
  input  logic [31:0] base,          // physical address of the first command
  input  logic [15:0] count,
  // memory
  output logic        request,
  input  logic        granted,
  output logic [31:0] address,
  input  logic        valid,
  output logic        ready,
  input  logic [63:0] data,
  // queues
  input  logic        full,          // of any queue
  output logic        write,
  output logic [3:0]  write_beat,
  output logic [63:0] write_data,
  output logic        push,
  output logic        fault,         // the command is malformed; nothing more is fetched
  output logic [15:0] fault_layer
);
  logic [15:0] index;
  logic [3:0] beat;
  logic waiting;  // for the beats of command `index`
  logic bad;
  logic [15:0] layer;
  logic pool;

  assign address = base + {9'd0, index, 7'd0};
  assign request = active && !waiting && !push && !full && !fault && index != count;
  assign ready = waiting;
  assign write = valid && waiting;
  assign write_beat = beat;
  assign write_data = data;

  // Fields of one beat that a correct command never has so.
  logic beat_bad;
  always_comb begin
    logic [15:0] h0, h1, h2, h3;
    {h3, h2, h1, h0} = data;
    unique case (beat)
      4'(fabriclens_layout::COMMAND_KIND_BEAT): beat_bad = data[7:0] > fabriclens_layout::COMMAND_KIND_MAXIMUM || data[31:16] >= 16'(fabriclens_layout::MAX_CORE_LAYERS) || data[63:32] > {16'd0, index};
      // Addresses and plane strides are of whole pixels, weights begin where a burst may.
      4'(fabriclens_layout::COMMAND_A_ADDRESS_BEAT), 4'(fabriclens_layout::COMMAND_B_ADDRESS_BEAT), 4'(fabriclens_layout::COMMAND_OUT_ADDRESS_BEAT),
      4'(fabriclens_layout::COMMAND_RESIDUAL_ADDRESS_BEAT): beat_bad = data[2:0] != '0 || data[34:32] != '0;
      4'(fabriclens_layout::COMMAND_WEIGHT_ADDRESS_BEAT): beat_bad = data[6:0] != '0;
      4'(fabriclens_layout::COMMAND_A_PLANES_BEAT): beat_bad = h2 == '0;
      4'(fabriclens_layout::COMMAND_COLUMNS_BEAT): beat_bad = h0 == '0 || h2 == '0 || h3 == '0 || {1'b0, h1} + {1'b0, h2} > {1'b0, h0};
      4'(fabriclens_layout::COMMAND_MODE_BEAT): beat_bad = h1 == '0 || data[55:48] >= 8'(PX) || data[63:62] != 2'b00;
      4'(fabriclens_layout::COMMAND_BASE_ROW_BEAT): beat_bad = h1 == '0 || data[63:40] != '0;
      4'(fabriclens_layout::COMMAND_KERNEL_H_BEAT):
        beat_bad = data[7:0] == '0 || data[15:8] == '0 || data[23:16] >= 8'(PX) || data[31:24] >= 8'(PX) || data[39:32] >= 8'(PX) || data[47:40] >= 8'(PX);
      4'(fabriclens_layout::COMMAND_BLOCKS_BEAT): beat_bad = h3 == '0;
      4'(fabriclens_layout::COMMAND_PLANES_BEAT): beat_bad = h0 == '0 || h1 == '0 || h2 == '0 || h3 == '0 || (pool && (h0[0] || h1[0] || h0 > 16'd1024));
      4'(fabriclens_layout::COMMAND_ADD_SHIFT_BEAT): beat_bad = data[31:24] > 8'(fabriclens_layout::MAX_SHIFT) || data[63:56] != '0;
      4'(fabriclens_layout::COMMAND_STORE_COLUMNS_BEAT): beat_bad = h2 == '0 || h3 == '0;
      default: beat_bad = 1'b0;
    endcase
  end

  always_ff @(posedge clk) begin
    push <= 1'b0;
    if (rst) begin
      index <= '0;
      beat <= '0;
      waiting <= 1'b0;
      bad <= 1'b0;
      fault <= 1'b0;
      layer <= '0;
    end else begin
      if (request && granted) waiting <= 1'b1;
      if (write) begin
        beat <= beat + 1'b1;
        bad <= bad || beat_bad;
        if (beat == 4'(fabriclens_layout::COMMAND_LAYER_BEAT)) begin
          layer <= data[fabriclens_layout::COMMAND_LAYER_BIT+:16];
          pool <= |(data[fabriclens_layout::COMMAND_FLAGS_BIT+:8] & fabriclens_layout::COMMAND_FLAG_POOL);
        end
        if (beat == 4'd15) begin
          waiting <= 1'b0;
          index <= index + 1'b1;
          bad <= 1'b0;
          if (bad || beat_bad) fault <= 1'b1;
          else push <= 1'b1;
        end
      end
    end
  end
  assign fault_layer = layer;
endmodule
