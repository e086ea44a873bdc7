// Looks eight codes up in the command's table of 256, two cycles; stage n is loaded where enable[n] is set. Each lane has a copy in LUT RAM.
module fl_table (
  input  logic clk,
  input  logic we,
  input  logic [4:0] word,       // entries 8 * word and up; entry e is for code e - 128
  input  logic [63:0] data,
  input  logic [1:0] enable,
  input  logic [63:0] codes,
  output logic [63:0] found);

  for (genvar i = 0; i < 8; i++) begin : g_lane
    (* ram_style = "distributed" *) logic [63:0] rows [32];
    always_ff @(posedge clk) if (we) rows[word] <= data;
    logic [63:0] row;
    logic [2:0] entry;
    always_ff @(posedge clk) begin
      if (enable[0]) begin
        row <= rows[{~codes[8*i+7], codes[8*i+3 +: 4]}];
        entry <= codes[8*i +: 3];
      end
      if (enable[1]) found[8*i +: 8] <= row[{entry, 3'b000} +: 8];
    end
  end
endmodule
