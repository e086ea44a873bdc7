// Takes the sums of a group of pixels and hands them on eight a cycle: for pixel, for plane of the block. The first eight stand on `lanes`
// three cycles after `capture`, which may come again as soon as pixels * planes cycles have passed.
module fl_drain #(parameter int OC = 8, parameter int PX = 3) (
  input  logic clk, rst,
  input  logic depthwise, maximum,             // settings; neither: REDUCE
  input  logic capture,
  input  logic [1:0] pixels,                   // with capture: 1..PX
  input  logic two_planes, bank,               // with capture
  input  logic [PX*OC*32-1:0] sums,
  input  logic [PX*256-1:0] extras,
  input  logic [PX*128-1:0] maxima,
  output logic read, read_bank, read_plane,    // of the parameters, a cycle before their lanes
  output logic valid, plane, final_of_group,   // of the lanes
  output logic [255:0] lanes);                 // 8 sums

  logic active, held_two, held_bank, at_plane;
  logic [1:0] at_pixel, last_pixel;
  wire pixel_done = at_plane == held_two;
  wire group_done = pixel_done && at_pixel == last_pixel;
  always_ff @(posedge clk) begin
    if (rst) active <= 1'b0;
    else if (capture) active <= 1'b1;
    else if (group_done) active <= 1'b0;
    if (capture) begin
      at_pixel <= 2'd0;
      at_plane <= 1'b0;
      last_pixel <= pixels - 2'd1;
      held_two <= two_planes;
      held_bank <= bank;
    end else if (active) begin
      at_plane <= ~pixel_done;
      if (pixel_done) at_pixel <= at_pixel + 2'd1;
    end
  end
`ifndef SYNTHESIS
  always_ff @(posedge clk) if (!rst && capture) begin
    assert (!active || group_done) else $error("a group of sums came while the one before still drained");
    assert (pixels != 2'd0 && (PX > 1 || pixels == 2'd1)) else $error("a group of %0d pixels", pixels);
  end
`endif

  logic [PX*OC*32-1:0] held_sums;
  logic [PX*256-1:0] held_extras;
  logic [PX*128-1:0] held_maxima;
  always_ff @(posedge clk) if (capture) begin
    if (maximum) held_maxima <= maxima;
    else held_sums <= sums;
    if (depthwise) held_extras <= extras;
  end

  // One pixel of them.
  logic [OC*32-1:0] chosen_sums, one_sums;
  logic [255:0] chosen_extras, one_extras;
  logic [127:0] chosen_maxima;
  logic [63:0] one_maxima;   // of the plane, too
  logic final1;
  logic [1:0] source;   // of the lanes: 0 the sums of REDUCE, 1 those of a depthwise plane A, 2 of its plane B, 3 maxima
  if (PX == 1) begin : g_one_pixel
    assign {chosen_sums, chosen_extras, chosen_maxima} = {held_sums, held_extras, held_maxima};
  end else begin : g_pixels
    always_comb begin
      chosen_sums = held_sums[0 +: OC*32];
      chosen_extras = held_extras[255:0];
      chosen_maxima = held_maxima[127:0];
      for (int p = 1; p < PX; p++) if (at_pixel == 2'(p)) begin
        chosen_sums = held_sums[OC*32*p +: OC*32];
        chosen_extras = held_extras[256*p +: 256];
        chosen_maxima = held_maxima[128*p +: 128];
      end
    end
  end
  always_ff @(posedge clk) begin
    read <= active & ~rst;
    if (active) begin
      read_plane <= at_plane;
      read_bank <= held_bank;
      source <= maximum ? 2'd3 : depthwise ? {at_plane, ~at_plane} : 2'd0;
      final1 <= group_done;
      if (maximum) one_maxima <= at_plane ? chosen_maxima[127:64] : chosen_maxima[63:0];
      else one_sums <= chosen_sums;
      if (depthwise) one_extras <= chosen_extras;
    end
  end

  // One plane of that.
  always_ff @(posedge clk) begin
    valid <= read & ~rst;
    plane <= read_plane;
    final_of_group <= final1;
  end
  for (genvar i = 0; i < 8; i++) begin : g_lane
    localparam int DEEP = i < 4 ? 64 * i : 64 * (i - 4) + 32;   // where channel i or 8 + i of a depthwise block stands: see fl_lane_array
    logic [31:0] reduced;
    if (OC == 16) begin : g_two
      assign reduced = read_plane ? one_sums[256+32*i +: 32] : one_sums[32*i +: 32];
    end else begin : g_one
      assign reduced = one_sums[32*i +: 32];
    end
    always_ff @(posedge clk) if (read) begin
      case (source)
        2'd0: lanes[32*i +: 32] <= reduced;
        2'd1: lanes[32*i +: 32] <= one_sums[DEEP +: 32];
        2'd2: lanes[32*i +: 32] <= one_extras[DEEP +: 32];
        2'd3: lanes[32*i +: 32] <= {{24{one_maxima[8*i+7]}}, one_maxima[8*i +: 8]};
      endcase
    end
  end
endmodule
