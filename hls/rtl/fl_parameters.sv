// Bias, multiplier and shift of the 16 channels of a block, in two banks. A header brings 16 columns of 64 bits, the j-th j % 4 cycles after
// header_valid. Eight channels, one plane, are read at a time: they stand one cycle after `read`.
module fl_parameters (
  input  logic clk, rst,
  input  logic header_valid, header_bank,
  input  logic [1023:0] header,        // column j: bits 64j; i32 bias, u32 multiplier | shift << 24
  input  logic read, read_bank, read_plane,
  output logic [255:0] biases,
  output logic [191:0] multipliers,
  output logic [47:0] shifts,          // less 1: how fl_round takes them
  output logic busy);

  logic [3:1] valid_d, bank_d;
  always_ff @(posedge clk) begin
    valid_d <= rst ? 3'd0 : {valid_d[2:1], header_valid};
    bank_d <= {bank_d[2:1], header_bank};
  end
  assign busy = |valid_d;
  wire [3:0] write = {valid_d, header_valid};
  wire [3:0] bank = {bank_d, header_bank};

  for (genvar i = 0; i < 8; i++) begin : g_lane
    // Channels i and 8 + i come in the same cycle, for (8 + i) % 4 = i % 4.
    logic [61:0] bank0_a, bank0_b, bank1_a, bank1_b;
    wire [61:0] a = {6'(header[64*i+56 +: 6] - 6'd1), header[64*i +: 56]};
    wire [61:0] b = {6'(header[64*i+568 +: 6] - 6'd1), header[64*i+512 +: 56]};
    always_ff @(posedge clk) if (write[i%4]) begin
      if (bank[i%4]) {bank1_b, bank1_a} <= {b, a};
      else {bank0_b, bank0_a} <= {b, a};
    end
    logic [61:0] chosen;
    always_ff @(posedge clk) if (read) begin
      case ({read_bank, read_plane})
        2'd0: chosen <= bank0_a;
        2'd1: chosen <= bank0_b;
        2'd2: chosen <= bank1_a;
        2'd3: chosen <= bank1_b;
      endcase
    end
    assign biases[32*i +: 32] = chosen[31:0];
    assign multipliers[24*i +: 24] = chosen[55:32];
    assign shifts[6*i +: 6] = chosen[61:56];
    wire unused = &{1'b0, header[64*i+62 +: 2], header[64*i+574 +: 2]};
`ifndef SYNTHESIS
    // The second half of a block of 8 channels is all 0.
    always_ff @(posedge clk) if (!rst && write[i%4]) begin
      assert (header[64*i+56 +: 8] - 8'd1 < 8'(fabriclens_layout::MAX_SHIFT) && (header[64*i+512 +: 64] == '0 || header[64*i+568 +: 8] - 8'd1 < 8'(fabriclens_layout::MAX_SHIFT)))
        else $error("shift of channel %0d or %0d out of range: %0d, %0d", i, i + 8, header[64*i+56 +: 8], header[64*i+568 +: 8]);
    end
`endif
  end
endmodule
