// The output stage: eight sums a cycle become eight codes, one plane of one pixel. Requantise (10 cycles), table (2, in commands that use
// one), residual add (12, likewise), clamp (1). Nothing stalls: the caller has made sure that the residuals are there.
module fl_output (
  input  logic clk, rst,
  input  logic use_table, use_residual,
  input  logic signed [7:0] stage_zero, out_min, out_max, add_zero_a, add_zero_b, add_zero_out,
  input  logic [5:0] add_shift,
  input  logic [23:0] add_multiplier_a, add_multiplier_b,
  input  logic table_we,
  input  logic [4:0] table_word,
  input  logic [63:0] table_data,
  input  logic valid, plane, final_of_group,
  input  logic [255:0] sums, biases,
  input  logic [191:0] multipliers,
  input  logic [47:0] shifts,                  // less 1
  output logic [1:0] residual_pop,
  input  logic [127:0] residual,
  output logic [1:0] out_valid,
  output logic [63:0] out_data,
  output logic out_final);                     // with the last of a group

  // What goes with the values: entry n is n cycles behind the sums. Without a table entry 10 is the last: nothing may be left behind it
  // when the next command takes them from entry 12.
  logic [12:1] valid_d, plane_d, final_d;
  always_ff @(posedge clk) begin
    valid_d <= rst ? 12'd0 : {valid_d[11], valid_d[10] & use_table, valid_d[9:1], valid};
    plane_d <= {plane_d[11:1], plane};
    final_d <= {final_d[11:1], final_of_group};
  end

  logic [63:0] requantised, found;
  for (genvar i = 0; i < 8; i++) begin : g_requantise
    fl_requantise requantise (.clk, .enable({valid_d[9:1], valid}), .sum(sums[32*i +: 32]), .bias(biases[32*i +: 32]),
      .multiplier(multipliers[24*i +: 24]), .shift(shifts[6*i +: 6]), .zero(stage_zero), .code(requantised[8*i +: 8]));
  end
  fl_table table_of_codes (.clk, .we(table_we), .word(table_word), .data(table_data), .enable({valid_d[11], valid_d[10] & use_table}), .codes(requantised), .found);

  wire staged_valid = use_table ? valid_d[12] : valid_d[10];
  wire staged_plane = use_table ? plane_d[12] : plane_d[10];
  wire staged_final = use_table ? final_d[12] : final_d[10];
  wire [63:0] staged = use_table ? found : requantised;

  wire add = staged_valid & use_residual;
  assign residual_pop = {add & staged_plane, add & ~staged_plane};
  logic [63:0] operand, other, added;
  logic [11:0] add_d, add_plane_d, add_final_d;     // entry n is n cycles behind the operands
  always_ff @(posedge clk) begin
    if (add) begin
      operand <= staged;
      other <= staged_plane ? residual[127:64] : residual[63:0];
    end
    add_d <= rst ? 12'd0 : {add_d[10:0], add};
    add_plane_d <= {add_plane_d[10:0], staged_plane};
    add_final_d <= {add_final_d[10:0], staged_final};
  end
  // What the lanes share; settings stand long before the first of them is needed.
  logic [5:0] add_shift_less_1;
  logic [25:0] triple_a, triple_b;
  logic [24:0] both;
  always_ff @(posedge clk) begin
    add_shift_less_1 <= add_shift - 6'd1;
    triple_a <= {2'b00, add_multiplier_a} + {1'b0, add_multiplier_a, 1'b0};
    triple_b <= {2'b00, add_multiplier_b} + {1'b0, add_multiplier_b, 1'b0};
    both <= {1'b0, add_multiplier_a} + {1'b0, add_multiplier_b};
  end
  for (genvar i = 0; i < 8; i++) begin : g_add
    fl_add add_lane (.clk, .enable(add_d[10:0]), .a(operand[8*i +: 8]), .b(other[8*i +: 8]), .zero_a(add_zero_a), .zero_b(add_zero_b),
      .zero_out(add_zero_out), .multiplier_a(add_multiplier_a), .multiplier_b(add_multiplier_b),
      .triple_a, .triple_b, .both, .shift(add_shift_less_1), .code(added[8*i +: 8]));
  end

  wire last_valid = use_residual ? add_d[11] : staged_valid;
  wire last_plane = use_residual ? add_plane_d[11] : staged_plane;
  wire last_final = use_residual ? add_final_d[11] : staged_final;
  wire [63:0] last = use_residual ? added : staged;
  always_ff @(posedge clk) begin
    out_valid <= {2{last_valid & ~rst}} & {last_plane, ~last_plane};
    out_final <= last_valid & last_final & ~rst;
  end
  for (genvar i = 0; i < 8; i++) begin : g_clamp
    wire signed [7:0] code = last[8*i +: 8];
    always_ff @(posedge clk) if (last_valid) out_data[8*i +: 8] <= code < out_min ? out_min : code > out_max ? out_max : code;
  end
`ifndef SYNTHESIS
  always_ff @(posedge clk) if (add && !rst) begin
    assert (add_shift_less_1 < 6'(fabriclens_layout::MAX_SHIFT)) else $error("add_shift %0d out of range", add_shift);
  end
`endif
endmodule
