// Stores of a command with POOL: of each 2 x 2 results, in the flattened order in which they leave the datapath, the largest goes on. A
// pair waits in a register for its right half, the pairs of an even row in memory for the row below. Without POOL words pass straight
// through. Both planes of a block come here in turn, so everything is there twice.
module fl_pool (
  input  logic        clk,
  input  logic        start,       // of a command, before its first result
  input  logic        enable,
  input  logic [15:0] columns,     // of results: even, at most 1024
  input  logic [1:0]  in_valid,    // plane A, plane B: never both
  input  logic [63:0] in_data,
  output logic [1:0]  absorbed,    // this word is not what goes on
  output logic [1:0]  out_valid,   // 2 cycles after the last of the four
  output logic [63:0] out_data
);
  function automatic logic [63:0] larger(input logic [63:0] a, input logic [63:0] b);
    for (int i = 0; i < 8; i++) larger[i*8+:8] = $signed(a[i*8+:8]) > $signed(b[i*8+:8]) ? a[i*8+:8] : b[i*8+:8];
  endfunction

  logic [9:0] column[2];
  logic [1:0] lower;               // the row is the second of its two
  logic [63:0] left[2];
  logic plane, right;
  assign plane = in_valid[1];
  assign right = column[plane][0];
  logic [1:0] taken;
  assign taken = enable ? in_valid : 2'b00;
  assign absorbed = taken & ~({2{right}} & lower);

  always_ff @(posedge clk) begin
    for (int p = 0; p < 2; p++) begin
      if (start) begin
        column[p] <= '0;
        lower[p] <= 1'b0;
      end else if (taken[p]) begin
        column[p] <= column[p] + 1'b1;
        if ({6'd0, column[p]} == columns - 16'd1) begin
          column[p] <= '0;
          lower[p] <= !lower[p];
        end
      end
      if (taken[p] && !right) left[p] <= in_data;
    end
  end

  // The pair, and the pair above it.
  (* ram_style = "block" *) logic [63:0] memory[1024];
  logic        pair_valid, pair_lower, pair_plane;
  logic [8:0]  pair_column;
  logic [63:0] pair, above;
  always_ff @(posedge clk) begin
    pair_valid <= taken != 2'b00 && right && !start;
    if (taken != 2'b00 && right) begin
      pair <= larger(left[plane], in_data);
      pair_lower <= lower[plane];
      pair_plane <= plane;
      pair_column <= column[plane][9:1];
    end
  end
  always_ff @(posedge clk) begin
    if (pair_valid && !pair_lower) memory[{pair_plane, pair_column}] <= pair;
    above <= memory[{plane, column[plane][9:1]}];
  end

  logic [1:0] pooled_valid;
  logic [63:0] pooled;
  always_ff @(posedge clk) begin
    pooled_valid <= {2{pair_valid && pair_lower && !start}} & {pair_plane, !pair_plane};
    if (pair_valid && pair_lower) pooled <= larger(above, pair);
  end
  assign out_valid = enable ? pooled_valid : in_valid;
  assign out_data = enable ? pooled : in_data;
endmodule
