// The largest code so far of each of 16 channels of one pixel lane. A step is in the maxima one cycle after its x.
module fl_maximum (
  input  logic clk,
  input  logic add, first,         // first: forgets what was
  input  logic [127:0] x,
  output logic [127:0] maxima);

  always_ff @(posedge clk) if (add) begin
    for (int j = 0; j < 16; j++) begin
      if (first || $signed(x[8*j +: 8]) > $signed(maxima[8*j +: 8])) maxima[8*j +: 8] <= x[8*j +: 8];
    end
  end
endmodule
