// The residual add of one lane: saturate(zero_out + RNE(((a - zero_a) * multiplier_a + (b - zero_b) * multiplier_b) / 2^(shift + 1))).
// Eleven cycles; stage n is loaded where enable[n] is set. The array leaves no DSP for these two 9 x 24 products (and they run only in
// commands with a residual), so they are trees of adders: of the multiples that pairs of bits choose, of those, of those, with the share
// of the signs taken off at the end.
module fl_add (
  input  logic clk,
  input  logic [10:0] enable,
  input  logic signed [7:0] a, b, zero_a, zero_b, zero_out,
  input  logic [23:0] multiplier_a, multiplier_b,
  input  logic [25:0] triple_a, triple_b,            // 3 * multiplier
  input  logic [24:0] both,                          // multiplier_a + multiplier_b
  input  logic [5:0] shift,
  output logic signed [7:0] code);

  logic signed [8:0] a0, b0;
  always_ff @(posedge clk) if (enable[0]) begin
    a0 <= 9'(a) - 9'(zero_a);
    b0 <= 9'(b) - 9'(zero_b);
  end

  logic [25:0] a_pair [4], b_pair [4];
  logic [27:0] a_half [2], b_half [2];
  logic [31:0] a_product, b_product;      // of the low 8 bits of a - zero_a, as if they had no sign
  logic [32:0] product4;
  logic [24:0] signs4;                    // to be taken off, times 256
  logic signed [33:0] sum;
  logic [2:0] a_negative, b_negative;
  for (genvar i = 0; i < 4; i++) begin : g_pair
    always_ff @(posedge clk) if (enable[1]) begin
      case (a0[2*i +: 2])
        2'd0: a_pair[i] <= 26'd0;
        2'd1: a_pair[i] <= {2'b00, multiplier_a};
        2'd2: a_pair[i] <= {1'b0, multiplier_a, 1'b0};
        2'd3: a_pair[i] <= triple_a;
      endcase
      case (b0[2*i +: 2])
        2'd0: b_pair[i] <= 26'd0;
        2'd1: b_pair[i] <= {2'b00, multiplier_b};
        2'd2: b_pair[i] <= {1'b0, multiplier_b, 1'b0};
        2'd3: b_pair[i] <= triple_b;
      endcase
    end
  end
  for (genvar i = 0; i < 2; i++) begin : g_half
    always_ff @(posedge clk) if (enable[2]) begin
      a_half[i] <= {2'b00, a_pair[2*i]} + {a_pair[2*i+1], 2'b00};
      b_half[i] <= {2'b00, b_pair[2*i]} + {b_pair[2*i+1], 2'b00};
    end
  end
  always_ff @(posedge clk) begin
    if (enable[3]) begin
      a_product <= {4'd0, a_half[0]} + {a_half[1], 4'd0};
      b_product <= {4'd0, b_half[0]} + {b_half[1], 4'd0};
    end
    a_negative <= {a_negative[1:0], a0[8]};
    b_negative <= {b_negative[1:0], b0[8]};
    if (enable[4]) begin
      product4 <= {1'b0, a_product} + {1'b0, b_product};
      case ({a_negative[2], b_negative[2]})
        2'd0: signs4 <= 25'd0;
        2'd1: signs4 <= {1'b0, multiplier_b};
        2'd2: signs4 <= {1'b0, multiplier_a};
        2'd3: signs4 <= both;
      endcase
    end
    if (enable[5]) sum <= {1'b0, product4} - {1'b0, signs4, 8'd0};
  end

  fl_round #(.WIDTH(34)) round (.clk, .enable(enable[10:6]), .value(sum), .shift, .zero(zero_out), .code);
endmodule
