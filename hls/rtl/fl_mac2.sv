// Two int8 products in one DSP48E1: w holds the weights of two output channels, x is shared.
// The packed operand is {w1 - (w0 < 0), w0 extended to 17 bits}; the weight stream holds w1 - (w0 < 0) already (weights are never -128).
// Then P[16:0] = sum of w0 * x, and P[33:17] + P[16] = sum of w1 * x, for up to four products: 4 * 127 * 128 < 2^16.
// Three cycles from w and x to p; pcin is added in the last of them, so the element after this one in a chain comes one cycle later.
module fl_mac2 (
  input  logic clk,
  input  logic [15:0] w,           // {w1 - (w0 < 0), w0}
  input  logic signed [7:0] x,
  input  logic signed [47:0] pcin,
  output logic signed [47:0] p);

  logic signed [24:0] a;
  logic signed [7:0] b;
  logic signed [32:0] m;
  always_ff @(posedge clk) begin
    a <= {w[15:8], {9{w[7]}}, w[7:0]};
    b <= x;
    m <= a * b;
    p <= pcin + 48'(m);
  end
endmodule
