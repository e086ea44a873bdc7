// Input loader: brings the window of each command into the activation buffer, padding included.
//
// Two processes work on one command: the requester asks for the valid rows of every plane, the writer walks over all positions of the
// window and puts a beat or padding there. A position is one pixel of one plane: 8 bytes, half a word of the buffer; with a fold it is
// a whole word of the last 4, 8 or 16 pixels, written where the first of them stands.
module fl_input #(
  parameter int PX = 3,
  parameter int ROWS_LOG2 = 12
) (
  input  logic                 clk,
  input  logic                 rst,
  // commands
  input  logic                 command_ready,
  output logic [3:0]           command_beat,
  input  logic [63:0]          command_data,
  output logic                 command_pop,
  input  logic [15:0]          stored,       // commands stored so far in this segment
  input  logic [1:0]           waiting,      // commands loaded and not yet computed
  output logic                 loaded,       // pulse: a command's window is complete
  // memory
  input  logic [31:0]          arena_base, arena_bytes,
  output logic                 request,
  input  logic                 granted,
  output logic [31:0]          address,
  output logic [3:0]           length,
  input  logic                 valid,
  output logic                 ready,
  input  logic [63:0]          data,
  output logic                 range_fault,  // the burst asked for would leave the arena
  output logic [15:0]          layer,
  // buffer
  output logic [1:0]           write_half,   // halves of the word
  output logic [1:0]           write_bank,
  output logic [ROWS_LOG2-1:0] write_row,
  output logic [127:0]         write_data
);
  // --- the command ---
  logic [15:0] wait_stores;
  logic [31:0] a_address, a_plane_stride, b_address, b_plane_stride;
  logic [15:0] a_row_beats, b_row_beats, a_planes, b_planes, columns, first_column, valid_columns, rows, first_row, valid_rows;
  logic [15:0] pitch_row, base_row, pixel_rows;
  logic [1:0]  pitch_bank, fold;
  logic [5:0]  mode;
  logic        half_a, half_b, odd_column, odd_row;
  logic [7:0]  fill;
  assign fold = mode[1:0];
  assign half_a = |(mode & fabriclens_layout::COMMAND_MODE_HALF_A[5:0]);
  assign half_b = |(mode & fabriclens_layout::COMMAND_MODE_HALF_B[5:0]);
  assign odd_column = |(mode & fabriclens_layout::COMMAND_MODE_ODD_COLUMN[5:0]);
  assign odd_row = |(mode & fabriclens_layout::COMMAND_MODE_ODD_ROW[5:0]);

  typedef enum logic [1:0] {LOAD, WAIT, RUN} state_t;
  state_t state;
  logic requests_left, positions_left;

  always_ff @(posedge clk) begin
    loaded <= 1'b0;
    if (rst) begin
      state <= LOAD;
      command_beat <= '0;
    end else begin
      unique case (state)
        LOAD: if (command_ready) begin
          command_beat <= command_beat + 1'b1;
          if (command_beat == 4'(fabriclens_layout::COMMAND_BASE_ROW_BEAT)) state <= WAIT;
        end
        WAIT: if (waiting < 2'd2 && stored >= wait_stores) state <= RUN;
        default: if (!requests_left && !positions_left) begin
          state <= LOAD;
          command_beat <= '0;
          loaded <= 1'b1;
        end
      endcase
    end
  end
  assign command_pop = state == RUN && !requests_left && !positions_left;
  logic start;
  assign start = state == WAIT && waiting < 2'd2 && stored >= wait_stores;

  always_ff @(posedge clk) if (state == LOAD) begin
    if (command_beat == 4'(fabriclens_layout::COMMAND_LAYER_BEAT)) begin
      layer <= command_data[fabriclens_layout::COMMAND_LAYER_BIT+:16];
      wait_stores <= command_data[fabriclens_layout::COMMAND_WAIT_STORES_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_A_ADDRESS_BEAT)) begin
      a_address <= command_data[fabriclens_layout::COMMAND_A_ADDRESS_BIT+:32];
      a_plane_stride <= command_data[fabriclens_layout::COMMAND_A_PLANE_STRIDE_BIT+:32];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_B_ADDRESS_BEAT)) begin
      b_address <= command_data[fabriclens_layout::COMMAND_B_ADDRESS_BIT+:32];
      b_plane_stride <= command_data[fabriclens_layout::COMMAND_B_PLANE_STRIDE_BIT+:32];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_A_ROW_BEATS_BEAT)) begin
      a_row_beats <= command_data[fabriclens_layout::COMMAND_A_ROW_BEATS_BIT+:16];
      b_row_beats <= command_data[fabriclens_layout::COMMAND_B_ROW_BEATS_BIT+:16];
      a_planes <= command_data[fabriclens_layout::COMMAND_A_PLANES_BIT+:16];
      b_planes <= command_data[fabriclens_layout::COMMAND_B_PLANES_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_COLUMNS_BEAT)) begin
      columns <= command_data[fabriclens_layout::COMMAND_COLUMNS_BIT+:16];
      first_column <= command_data[fabriclens_layout::COMMAND_FIRST_COLUMN_BIT+:16];
      valid_columns <= command_data[fabriclens_layout::COMMAND_VALID_COLUMNS_BIT+:16];
      rows <= command_data[fabriclens_layout::COMMAND_ROWS_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_FIRST_ROW_BEAT)) begin
      first_row <= command_data[fabriclens_layout::COMMAND_FIRST_ROW_BIT+:16];
      valid_rows <= command_data[fabriclens_layout::COMMAND_VALID_ROWS_BIT+:16];
      pitch_row <= command_data[fabriclens_layout::COMMAND_PITCH_ROW_BIT+:16];
      pitch_bank <= command_data[fabriclens_layout::COMMAND_PITCH_BANK_BIT+:2];
      mode <= command_data[fabriclens_layout::COMMAND_MODE_BIT+:6];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_BASE_ROW_BEAT)) begin
      base_row <= command_data[fabriclens_layout::COMMAND_BASE_ROW_BIT+:16];
      pixel_rows <= command_data[fabriclens_layout::COMMAND_PIXEL_ROWS_BIT+:16];
      fill <= command_data[fabriclens_layout::COMMAND_FILL_BIT+:8];
    end
  end

  // --- requester: for plane, for valid row, bursts of up to 16 beats that end at multiples of 128 bytes ---
  logic        r_second;              // source b
  logic [15:0] r_planes, r_rows;      // left, this one included
  logic [31:0] r_plane, r_row, r_at;  // addresses in the arena
  logic [15:0] r_beats;               // of this row, left
  logic        r_half, r_odd_row;
  logic        r_busy;                // r_at and r_beats hold a part of a row that is not asked for yet
  logic [15:0] row_beats;             // of a row of this source
  logic [15:0] half_beats;
  assign half_beats = (valid_columns + 16'(odd_column) + 16'd1) >> 1;
  assign r_half = r_second ? half_b : half_a;
  assign row_beats = r_half ? half_beats : valid_columns;

  logic [4:0] r_length;
  always_comb begin
    r_length = 5'd16 - {1'b0, r_at[6:3]};
    if (r_beats < {11'd0, r_length}) r_length = r_beats[4:0];
  end

  // The burst in hand, checked and offered.
  logic        o_valid;
  logic [31:0] o_at;
  logic [4:0]  o_length;
  logic [32:0] o_end;
  assign o_end = {1'b0, o_at} + {25'd0, o_length, 3'd0};
  assign range_fault = o_valid && o_end > {1'b0, arena_bytes};
  assign request = o_valid && !range_fault;
  assign address = arena_base + o_at;
  assign length = 4'(o_length - 5'd1);

  logic [31:0] r_row_step, r_next_row, r_next_plane;
  assign r_row_step = {13'd0, r_second ? b_row_beats : a_row_beats, 3'd0};
  assign r_next_row = r_row + ((r_half && !r_odd_row) ? 32'd0 : r_row_step);
  assign r_next_plane = r_plane + (r_second ? b_plane_stride : a_plane_stride);
  logic r_last_part;
  assign r_last_part = r_beats == {11'd0, r_length};

  always_ff @(posedge clk) begin
    if (rst) begin
      r_busy <= 1'b0;
      o_valid <= 1'b0;
      requests_left <= 1'b0;
    end else if (start) begin
      r_second <= 1'b0;
      r_planes <= a_planes;
      r_rows <= valid_rows;
      r_plane <= a_address;
      r_row <= a_address;
      r_at <= a_address;
      r_beats <= half_a ? half_beats : valid_columns;
      r_odd_row <= odd_row;
      r_busy <= 1'b1;
      requests_left <= 1'b1;
    end else begin
      if (o_valid && granted) o_valid <= 1'b0;
      if (!r_busy && !o_valid) requests_left <= 1'b0;
      if (r_busy && (!o_valid || granted)) begin
        o_valid <= 1'b1;
        o_at <= r_at;
        o_length <= r_length;
        r_at <= r_at + {24'd0, r_length, 3'd0};
        r_beats <= r_beats - {11'd0, r_length};
        if (r_last_part) begin
          r_beats <= row_beats;
          r_rows <= r_rows - 1'b1;
          r_row <= r_next_row;
          r_at <= r_next_row;
          r_odd_row <= !r_odd_row;
          if (r_rows == 16'd1) begin
            r_rows <= valid_rows;
            r_odd_row <= odd_row;
            r_planes <= r_planes - 1'b1;
            r_plane <= r_next_plane;
            r_row <= r_next_plane;
            r_at <= r_next_plane;
            if (r_planes == 16'd1) begin
              if (!r_second && b_planes != '0) begin
                r_second <= 1'b1;
                r_planes <= b_planes;
                r_plane <= b_address;
                r_row <= b_address;
                r_at <= b_address;
                r_beats <= half_b ? half_beats : valid_columns;
              end else r_busy <= 1'b0;
            end
          end
        end
      end
    end
  end

  // --- writer: for plane, for row, for column ---
  logic [15:0] w_plane, w_row, w_column, w_word;
  logic        w_second;
  logic        w_upper;           // odd plane: upper half of the words
  logic        w_odd;             // half resolution: the second copy of a beat
  logic [63:0] held;
  logic [1:0]  p_bank, l_bank;    // of this pixel, of the first pixel of this row
  logic [15:0] p_row, l_row;
  logic        real_pixel, fresh, step;
  assign real_pixel = w_row >= first_row && {1'b0, w_row} < {1'b0, first_row} + {1'b0, valid_rows} &&
                  w_column >= first_column && {1'b0, w_column} < {1'b0, first_column} + {1'b0, valid_columns};
  // A beat is taken for every column, or every other one and the first.
  assign fresh = real_pixel && (!(w_second ? half_b : half_a) || !w_odd || w_column == first_column);
  assign ready = positions_left && fresh;
  assign step = positions_left && (!fresh || valid);

  logic [63:0] pixel;
  assign pixel = !real_pixel ? {8{fill}} : fresh ? data : held;

  // The fold's window: the youngest pixel on top.
  logic [127:8] window;
  logic [127:0] next_window;
  logic [3:0] behind;             // pixels that the window reaches back
  always_comb begin
    unique case (fold)
      2'd1: begin next_window = {pixel[31:0], window[127:32]}; behind = 4'd3; end
      2'd2: begin next_window = {pixel[15:0], window[127:16]}; behind = 4'd7; end
      2'd3: begin next_window = {pixel[7:0], window[127:8]}; behind = 4'd15; end
      default: begin next_window = {pixel, pixel}; behind = 4'd0; end
    endcase
  end

  logic [2:0] bank_sum, line_sum;
  assign bank_sum = {1'b0, p_bank} + 3'd1;
  assign line_sum = {1'b0, l_bank} + {1'b0, pitch_bank};
  logic [1:0] next_l_bank;
  logic [15:0] next_l_row;
  assign next_l_bank = line_sum >= 3'(PX) ? 2'(line_sum - 3'(PX)) : line_sum[1:0];
  assign next_l_row = l_row + pitch_row + (line_sum >= 3'(PX) ? pixel_rows : 16'd0);

  always_ff @(posedge clk) begin
    write_half <= 2'b00;
    if (rst) positions_left <= 1'b0;
    else if (start) begin
      positions_left <= 1'b1;
      w_plane <= '0;
      w_row <= '0;
      w_column <= '0;
      w_word <= base_row;
      w_second <= 1'b0;
      w_upper <= 1'b0;
      w_odd <= odd_column;
      p_bank <= '0;
      p_row <= base_row;
      l_bank <= '0;
      l_row <= base_row;
    end else if (step) begin
      if (fresh) held <= data;
      if (real_pixel) w_odd <= !w_odd;
      window <= next_window[127:8];
      write_data <= next_window;
      write_bank <= p_bank;
      write_row <= p_row[ROWS_LOG2-1:0];
      if (w_column >= {12'd0, behind}) begin
        write_half <= fold != 2'd0 ? 2'b11 : w_upper ? 2'b10 : 2'b01;
        p_bank <= bank_sum >= 3'(PX) ? 2'd0 : bank_sum[1:0];
        if (bank_sum >= 3'(PX)) p_row <= p_row + pixel_rows;
      end
      w_column <= w_column + 1'b1;
      if (w_column == columns - 16'd1) begin
        w_column <= '0;
        w_odd <= odd_column;
        w_row <= w_row + 1'b1;
        l_bank <= next_l_bank;
        l_row <= next_l_row;
        p_bank <= next_l_bank;
        p_row <= next_l_row;
        if (w_row == rows - 16'd1) begin
          // The next plane: the other half of these words, or the words behind them.
          w_row <= '0;
          w_upper <= !w_upper;
          w_word <= w_word + 16'(w_upper);
          l_bank <= '0;
          l_row <= w_word + 16'(w_upper);
          p_bank <= '0;
          p_row <= w_word + 16'(w_upper);
          w_plane <= w_plane + 1'b1;
          if (w_plane == (w_second ? b_planes : a_planes) - 16'd1) begin
            w_plane <= '0;
            w_second <= 1'b1;
            if (w_second || b_planes == '0) positions_left <= 1'b0;
          end
        end
      end
    end
  end
endmodule
