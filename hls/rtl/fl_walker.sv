// Walks over the output pixels of a tile in flattened order and gives the buffer place of the window of PX of them at a time. It is one
// group ahead of the array and starts over after the last pixel, for the next block of output channels.
module fl_walker #(
  parameter int PX = 3
) (
  input  logic             clk,
  input  logic             start,      // takes the settings below and begins at pixel 0
  input  logic [15:0]      columns, rows,
  input  logic [1:0]       x_bank, row_bank,
  input  logic [15:0]      x_row, row_row, base_row, pixel_rows,
  output logic             ready,
  output logic [1:0]       pixels,     // 1..PX
  output logic             last,       // group of the tile
  output logic [PX*2-1:0]  banks,
  output logic [PX*16-1:0] bank_rows,
  input  logic             take
);
  logic [15:0] column, row;
  logic [1:0]  bank, line_bank;        // of this pixel, of the first of this row
  logic [15:0] bank_row, line_row;
  logic        running;

  // The group that fills up while the one before is in use.
  logic [1:0]       filled;
  logic             full, full_last;
  logic [PX*2-1:0]  full_banks;
  logic [PX*16-1:0] full_rows;

  logic [2:0] x_sum, line_sum;
  logic       x_carry, line_carry;
  assign x_sum = {1'b0, bank} + {1'b0, x_bank};
  assign x_carry = x_sum >= 3'(PX);
  assign line_sum = {1'b0, line_bank} + {1'b0, row_bank};
  assign line_carry = line_sum >= 3'(PX);
  logic [1:0]  next_bank, next_line_bank;
  logic [15:0] next_line_row;
  assign next_bank = 2'(x_carry ? x_sum - 3'(PX) : x_sum);
  assign next_line_bank = 2'(line_carry ? line_sum - 3'(PX) : line_sum);
  assign next_line_row = line_row + row_row + (line_carry ? pixel_rows : 16'd0);

  logic row_end, tile_end, move, fill;
  logic [1:0] slot;
  assign row_end = column == columns - 16'd1;
  assign tile_end = row_end && row == rows - 16'd1;
  assign move = full && (!ready || take);
  assign fill = running && (!full || move);
  assign slot = full ? 2'd0 : filled;

  always_ff @(posedge clk) begin
    if (start) begin
      running <= 1'b1;
      ready <= 1'b0;
      full <= 1'b0;
      filled <= '0;
      column <= '0;
      row <= '0;
      bank <= '0;
      line_bank <= '0;
      bank_row <= base_row;
      line_row <= base_row;
    end else begin
      if (take) ready <= 1'b0;
      if (move) begin
        ready <= 1'b1;
        full <= 1'b0;
        pixels <= filled;
        last <= full_last;
        banks <= full_banks;
        bank_rows <= full_rows;
      end
      if (fill) begin
        filled <= slot + 2'd1;
        full <= tile_end || slot == 2'(PX - 1);
        full_last <= tile_end;
        for (int l = 0; l < PX; l++) begin
          if (2'(l) == slot) begin
            full_banks[l*2+:2] <= bank;
            full_rows[l*16+:16] <= bank_row;
          end
        end
        column <= column + 1'b1;
        bank <= next_bank;
        bank_row <= bank_row + x_row + (x_carry ? pixel_rows : 16'd0);
        if (row_end) begin
          column <= '0;
          row <= row + 1'b1;
          line_bank <= next_line_bank;
          line_row <= next_line_row;
          bank <= next_line_bank;
          bank_row <= next_line_row;
        end
        if (tile_end) begin
          row <= '0;
          line_bank <= '0;
          line_row <= base_row;
          bank <= '0;
          bank_row <= base_row;
        end
      end
    end
  end
endmodule
