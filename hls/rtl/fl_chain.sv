// Four fl_mac2 in a PCIN cascade: the sums over four input lanes, for two output channels.
// Element k of x and w comes k cycles after element 0; the sums stand 6 cycles after element 0.
module fl_chain (
  input  logic clk,
  input  logic [31:0] x,             // 4 codes
  input  logic [63:0] w,             // 4 packed weights
  output logic signed [16:0] low,    // sum of w0 * x
  output logic signed [16:0] high);  // sum of w1 * x, less 1 where low is negative

  logic signed [47:0] p0, p1, p2, p3;
  fl_mac2 u0 (.clk, .w(w[15:0]),  .x(x[7:0]),   .pcin(48'sd0), .p(p0));
  fl_mac2 u1 (.clk, .w(w[31:16]), .x(x[15:8]),  .pcin(p0), .p(p1));
  fl_mac2 u2 (.clk, .w(w[47:32]), .x(x[23:16]), .pcin(p1), .p(p2));
  fl_mac2 u3 (.clk, .w(w[63:48]), .x(x[31:24]), .pcin(p2), .p(p3));
  assign low = p3[16:0];
  assign high = p3[33:17];
  wire unused = &{1'b0, p3[47:34]};
endmodule
