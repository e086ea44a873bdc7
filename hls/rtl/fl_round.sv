// code = saturate(zero + RNE(value / 2^(shift + 1))), shift 0..54, five cycles; stage n is loaded where enable[n] is set.
// The value is shifted right by multiples of 16, of 4, then of 1, and cut: what matters of the quotient is 9 bits (beyond them it
// saturates whatever the zero point), the bit below (a half), whether anything stood under that, and whether anything stood above.
module fl_round #(parameter int WIDTH = 57) (   // of the value, up to 57
  input  logic clk,
  input  logic [4:0] enable,
  input  logic signed [WIDTH-1:0] value,
  input  logic [5:0] shift,
  input  logic signed [7:0] zero,
  output logic signed [7:0] code);

  wire signed [56:0] full = 57'(value);
  wire negative0 = full[56];
  logic negative1, negative2, negative3, negative4;
  logic over1, over2, over3, over4;     // bits above what is kept are not all signs
  logic rest1, rest2, rest3;            // bits that were dropped are not all 0
  logic [24:0] kept1;
  logic [12:0] kept2;
  logic [9:0] kept3;
  logic [3:0] shift1;
  logic [1:0] shift2;
  logic signed [9:0] sum4;

  wire [15:0] signs = {16{negative0}};
  wire above_25 = full[40:25] != signs, above_41 = full[56:41] != signs;
  wire below_16 = full[15:0] != 16'd0, below_32 = full[31:16] != 16'd0, below_48 = full[47:32] != 16'd0;
  always_ff @(posedge clk) if (enable[0]) begin
    negative1 <= negative0;
    shift1 <= shift[3:0];
    case (shift[5:4])
      2'd0: begin kept1 <= full[24:0];  over1 <= above_25 | above_41; rest1 <= 1'b0; end
      2'd1: begin kept1 <= full[40:16]; over1 <= above_41;            rest1 <= below_16; end
      2'd2: begin kept1 <= full[56:32]; over1 <= 1'b0;                rest1 <= below_16 | below_32; end
      2'd3: begin kept1 <= {signs, full[56:48]}; over1 <= 1'b0;       rest1 <= below_16 | below_32 | below_48; end
    endcase
  end

  wire above_13 = kept1[16:13] != {4{negative1}}, above_17 = kept1[20:17] != {4{negative1}}, above_21 = kept1[24:21] != {4{negative1}};
  wire below_4 = kept1[3:0] != 4'd0, below_8 = kept1[7:4] != 4'd0, below_12 = kept1[11:8] != 4'd0;
  always_ff @(posedge clk) if (enable[1]) begin
    negative2 <= negative1;
    shift2 <= shift1[1:0];
    case (shift1[3:2])
      2'd0: begin kept2 <= kept1[12:0];  over2 <= over1 | above_13 | above_17 | above_21; rest2 <= rest1; end
      2'd1: begin kept2 <= kept1[16:4];  over2 <= over1 | above_17 | above_21;            rest2 <= rest1 | below_4; end
      2'd2: begin kept2 <= kept1[20:8];  over2 <= over1 | above_21;                       rest2 <= rest1 | below_4 | below_8; end
      2'd3: begin kept2 <= kept1[24:12]; over2 <= over1;                                  rest2 <= rest1 | below_4 | below_8 | below_12; end
    endcase
  end

  always_ff @(posedge clk) if (enable[2]) begin
    negative3 <= negative2;
    case (shift2)
      2'd0: begin kept3 <= kept2[9:0];  over3 <= over2 | (kept2[12:9]  != {4{negative2}}); rest3 <= rest2; end
      2'd1: begin kept3 <= kept2[10:1]; over3 <= over2 | (kept2[12:10] != {3{negative2}}); rest3 <= rest2 | kept2[0]; end
      2'd2: begin kept3 <= kept2[11:2]; over3 <= over2 | (kept2[12:11] != {2{negative2}}); rest3 <= rest2 | (kept2[1:0] != 2'd0); end
      2'd3: begin kept3 <= kept2[12:3]; over3 <= over2 | (kept2[12] != negative2);         rest3 <= rest2 | (kept2[2:0] != 3'd0); end
    endcase
  end

  wire up = kept3[0] & (rest3 | kept3[1]);
  always_ff @(posedge clk) if (enable[3]) begin
    negative4 <= negative3;
    over4 <= over3;
    sum4 <= 10'(({kept3[9], kept3[9:1], 1'b1} + {{2{zero[7]}}, zero, up}) >> 1);
  end

  wire high = over4 ? ~negative4 : ~sum4[9] & (sum4[8:7] != 2'b00);
  wire low  = over4 ? negative4  : sum4[9] & (sum4[8:7] != 2'b11);
  always_ff @(posedge clk) if (enable[4]) code <= high ? 8'sd127 : low ? -8'sd128 : sum4[7:0];
endmodule
