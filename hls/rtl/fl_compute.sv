// Compute unit: takes a command whose window is loaded through blocks, groups and taps, one step a cycle, and drives the datapath.
//
// A step is issued only when its weights are on chip; the last of a group also only when its results have room in the output queues,
// when their residuals are there, and when the results of the group before have left the accumulators. From there on nothing waits.
module fl_compute #(
  parameter int OC = 8,
  parameter int PX = 3,
  parameter int ROWS_LOG2 = 12,
  parameter int STEPS_LOG2 = 10,
  parameter int QUEUE_LOG2 = 9
) (
  input  logic                  clk,
  input  logic                  rst,
  // commands
  input  logic                  command_ready,
  output logic [3:0]            command_beat,
  input  logic [63:0]           command_data,
  output logic                  command_pop,
  input  logic                  window_ready,  // the command at the head is loaded
  output logic                  computed,      // pulse: its window is free
  // activations
  input  logic [1:0]            write_half, write_bank,
  input  logic [ROWS_LOG2-1:0]  write_row,
  input  logic [127:0]          write_data,
  // weights
  input  logic [15:0]           written,
  output logic [15:0]           released,
  output logic                  hold_weights,  // the window is waited for and weights are at hand: the memory is the window's
  output logic [STEPS_LOG2-1:0] read_step,
  input  logic [OC/8*1024-1:0]  weights,
  // residual queues and results
  input  logic [1:0]            residual_push,
  output logic [1:0]            residual_pop,
  input  logic [127:0]          residual,
  output logic [1:0]            out_valid,
  output logic [63:0]           out_data,
  input  logic [1:0]            out_pop,
  // counters
  output logic                  stall_read, stall_write
);
  localparam int STEP_COLUMNS = 2 * OC;                  // beats of a weight step
  localparam int TABLE_STEPS = 256 / (16 * OC);
  localparam int AT_HAND = 64;                           // steps
  localparam logic [5:0] BLOCK_CYCLES = 6'd32;           // from header to header: the parameters' two banks want that

  // --- the command ---
  logic [7:0]  flags;
  logic [1:0]  kind;
  logic [15:0] base_row, pixel_rows, x_row, kx_row, ky_row, row_row, blocks, out_columns, out_rows, planes, depth;
  logic [7:0]  kernel_h, kernel_w;
  logic [1:0]  x_bank, row_bank, kx_bank, ky_bank;
  logic signed [7:0] stage_zero, out_min, out_max, add_zero_a, add_zero_b, add_zero_out;
  logic [5:0]  add_shift;
  logic [23:0] add_multiplier_a, add_multiplier_b;
  logic new_table, use_table, use_residual, keep, reuse, uniform, pool, maximum, wide;
  assign new_table = |(flags & fabriclens_layout::COMMAND_FLAG_NEW_TABLE);
  assign use_table = |(flags & fabriclens_layout::COMMAND_FLAG_USE_TABLE);
  assign use_residual = |(flags & fabriclens_layout::COMMAND_FLAG_RESIDUAL);
  assign keep = |(flags & fabriclens_layout::COMMAND_FLAG_KEEP);
  assign reuse = |(flags & fabriclens_layout::COMMAND_FLAG_REUSE);
  assign uniform = |(flags & fabriclens_layout::COMMAND_FLAG_UNIFORM);
  assign pool = |(flags & fabriclens_layout::COMMAND_FLAG_POOL);
  assign maximum = kind == fabriclens_layout::COMMAND_KIND_MAXIMUM[1:0];
  assign wide = OC == 16 || kind != fabriclens_layout::COMMAND_KIND_REDUCE[1:0];  // a block is two planes

  typedef enum logic [2:0] {IDLE, LOAD, WAIT, TABLE, HEADER, RUN} state_t;
  state_t state;
  logic busy, issued;            // the datapath works; so does the way to it
  logic [3:0] load_beat;
  assign command_beat = load_beat;

  always_ff @(posedge clk) if (state == LOAD) begin
    if (command_beat == 4'(fabriclens_layout::COMMAND_KIND_BEAT)) begin
      kind <= command_data[fabriclens_layout::COMMAND_KIND_BIT+:2];
      flags <= command_data[fabriclens_layout::COMMAND_FLAGS_BIT+:8];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_BASE_ROW_BEAT)) begin
      base_row <= command_data[fabriclens_layout::COMMAND_BASE_ROW_BIT+:16];
      pixel_rows <= command_data[fabriclens_layout::COMMAND_PIXEL_ROWS_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_KERNEL_H_BEAT)) begin
      kernel_h <= command_data[fabriclens_layout::COMMAND_KERNEL_H_BIT+:8];
      kernel_w <= command_data[fabriclens_layout::COMMAND_KERNEL_W_BIT+:8];
      x_bank <= command_data[fabriclens_layout::COMMAND_X_BANK_BIT+:2];
      row_bank <= command_data[fabriclens_layout::COMMAND_ROW_BANK_BIT+:2];
      kx_bank <= command_data[fabriclens_layout::COMMAND_KX_BANK_BIT+:2];
      ky_bank <= command_data[fabriclens_layout::COMMAND_KY_BANK_BIT+:2];
      x_row <= command_data[fabriclens_layout::COMMAND_X_ROW_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_KX_ROW_BEAT)) begin
      kx_row <= command_data[fabriclens_layout::COMMAND_KX_ROW_BIT+:16];
      ky_row <= command_data[fabriclens_layout::COMMAND_KY_ROW_BIT+:16];
      row_row <= command_data[fabriclens_layout::COMMAND_ROW_ROW_BIT+:16];
      blocks <= command_data[fabriclens_layout::COMMAND_BLOCKS_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_OUT_COLUMNS_BEAT)) begin
      out_columns <= command_data[fabriclens_layout::COMMAND_OUT_COLUMNS_BIT+:16];
      out_rows <= command_data[fabriclens_layout::COMMAND_OUT_ROWS_BIT+:16];
      planes <= command_data[fabriclens_layout::COMMAND_PLANES_BIT+:16];
      depth <= command_data[fabriclens_layout::COMMAND_DEPTH_BIT+:16];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_STAGE_ZERO_BEAT)) begin
      stage_zero <= command_data[fabriclens_layout::COMMAND_STAGE_ZERO_BIT+:8];
      out_min <= command_data[fabriclens_layout::COMMAND_OUT_MIN_BIT+:8];
      out_max <= command_data[fabriclens_layout::COMMAND_OUT_MAX_BIT+:8];
      add_shift <= command_data[fabriclens_layout::COMMAND_ADD_SHIFT_BIT+:6];
      add_zero_a <= command_data[fabriclens_layout::COMMAND_ADD_ZERO_A_BIT+:8];
      add_zero_b <= command_data[fabriclens_layout::COMMAND_ADD_ZERO_B_BIT+:8];
      add_zero_out <= command_data[fabriclens_layout::COMMAND_ADD_ZERO_OUT_BIT+:8];
    end
    if (command_beat == 4'(fabriclens_layout::COMMAND_ADD_MULTIPLIER_A_BEAT)) begin
      add_multiplier_a <= command_data[fabriclens_layout::COMMAND_ADD_MULTIPLIER_A_BIT+:24];
      add_multiplier_b <= command_data[fabriclens_layout::COMMAND_ADD_MULTIPLIER_B_BIT+:24];
    end
  end

  // --- groups ---
  logic             walker_start, group_ready, group_last, group_take;
  logic [1:0]       group_pixels;
  logic [PX*2-1:0]  group_banks;
  logic [PX*16-1:0] group_rows;
  fl_walker #(.PX(PX)) walker (
    .clk, .start(walker_start), .columns(out_columns), .rows(out_rows), .x_bank, .row_bank, .x_row, .row_row, .base_row, .pixel_rows,
    .ready(group_ready), .pixels(group_pixels), .last(group_last), .banks(group_banks), .bank_rows(group_rows), .take(group_take));
  assign walker_start = state == WAIT;

  // --- steps ---
  logic [15:0] position, kept;     // in the ring: the next step to look at; where kept weights begin
  logic [15:0] block, block_start; // block_start: first weight step of this block
  logic [15:0] word, taken;        // word of this tap; weight step within the block
  logic [7:0]  kx, ky;
  logic [1:0]  tap_bank, ky_tap_bank;
  logic [15:0] tap_row, ky_tap_row;
  logic [15:0] block_word;         // DEPTHWISE, MAXIMUM: the word of this block
  logic [15:0] planes_left;
  logic [1:0]  block_planes;
  logic        parity;             // parameter bank
  logic [5:0]  block_timer;
  logic [2:0]  drain_left;
  logic [5:0]  table_timer;

  assign block_planes = wide && planes_left > 16'd1 ? 2'd2 : 2'd1;
  logic last_word, last_kx, last_ky, last_step;
  assign last_word = word == depth - 16'd1;
  assign last_kx = kx == kernel_w - 8'd1;
  assign last_ky = ky == kernel_h - 8'd1;
  assign last_step = last_word && last_kx && last_ky;

  logic [15:0] step_at;            // ring position of this step's weights
  assign step_at = block_start + (uniform ? 16'd0 : taken);
  logic [15:0] ahead;              // steps on chip from the one that is wanted
  assign ahead = written - (state == RUN ? step_at : position);
  logic weights_there;
  assign weights_there = maximum && state == RUN ? 1'b1 : !ahead[15] && ahead != '0;

  logic [QUEUE_LOG2:0] room_a, room_b, residual_a, residual_b;
  logic [2:0] results;             // of this group
  assign results = block_planes == 2'd2 ? {group_pixels, 1'b0} : {1'b0, group_pixels};
  logic room, residuals_there;
  assign room = room_a >= (QUEUE_LOG2 + 1)'(PX) && room_b >= (QUEUE_LOG2 + 1)'(PX);
  assign residuals_there = !use_residual || (residual_a >= (QUEUE_LOG2 + 1)'(group_pixels) && (block_planes == 2'd1 || residual_b >= (QUEUE_LOG2 + 1)'(group_pixels)));

  logic step, end_of_group;
  assign step = state == RUN && group_ready && weights_there && (!last_step || (room && residuals_there && drain_left == 3'd0));
  assign end_of_group = step && last_step;
  assign group_take = end_of_group;
  logic header;
  assign header = state == HEADER && weights_there && block_timer == 6'd0;

  logic [15:0] after_block;        // ring position behind this block
  assign after_block = maximum ? block_start : uniform ? block_start + 16'd1 : block_start + taken + 16'd1;

  always_ff @(posedge clk) begin
    computed <= 1'b0;
    if (rst) begin
      state <= IDLE;
      load_beat <= '0;
      position <= '0;
      kept <= '0;
      released <= '0;
      block_timer <= '0;
      drain_left <= '0;
      parity <= 1'b0;
    end else begin
      if (block_timer != 6'd0) block_timer <= block_timer - 1'b1;
      if (drain_left != 3'd0) drain_left <= drain_left - 1'b1;
      unique case (state)
        IDLE: if (command_ready && !busy && !issued) begin
          state <= LOAD;
          load_beat <= '0;
        end
        LOAD: begin
          load_beat <= load_beat == 4'(fabriclens_layout::COMMAND_KIND_BEAT) ? 4'(fabriclens_layout::COMMAND_BASE_ROW_BEAT) : load_beat + 1'b1;
          if (load_beat == 4'(fabriclens_layout::COMMAND_ADD_MULTIPLIER_A_BEAT)) state <= WAIT;
        end
        WAIT: begin
          block <= '0;
          block_word <= '0;
          planes_left <= planes;
          table_timer <= '0;
          if (window_ready) begin
            state <= new_table ? TABLE : HEADER;
            if (reuse) position <= kept;
            else if (!new_table) kept <= position;
          end
        end
        // A table lies in one or two steps: each stands at the read port until all its columns are there, then is copied word by word.
        TABLE: if (table_timer != 6'd0 || weights_there) begin
          table_timer <= table_timer + 1'b1;
          if (table_timer == 6'(7 + STEP_COLUMNS)) begin
            table_timer <= '0;
            position <= position + 1'b1;
            if (TABLE_STEPS == 1 || table_half) begin
              state <= HEADER;
              kept <= position + 16'd1;
            end
          end
        end
        HEADER: if (header) begin
          state <= RUN;
          block_timer <= BLOCK_CYCLES;
          parity <= !parity;
          block_start <= position + 16'd1;
          if (!keep) released <= position;
          word <= '0;
          taken <= '0;
          kx <= '0;
          ky <= '0;
          tap_bank <= '0;
          tap_row <= block_word;
          ky_tap_bank <= '0;
          ky_tap_row <= block_word;
        end
        default: if (step) begin
          if (!keep && group_last && !maximum) released <= step_at;
          word <= word + 1'b1;
          taken <= taken + 1'b1;
          if (last_word) begin
            word <= '0;
            kx <= kx + 1'b1;
            tap_bank <= kx_next_bank;
            tap_row <= kx_next_row;
            if (last_kx) begin
              kx <= '0;
              ky <= ky + 1'b1;
              tap_bank <= ky_next_bank;
              tap_row <= ky_next_row;
              ky_tap_bank <= ky_next_bank;
              ky_tap_row <= ky_next_row;
              if (last_ky) begin
                ky <= '0;
                taken <= '0;
                tap_bank <= '0;
                tap_row <= block_word;
                ky_tap_bank <= '0;
                ky_tap_row <= block_word;
                drain_left <= results - 3'd1;
                if (group_last) begin
                  state <= HEADER;
                  position <= after_block;
                  if (!keep) released <= after_block;
                  block <= block + 1'b1;
                  planes_left <= planes_left - 16'(block_planes);
                  if (kind != fabriclens_layout::COMMAND_KIND_REDUCE[1:0]) block_word <= block_word + 1'b1;
                  if (block == blocks - 16'd1) begin
                    state <= IDLE;
                    computed <= 1'b1;
                  end
                end
              end
            end
          end
        end
      endcase
    end
  end
  logic table_half;
  always_ff @(posedge clk) if (state == WAIT) table_half <= 1'b0; else if (state == TABLE && table_timer == 6'(7 + STEP_COLUMNS)) table_half <= 1'b1;
  assign command_pop = computed;

  // Taps: (bank, row) pairs, carried over at PX banks.
  logic [2:0] kx_sum, ky_sum;
  logic       kx_carry, ky_carry;
  logic [1:0] kx_next_bank, ky_next_bank;
  logic [15:0] kx_next_row, ky_next_row;
  assign kx_sum = {1'b0, tap_bank} + {1'b0, kx_bank};
  assign kx_carry = kx_sum >= 3'(PX);
  assign kx_next_bank = 2'(kx_carry ? kx_sum - 3'(PX) : kx_sum);
  assign kx_next_row = tap_row + kx_row + (kx_carry ? pixel_rows : 16'd0);
  assign ky_sum = {1'b0, ky_tap_bank} + {1'b0, ky_bank};
  assign ky_carry = ky_sum >= 3'(PX);
  assign ky_next_bank = 2'(ky_carry ? ky_sum - 3'(PX) : ky_sum);
  assign ky_next_row = ky_tap_row + ky_row + (ky_carry ? pixel_rows : 16'd0);

  // --- queues: room and residuals are set aside when the last step of a group is issued ---
  logic [QUEUE_LOG2:0] set_aside_a, set_aside_b;
  assign set_aside_a = end_of_group ? (QUEUE_LOG2 + 1)'(group_pixels) : '0;
  assign set_aside_b = end_of_group && block_planes == 2'd2 ? (QUEUE_LOG2 + 1)'(group_pixels) : '0;
  always_ff @(posedge clk) begin
    if (rst) begin
      room_a <= (QUEUE_LOG2 + 1)'(2 ** QUEUE_LOG2);
      room_b <= (QUEUE_LOG2 + 1)'(2 ** QUEUE_LOG2);
      residual_a <= '0;
      residual_b <= '0;
    end else begin
      room_a <= room_a + (QUEUE_LOG2 + 1)'(out_pop[0]) + (QUEUE_LOG2 + 1)'(absorbed[0]) - set_aside_a;
      room_b <= room_b + (QUEUE_LOG2 + 1)'(out_pop[1]) + (QUEUE_LOG2 + 1)'(absorbed[1]) - set_aside_b;
      residual_a <= residual_a + (QUEUE_LOG2 + 1)'(residual_arrived[0]) - (use_residual ? set_aside_a : '0);
      residual_b <= residual_b + (QUEUE_LOG2 + 1)'(residual_arrived[1]) - (use_residual ? set_aside_b : '0);
    end
  end
  // A residual is at the head of its queue two cycles after it was pushed; results come out far later.
  logic [1:0] residual_arrived;
  always_ff @(posedge clk) residual_arrived <= rst ? 2'b00 : residual_push;

  // --- from step to datapath: stage 1 the places, stages 2 to 4 the buffer; the weights' address follows so that both meet ---
  logic             step1, first1, last1, bank1;
  logic [1:0]       pixels1, planes1;
  logic [PX*2-1:0]  banks1;
  logic [PX*16-1:0] rows1;
  logic [STEPS_LOG2-1:0] read1;
  logic             header1;
  logic [15:0]      column_row;
  assign column_row = tap_row + word;
  always_ff @(posedge clk) begin
    step1 <= step && !rst;
    header1 <= header && !rst;
    first1 <= word == '0 && kx == '0 && ky == '0;
    last1 <= last_step;
    bank1 <= state == HEADER ? !parity : parity;
    pixels1 <= group_pixels;
    planes1 <= block_planes;
    for (int l = 0; l < PX; l++) begin
      banks1[l*2+:2] <= lane_bank[l*2+:2];
      rows1[l*16+:16] <= lane_row[l*16+:16];
    end
    read1 <= state == RUN ? step_at[STEPS_LOG2-1:0] : position[STEPS_LOG2-1:0];
  end
  logic [PX*2-1:0]  lane_bank;
  logic [PX*16-1:0] lane_row;
  always_comb begin
    logic [2:0] sum;
    for (int l = 0; l < PX; l++) begin
      sum = {1'b0, group_banks[l*2+:2]} + {1'b0, tap_bank};
      lane_bank[l*2+:2] = 2'(sum >= 3'(PX) ? sum - 3'(PX) : sum);
      lane_row[l*16+:16] = group_rows[l*16+:16] + column_row + (sum >= 3'(PX) ? pixel_rows : 16'd0);
    end
  end

  logic [PX*128-1:0] x;
  fl_buffer #(.PX(PX), .ROWS_LOG2(ROWS_LOG2)) buffer (
    .clk, .write_half, .write_bank, .write_row, .write_data,
    .read(step1), .pixels(pixels1), .banks(banks1), .bank_rows(rows1), .words(x));

  logic [2:0] step_way, header_way, first_way, last_way, bank_way;
  logic [5:0] pixels_way, planes_way;  // 2 bits a cycle
  logic [STEPS_LOG2-1:0] read2;
  always_ff @(posedge clk) begin
    step_way <= rst ? '0 : {step_way[1:0], step1};
    header_way <= rst ? '0 : {header_way[1:0], header1};
    first_way <= {first_way[1:0], first1};
    last_way <= {last_way[1:0], last1};
    bank_way <= {bank_way[1:0], bank1};
    pixels_way <= {pixels_way[3:0], pixels1};
    planes_way <= {planes_way[3:0], planes1};
    read2 <= read1;
    read_step <= read2;
  end
  assign issued = step1 || header1 || step_way != '0 || header_way != '0;

  // The table goes in from the read port, which stands still meanwhile.
  logic [63:0] table_data;
  logic table_we;
  logic [4:0] table_word, table_column;
  assign table_column = 5'(table_timer - 6'd8);
  always_ff @(posedge clk) begin
    table_we <= !rst && state == TABLE && table_timer >= 6'd8;
    table_word <= OC == 16 ? table_column : {table_half, table_column[3:0]};
    table_data <= weights[{table_column[$clog2(STEP_COLUMNS)-1:0], 6'd0}+:64];
  end

  fl_datapath #(.OC(OC), .PX(PX)) datapath (
    .clk, .rst, .kind, .use_table, .use_residual, .stage_zero, .out_min, .out_max, .add_zero_a, .add_zero_b, .add_zero_out, .add_shift,
    .add_multiplier_a, .add_multiplier_b,
    .step_valid(step_way[2]), .step_first(first_way[2]), .step_last(last_way[2]), .step_bank(bank_way[2]), .step_pixels(pixels_way[5:4]),
    .step_planes(planes_way[5:4]), .x, .w(weights), .header_valid(header_way[2]), .header_bank(bank_way[2]),
    .table_we, .table_word, .table_data, .residual_pop, .residual, .out_valid(result_valid), .out_data(result), .busy);

  logic [1:0] result_valid, absorbed;
  logic [63:0] result;
  fl_pool pooling (
    .clk, .start(walker_start || rst), .enable(pool), .columns(out_columns), .in_valid(result_valid), .in_data(result), .absorbed, .out_valid, .out_data);

  always_ff @(posedge clk) hold_weights <= !rst && state == WAIT && !window_ready && !ahead[15] && ahead >= 16'(AT_HAND);

  // --- counters ---
  always_ff @(posedge clk) begin
    stall_read <= !rst && ((state == WAIT && !window_ready) || ((state == TABLE && table_timer == 6'd0 || state == HEADER || state == RUN) && !weights_there) ||
                           (state == RUN && last_step && weights_there && room && !residuals_there));
    stall_write <= !rst && state == RUN && last_step && !room;
  end
endmodule
