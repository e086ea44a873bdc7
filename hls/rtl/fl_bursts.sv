// The order in which outputs leave and residuals come: for block, for row, for chunk of up to 16 pixels, for plane of the block; a chunk
// ends where the block's first plane reaches a multiple of 128 bytes, and the second plane's is cut there once more if it must.
// Offers one burst at a time.
module fl_bursts #(
  parameter int OC = 8
) (
  input  logic        clk,
  input  logic        rst,
  input  logic        start,          // takes the settings, which stay until `done`
  input  logic        wide,           // a block is two planes
  input  logic [15:0] planes, columns, rows, row_beats,
  input  logic [31:0] first, plane_stride,
  output logic        done,           // nothing offered, nothing left
  output logic        valid,
  output logic        second,         // plane of the block
  output logic [31:0] at,             // offset in the arena
  output logic [4:0]  length,         // 1..16 beats
  output logic [32:0] last_byte,      // one past the burst
  output logic        final_burst,    // the last of the command
  input  logic        take
);
  logic [15:0] planes_left, rows_left, columns_left;
  logic [31:0] block_at, row_at, a_at, b_at;
  logic [4:0]  a_length, b_left, b_length;
  logic        running, in_second, two;
  assign two = (OC == 16 || wide) && planes_left != 16'd1;

  // The first plane's chunk, and the part of the second's that ends at its own multiple of 128 bytes.
  always_comb begin
    a_length = 5'd16 - {1'b0, a_at[6:3]};
    if (columns_left < {11'd0, a_length}) a_length = columns_left[4:0];
    b_length = 5'd16 - {1'b0, b_at[6:3]};
    if (b_left < b_length) b_length = b_left;
  end

  logic advance;                      // the chunk is done in all planes
  assign advance = in_second ? b_left == b_length : !two;
  logic end_of_row, end_of_block, end_of_all;
  logic [15:0] columns_after;
  assign columns_after = in_second ? columns_left : columns_left - {11'd0, a_length};  // the second plane's turn finds it counted
  assign end_of_row = advance && columns_after == '0;
  assign end_of_block = end_of_row && rows_left == 16'd1;
  assign end_of_all = end_of_block && (planes_left == 16'd1 || (two && planes_left == 16'd2));
  logic [31:0] next_row, next_block;
  assign next_row = row_at + {13'd0, row_beats, 3'd0};
  assign next_block = block_at + (two ? {plane_stride[30:0], 1'b0} : plane_stride);
  assign done = !running && !valid;
  assign last_byte = {1'b0, at} + {25'd0, length, 3'd0};

  always_ff @(posedge clk) begin
    if (rst) begin
      running <= 1'b0;
      valid <= 1'b0;
    end else if (start) begin
      running <= 1'b1;
      in_second <= 1'b0;
      planes_left <= planes;
      rows_left <= rows;
      columns_left <= columns;
      block_at <= first;
      row_at <= first;
      a_at <= first;
      b_at <= first + plane_stride;
    end else begin
      if (take) valid <= 1'b0;
      if (running && (!valid || take)) begin
        valid <= 1'b1;
        second <= in_second;
        at <= in_second ? b_at : a_at;
        length <= in_second ? b_length : a_length;
        final_burst <= end_of_all;
        if (!in_second) begin
          a_at <= a_at + {24'd0, a_length, 3'd0};
          columns_left <= columns_left - {11'd0, a_length};
          b_left <= a_length;
          in_second <= two;
        end else begin
          b_at <= b_at + {24'd0, b_length, 3'd0};
          b_left <= b_left - b_length;
          if (b_left == b_length) in_second <= 1'b0;
        end
        if (end_of_row) begin
          columns_left <= columns;
          rows_left <= rows_left - 1'b1;
          row_at <= next_row;
          a_at <= next_row;
          b_at <= next_row + plane_stride;
        end
        if (end_of_block) begin
          rows_left <= rows;
          planes_left <= planes_left - (two ? 16'd2 : 16'd1);
          block_at <= next_block;
          row_at <= next_block;
          a_at <= next_block;
          b_at <= next_block + plane_stride;
        end
        if (end_of_all) running <= 1'b0;
      end
    end
  end
endmodule
