// One pixel lane: 16 input lanes x OC output channels. Timing as in fl_pair, counted from x, which is skewed here.
module fl_lane_array #(parameter int OC = 8) (
  input  logic clk,
  input  logic depthwise,
  input  logic add, first,
  input  logic [127:0] x,             // 16 codes of one pixel
  input  logic [OC*128-1:0] w,        // pair p: bits 256p, 16 packed weights, the j-th j % 4 cycles behind x
  output logic [OC*32-1:0] sums,      // of each channel; depthwise: pair p (0..3) has channel p, then channel 4+p
  output logic [255:0] extras);       // depthwise: pair p has channel 8+p, then channel 12+p

  logic [127:0] skewed;
  for (genvar c = 0; c < 4; c++) begin : g_skew
    logic [7:0] x1, x2a, x2b, x3a, x3b, x3c;
    always_ff @(posedge clk) begin
      x1 <= x[32*c+8 +: 8];
      {x2b, x2a} <= {x2a, x[32*c+16 +: 8]};
      {x3c, x3b, x3a} <= {x3b, x3a, x[32*c+24 +: 8]};
    end
    assign skewed[32*c +: 32] = {x3c, x2b, x1, x[32*c +: 8]};
  end

  logic [OC*32-1:0] extra;
  for (genvar p = 0; p < OC / 2; p++) begin : g_pair
    fl_pair #(.EXTRA(p < 4)) pair (.clk, .depthwise, .add, .first, .x(skewed), .w(w[256*p +: 256]),
      .sum_low(sums[64*p +: 32]), .sum_high(sums[64*p+32 +: 32]), .extra(extra[64*p +: 64]));
  end
  assign extras = extra[255:0];
  if (OC > 8) begin : g_unused
    wire unused = &{1'b0, extra[OC*32-1:256]};
  end
endmodule
