// First-word-fall-through queue in block RAM. A word pushed in cycle t is at the head in t + 2; one push and one pop a cycle.
// The producer knows the room (it counts what it has pushed against what was popped): there is no `full`.
module fl_fifo #(
  parameter int WIDTH = 64,
  parameter int DEPTH_LOG2 = 9
) (
  input  logic             clk,
  input  logic             rst,
  input  logic             push,
  input  logic [WIDTH-1:0] push_data,
  input  logic             pop,
  output logic             valid,
  output logic [WIDTH-1:0] data,
  output logic [DEPTH_LOG2:0] level  // words pushed and not popped
);
  (* ram_style = "block" *) logic [WIDTH-1:0] memory[2**DEPTH_LOG2];
  logic [DEPTH_LOG2:0] written, taken, next_taken;
  assign next_taken = taken + (DEPTH_LOG2 + 1)'(pop);
  assign level = written - taken;

  always_ff @(posedge clk) begin
    if (push) memory[written[DEPTH_LOG2-1:0]] <= push_data;
    data <= memory[next_taken[DEPTH_LOG2-1:0]];
  end

  always_ff @(posedge clk) begin
    if (rst) begin
      written <= '0;
      taken <= '0;
      valid <= 1'b0;
    end else begin
      written <= written + (DEPTH_LOG2 + 1)'(push);
      taken <= next_taken;
      valid <= written != next_taken;
    end
  end

`ifdef VERILATOR
  always_ff @(posedge clk) if (!rst) begin
    assert (!(push && level[DEPTH_LOG2])) else $error("fl_fifo: push into a full queue");
    assert (!(pop && !valid)) else $error("fl_fifo: pop from an empty queue");
  end
`endif
endmodule
