// Shares one AXI read channel between two clients, client 1 first. Bursts come back in order; a tag says for whom and what they are, and
// the layer that they were asked for goes along, since a client may be at the next one when an error comes back.
// With `halt` nothing new is requested and what comes back is thrown away, so that the bus is left clean.
module fl_read_port (
  input  logic        clk,
  input  logic        rst,
  input  logic        halt,
  output logic        idle,        // nothing requested, nothing outstanding
  // Requests: physical address (of 8 bytes), beats - 1.
  input  logic [1:0]  request,
  output logic [1:0]  granted,     // with request: taken in this cycle
  input  logic [31:0] address0, address1,
  input  logic [3:0]  length0, length1,
  input  logic [1:0]  tag0, tag1,
  input  logic [15:0] layer0, layer1,
  // Data, for the client that recognises the tag.
  output logic        valid,
  output logic [1:0]  tag,
  output logic [15:0] layer,
  output logic [63:0] data,
  input  logic        ready,
  output logic        error,       // a response other than OKAY, with its tag
  // AXI
  output logic [31:0] araddr,
  output logic [3:0]  arlen,
  output logic        arvalid,
  input  logic        arready,
  input  logic [63:0] rdata,
  input  logic [1:0]  rresp,
  input  logic        rlast,
  input  logic        rvalid,
  output logic        rready
);
  localparam int OUTSTANDING_LOG2 = 3;
  (* ram_style = "distributed" *) logic [17:0] tags[2**OUTSTANDING_LOG2];
  logic [OUTSTANDING_LOG2:0] sent, finished, outstanding;
  assign outstanding = sent - finished;

  logic open;
  assign open = !halt && !outstanding[OUTSTANDING_LOG2] && (!arvalid || arready);
  assign granted[1] = open && request[1];
  assign granted[0] = open && request[0] && !request[1];

  always_ff @(posedge clk) begin
    if (rst) begin
      arvalid <= 1'b0;
      sent <= '0;
      finished <= '0;
    end else begin
      if (arready) arvalid <= 1'b0;
      if (granted != 2'b00) begin
        arvalid <= 1'b1;
        sent <= sent + 1'b1;
      end
      if (rvalid && rready && rlast) finished <= finished + 1'b1;
    end
  end
  always_ff @(posedge clk) if (granted != 2'b00) begin
    araddr <= granted[1] ? address1 : address0;
    arlen <= granted[1] ? length1 : length0;
    tags[sent[OUTSTANDING_LOG2-1:0]] <= granted[1] ? {layer1, tag1} : {layer0, tag0};
  end

  assign {layer, tag} = tags[finished[OUTSTANDING_LOG2-1:0]];
  assign valid = rvalid && !halt;
  assign data = rdata;
  assign rready = halt || ready;
  assign error = rvalid && rready && rresp != 2'b00;
  assign idle = !arvalid && outstanding == '0;
endmodule
