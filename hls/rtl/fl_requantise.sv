// One lane: code = saturate(zero + RNE((sum + bias) * multiplier / 2^(shift + 1))). Ten cycles; stage n is loaded where enable[n] is set.
// The 32 x 24 product takes two DSP48E1: the low 17 bits of the sum, unsigned, and its high 15, signed, with the low product shifted
// right by 17 on the cascade. The compiler has proved that sum + bias does not overflow.
module fl_requantise (
  input  logic clk,
  input  logic [9:0] enable,
  input  logic signed [31:0] sum, bias,
  input  logic [23:0] multiplier,
  input  logic [5:0] shift,
  input  logic signed [7:0] zero,
  output logic signed [7:0] code);

  logic signed [31:0] biased;
  logic signed [24:0] multiplier1;
  always_ff @(posedge clk) if (enable[0]) begin
    biased <= sum + bias;
    multiplier1 <= {1'b0, multiplier};
  end

  logic signed [24:0] low_a;
  logic signed [17:0] low_b;
  logic signed [42:0] low_m;
  logic signed [47:0] low_p;
  always_ff @(posedge clk) begin
    if (enable[1]) begin
      low_a <= multiplier1;
      low_b <= {1'b0, biased[16:0]};
    end
    if (enable[2]) low_m <= low_a * low_b;
    if (enable[3]) low_p <= 48'(low_m);
  end

  logic signed [24:0] high_a1, high_a;
  logic signed [14:0] high_b1, high_b;
  logic signed [39:0] high_m;
  logic signed [47:0] high_p;
  logic [16:0] low_rest;
  always_ff @(posedge clk) begin
    if (enable[1]) begin
      high_a1 <= multiplier1;
      high_b1 <= biased[31:17];
    end
    if (enable[2]) begin
      high_a <= high_a1;
      high_b <= high_b1;
    end
    if (enable[3]) high_m <= high_a * high_b;
    if (enable[4]) begin
      high_p <= (low_p >>> 17) + 48'(high_m);
      low_rest <= low_p[16:0];
    end
  end
  wire unused = &{1'b0, high_p[47:40]};

  // The shift beside the product.
  logic [5:0] shift1, shift2, shift3, shift4, shift5;
  always_ff @(posedge clk) begin
    if (enable[0]) shift1 <= shift;
    {shift5, shift4, shift3, shift2} <= {shift4, shift3, shift2, shift1};
  end

  fl_round round (.clk, .enable(enable[9:5]), .value({high_p[39:0], low_rest}), .shift(shift5), .zero, .code);
endmodule
