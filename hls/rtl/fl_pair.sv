// Two output channels of one pixel lane: 16 input lanes in four chains, an adder tree, int32 accumulators.
// A step is added 8 cycles after element 0 of its chains, in the cycle in which `add` is asserted for it, and is in the sums one later.
// The borrow of a chain (the sign of its low sum, see fl_chain) rides on the carry inputs of the adders of the high sums.
// Depthwise (EXTRA): chains 0 and 1 alone reach the ordinary sums, chains 2 and 3 have sums of their own (chain 3 has no w0, so no borrow).
// Those are 32 bits wide like the others, so that one proof of the compiler, |sum| < 2^31, holds for every channel whatever its kernel.
module fl_pair #(parameter bit EXTRA = 1'b0) (
  input  logic clk,
  input  logic depthwise,
  input  logic add, first,                        // first: starts from 0
  input  logic [127:0] x,                         // lane j is j % 4 cycles behind lane 0
  input  logic [255:0] w,                         // so is element j
  output logic signed [31:0] sum_low, sum_high,   // channels 2p and 2p+1; depthwise p and 4+p
  output logic [63:0] extra);                     // depthwise: channels 8+p and 12+p

  logic signed [16:0] low0, low1, low2, low3, high0, high1, high2, high3;
  fl_chain chain0 (.clk, .x(x[31:0]),   .w(w[63:0]),    .low(low0), .high(high0));
  fl_chain chain1 (.clk, .x(x[63:32]),  .w(w[127:64]),  .low(low1), .high(high1));
  fl_chain chain2 (.clk, .x(x[95:64]),  .w(w[191:128]), .low(low2), .high(high2));
  fl_chain chain3 (.clk, .x(x[127:96]), .w(w[255:192]), .low(low3), .high(high3));

  // In the adders with a borrow the lowest bit is its way in: 1 + borrow carries into the bit above, and the shift drops it.
  logic signed [17:0] low01, low23, high01, high23;
  logic borrow1, borrow3;
  always_ff @(posedge clk) begin
    low01  <= 18'(low0) + 18'(low1);
    low23  <= 18'(low2) + 18'(low3);
    high01 <= 18'(({high0[16], high0, 1'b1} + {high1[16], high1, low0[16]}) >> 1);
    high23 <= 18'(({high2[16], high2, 1'b1} + {high3[16], high3, low2[16]}) >> 1);
    borrow1 <= low1[16];
    borrow3 <= low3[16];
  end

  wire signed [17:0] low_rest  = depthwise ? 18'sd0 : low23;
  wire signed [17:0] high_rest = depthwise ? 18'sd0 : high23;
  logic signed [18:0] low, high;
  logic borrow;
  always_ff @(posedge clk) begin
    low    <= 19'(low01) + 19'(low_rest);
    high   <= 19'(({high01[17], high01, 1'b1} + {high_rest[17], high_rest, borrow1}) >> 1);
    borrow <= borrow3;
  end

  wire signed [31:0] from_low  = first ? 32'sd0 : sum_low;
  wire signed [31:0] from_high = first ? 32'sd0 : sum_high;
  always_ff @(posedge clk) if (add) begin
    sum_low  <= 32'(low) + from_low;
    sum_high <= 32'(({{13{high[18]}}, high, 1'b1} + {from_high, borrow}) >> 1);
  end

  if (EXTRA) begin : g_extra
    logic signed [17:0] x_low, x_high;
    logic signed [31:0] extra_low, extra_high;
    wire signed [31:0] from_x_low  = first ? 32'sd0 : extra_low;
    wire signed [31:0] from_x_high = first ? 32'sd0 : extra_high;
    always_ff @(posedge clk) if (depthwise) begin
      x_low  <= low23;
      x_high <= high23;
      if (add) begin
        extra_low  <= 32'(x_low) + from_x_low;
        extra_high <= 32'(x_high) + from_x_high;
      end
    end
    assign extra = {extra_high, extra_low};
  end else begin : g_no_extra
    assign extra = 64'd0;
  end
endmodule
