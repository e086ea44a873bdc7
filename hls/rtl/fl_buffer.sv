// Activation buffer: PX banks of words of 16 channels, and the exchange that brings each pixel lane the word of its bank.
// A step's places go in, its words come out 3 cycles later (address register, memory, exchange).
module fl_buffer #(
  parameter int PX = 3,
  parameter int ROWS_LOG2 = 12
) (
  input  logic                 clk,
  input  logic [1:0]           write_half,
  input  logic [1:0]           write_bank,
  input  logic [ROWS_LOG2-1:0] write_row,
  input  logic [127:0]         write_data,
  input  logic                 read,
  input  logic [1:0]           pixels,       // lanes that are real: the others fetch nothing of their own
  input  logic [PX*2-1:0]      banks,
  input  logic [PX*16-1:0]     bank_rows,
  output logic [PX*128-1:0]    words
);
  logic [PX*2-1:0] banks1, banks2;
  logic [127:0] word[PX];
  always_ff @(posedge clk) begin
    banks1 <= banks;
    banks2 <= banks1;
  end

  for (genvar b = 0; b < PX; b++) begin : g_bank
    // Lanes of a group lie in different banks: at most one of them wants this one.
    logic [ROWS_LOG2-1:0] wanted, row;
    logic read1;
    always_comb begin
      wanted = '0;
      for (int l = 0; l < PX; l++) if (2'(l) < pixels && banks[l*2+:2] == 2'(b)) wanted = wanted | bank_rows[l*16+:ROWS_LOG2];
    end
    always_ff @(posedge clk) begin
      row <= wanted;
      read1 <= read;
    end
    for (genvar h = 0; h < 2; h++) begin : g_half
      (* ram_style = "block" *) logic [63:0] memory[2**ROWS_LOG2];
      logic [63:0] q;
      always_ff @(posedge clk) begin
        if (write_half[h] && write_bank == 2'(b)) memory[write_row] <= write_data[h*64+:64];
        if (read1) q <= memory[row];
      end
      assign word[b][h*64+:64] = q;
    end
  end

  for (genvar l = 0; l < PX; l++) begin : g_lane
    logic [127:0] mine;
    always_comb begin
      mine = word[0];
      for (int b = 1; b < PX; b++) if (banks2[l*2+:2] == 2'(b)) mine = word[b];
    end
    always_ff @(posedge clk) words[l*128+:128] <= mine;
  end

`ifdef VERILATOR
  always_ff @(posedge clk) if (read) begin
    for (int l = 0; l < PX; l++) for (int k = 0; k < l; k++)
      assert (!(2'(l) < pixels && banks[l*2+:2] == banks[k*2+:2])) else $error("fl_buffer: two lanes of a group in one bank");
  end
`endif
endmodule
