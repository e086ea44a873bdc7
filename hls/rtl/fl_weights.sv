// Weight loader and ring: streams the weights of the commands into 2^STEPS_LOG2 steps of 16 columns of 8 bytes (32 for 16 output
// lanes). Commands run ahead of the array as far as the ring has room. Column j answers a read address j % 4 cycles later than column 0:
// the skew that the chains of the array want.
module fl_weights #(
  parameter int OC = 8,
  parameter int STEPS_LOG2 = 10
) (
  input  logic                  clk,
  input  logic                  rst,
  // commands
  input  logic                  command_ready,
  output logic [3:0]            command_beat,
  input  logic [63:0]           command_data,
  output logic                  command_pop,
  // memory
  input  logic [31:0]           data_base, data_bytes,
  output logic                  request,
  input  logic                  granted,
  output logic [31:0]           address,
  output logic [3:0]            length,
  input  logic                  valid,
  output logic                  ready,
  input  logic [63:0]           data,
  output logic                  range_fault,
  output logic [15:0]           layer,
  // ring; step counts run on through a segment and wrap at 2^16
  output logic [15:0]           written,      // steps that are complete
  input  logic [15:0]           released,     // steps that may be overwritten
  input  logic                  hold,         // nothing new is asked for
  input  logic [STEPS_LOG2-1:0] read_step,
  output logic [OC/8*1024-1:0]  read_data     // column j: 1 + j % 4 cycles after read_step
);
  localparam int HALVES = OC / 8;             // bursts of 16 beats in a step
  localparam int COLUMNS = 16 * HALVES;

  // --- the command: address and length, then bursts while there is room ---
  logic [31:0] at;
  logic [31:0] left;                          // bursts
  logic [15:0] asked;                         // steps asked for, the last perhaps in part
  logic [4:0]  beat;                          // column of the next beat to come
  logic        part;                          // a burst of the step is asked for, the other not yet
  logic        running;
  logic [15:0] held;
  assign held = asked - released;
  logic room;
  assign room = (HALVES == 2 && part) || held < 16'(2 ** STEPS_LOG2);
  logic [32:0] burst_end;
  assign burst_end = {1'b0, at} + 33'd128;
  assign range_fault = running && left != '0 && burst_end > {1'b0, data_bytes};
  assign request = running && left != '0 && room && !range_fault && !hold;
  assign address = data_base + at;
  assign length = 4'd15;
  assign command_pop = running && left == '0;

  always_ff @(posedge clk) begin
    if (rst) begin
      running <= 1'b0;
      command_beat <= '0;
      asked <= '0;
      part <= 1'b0;
    end else if (!running) begin
      if (command_ready) begin
        if (command_beat == 4'(fabriclens_layout::COMMAND_LAYER_BEAT)) begin
          layer <= command_data[fabriclens_layout::COMMAND_LAYER_BIT+:16];
          command_beat <= 4'(fabriclens_layout::COMMAND_WEIGHT_ADDRESS_BEAT);
        end else begin
          at <= command_data[fabriclens_layout::COMMAND_WEIGHT_ADDRESS_BIT+:32];
          left <= command_data[fabriclens_layout::COMMAND_WEIGHT_STEPS_BIT+:32] << (HALVES - 1);
          running <= 1'b1;
        end
      end
    end else if (left == '0) begin
      running <= 1'b0;
      command_beat <= '0;
    end else if (request && granted) begin
      at <= at + 32'd128;
      left <= left - 1'b1;
      part <= HALVES == 2 && !part;
      if (HALVES == 1 || !part) asked <= asked + 1'b1;
    end
  end

  // --- beats into columns ---
  assign ready = 1'b1;                        // only what has room is asked for
  always_ff @(posedge clk) begin
    if (rst) begin
      beat <= '0;
      written <= '0;
    end else if (valid) begin
      beat <= beat == 5'(COLUMNS - 1) ? '0 : beat + 1'b1;
      if (beat == 5'(COLUMNS - 1)) written <= written + 1'b1;
    end
  end

  logic [STEPS_LOG2-1:0] skewed[4];
  assign skewed[0] = read_step;
  always_ff @(posedge clk) begin
    skewed[1] <= skewed[0];
    skewed[2] <= skewed[1];
    skewed[3] <= skewed[2];
  end

  for (genvar c = 0; c < COLUMNS; c++) begin : g_column
    (* ram_style = "block" *) logic [63:0] memory[2**STEPS_LOG2];
    always_ff @(posedge clk) begin
      if (valid && beat == 5'(c)) memory[written[STEPS_LOG2-1:0]] <= data;
      read_data[c*64+:64] <= memory[skewed[c%4]];
    end
  end
endmodule
