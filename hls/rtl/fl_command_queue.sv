// Commands on their way to one unit: 4 of 16 beats. The unit reads the beats it needs of the command at the head, then pops it.
module fl_command_queue (
  input  logic        clk,
  input  logic        rst,
  input  logic        write,       // a beat of the command under way; all 16, then push
  input  logic [3:0]  write_beat,
  input  logic [63:0] write_data,
  input  logic        push,
  output logic        full,        // no room for another command
  output logic        ready,       // there is a command at the head
  input  logic [3:0]  beat,
  output logic [63:0] data,        // beat of the head, combinational
  input  logic        pop
);
  (* ram_style = "distributed" *) logic [63:0] memory[64];
  logic [2:0] written, taken;
  logic [2:0] count;
  assign count = written - taken;
  assign full = count[2];
  assign ready = count != 3'd0;
  assign data = memory[{taken[1:0], beat}];

  always_ff @(posedge clk) if (write) memory[{written[1:0], write_beat}] <= write_data;

  always_ff @(posedge clk) begin
    if (rst) begin
      written <= '0;
      taken <= '0;
    end else begin
      written <= written + 3'(push);
      taken <= taken + 3'(pop);
    end
  end
endmodule
