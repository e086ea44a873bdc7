// The array and its output stage. Nothing in it stalls: the first codes of a group leave 23 cycles after its last step (15 with MAXIMUM),
// 2 later in commands with a table and 12 later in those with a residual, and from there on eight a cycle. The caller keeps last steps
// pixels * planes cycles apart, and a header 17 cycles behind the last step of the block that used its bank before.
// x should come from registers: MAXIMUM compares it before its first own one.
module fl_datapath #(parameter int OC = 8, parameter int PX = 3) (
  input  logic clk,
  input  logic rst,                                             // synchronous
  // settings of the command, stable while one of its steps is in flight
  input  logic [1:0] kind,
  input  logic use_table,
  input  logic use_residual,
  input  logic signed [7:0] stage_zero, out_min, out_max, add_zero_a, add_zero_b, add_zero_out,
  input  logic [5:0] add_shift,
  input  logic [23:0] add_multiplier_a, add_multiplier_b,
  // a step: x comes with it, column j of w j % 4 cycles later
  input  logic step_valid, step_first, step_last, step_bank,    // bank of parameters of the step's block
  input  logic [1:0] step_pixels,                               // with step_last: 1..PX pixels of the group are real
  input  logic [1:0] step_planes,                               // with step_last: 1 or 2 planes of the block are real
  input  logic [PX*128-1:0] x,                                  // lane 0 = bits 0-127
  input  logic [OC/8*1024-1:0] w,                               // column j of half h: bits (h*16+j)*64 +: 64
  // the header of a block: column j of w, j % 4 cycles after this, is channel j's parameter
  input  logic header_valid, header_bank,
  input  logic table_we,
  input  logic [4:0] table_word,
  input  logic [63:0] table_data,
  output logic [1:0] residual_pop,
  input  logic [127:0] residual,                                // heads of FIFO A (0-63) and B; the caller has made sure they are there
  output logic [1:0] out_valid,                                 // to FIFO A or B
  output logic [63:0] out_data,
  output logic busy);                                           // a step, header or result is in flight: from the cycle after it came

  wire depthwise = kind == 2'(fabriclens_layout::COMMAND_KIND_DEPTHWISE);
  wire maximum = kind == 2'(fabriclens_layout::COMMAND_KIND_MAXIMUM);

  // Entry n is n cycles behind the step. A sum has added it when 9 have passed, a maximum when 1 has.
  logic [9:1] valid_d, last_d, two_d, bank_d;
  logic [8:1] first_d;
  logic [18:1] pixels_d;
  always_ff @(posedge clk) begin
    valid_d <= rst ? 9'd0 : {valid_d[8:1], step_valid};
    first_d <= {first_d[7:1], step_first};
    last_d <= {last_d[8:1], step_last};
    two_d <= {two_d[8:1], step_planes[1]};
    bank_d <= {bank_d[8:1], step_bank};
    pixels_d <= {pixels_d[16:1], step_pixels};
  end
  wire unused = step_planes[0];

  // The weights of each pair of channels, together.
  logic [OC*128-1:0] pairs;
  for (genvar p = 0; p < OC / 2; p++) begin : g_pair
    for (genvar j = 0; j < 16; j++) begin : g_lane
      assign pairs[256*p+16*j +: 16] = w[(p/4*16+j)*64+p%4*16 +: 16];
    end
  end

  logic [PX*OC*32-1:0] sums;
  logic [PX*256-1:0] extras;
  logic [PX*128-1:0] maxima;
  for (genvar l = 0; l < PX; l++) begin : g_pixel
    fl_lane_array #(.OC(OC)) array (.clk, .depthwise, .add(valid_d[8]), .first(first_d[8]), .x(x[128*l +: 128]), .w(pairs),
      .sums(sums[OC*32*l +: OC*32]), .extras(extras[256*l +: 256]));
    fl_maximum largest (.clk, .add(step_valid & maximum), .first(step_first), .x(x[128*l +: 128]), .maxima(maxima[128*l +: 128]));
  end

  logic read, read_bank, read_plane, parameters_busy;
  logic [255:0] biases;
  logic [191:0] multipliers;
  logic [47:0] shifts;
  fl_parameters parameters (.clk, .rst, .header_valid, .header_bank, .header(w[1023:0]), .read, .read_bank, .read_plane,
    .biases, .multipliers, .shifts, .busy(parameters_busy));

  logic valid, plane, final_of_group;
  logic [255:0] lanes;
  fl_drain #(.OC(OC), .PX(PX)) drain (.clk, .rst, .depthwise, .maximum,
    .capture(maximum ? valid_d[1] & last_d[1] : valid_d[9] & last_d[9]), .pixels(maximum ? pixels_d[2:1] : pixels_d[18:17]),
    .two_planes(maximum ? two_d[1] : two_d[9]), .bank(maximum ? bank_d[1] : bank_d[9]),
    .sums, .extras, .maxima, .read, .read_bank, .read_plane, .valid, .plane, .final_of_group, .lanes);

  logic out_final;
  fl_output stage (.clk, .rst, .use_table, .use_residual, .stage_zero, .out_min, .out_max, .add_zero_a, .add_zero_b, .add_zero_out, .add_shift,
    .add_multiplier_a, .add_multiplier_b, .table_we, .table_word, .table_data, .valid, .plane, .final_of_group, .sums(lanes), .biases,
    .multipliers, .shifts, .residual_pop, .residual, .out_valid, .out_data, .out_final);

  // Groups whose last step has come and whose last codes have not left, and whether one is open.
  logic [5:0] groups;
  logic open;
  wire group_came = step_valid & step_last;
  always_ff @(posedge clk) begin
    if (rst) begin
      groups <= 6'd0;
      open <= 1'b0;
    end else begin
      groups <= groups + 6'(group_came) - 6'(out_final);
      if (step_valid) open <= ~step_last;
    end
  end
  assign busy = open || groups != 6'd0 || parameters_busy;
`ifndef SYNTHESIS
  always_ff @(posedge clk) if (!rst) begin
    assert (!(table_we && use_table && busy)) else $error("the table changed while it was in use");
    assert (!(step_valid && header_valid)) else $error("a step and a header at once");
  end
`endif
endmodule
