/**
 * The other end of bench:link, as a process of its own: so much of HTTP as it takes to find a request's end, and a prepared answer: to model `echo` as large a tensor, to `sink` a small one. Bare
 * sockets and clients of the protocol ask it alike, so that what it does is the same for all. Prints its port.
 */
import { createServer } from 'node:net';

const bytes = Number(process.argv[2]);
const answer = (head, type, body) => {
  const lines = [`HTTP/1.1 200 OK`, `Content-Type: ${type}`, `Content-Length: ${head.length + body.length}`, `Inference-Header-Content-Length: ${head.length}`];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), head, body]);
};
const metadata = answer(Buffer.from(JSON.stringify({ name: 'bench', version: '1', extensions: ['binary_tensor_data'] })), 'application/json', Buffer.alloc(0));
const inferred = (model, size) => {
  const tensor = { name: 'y', datatype: 'INT8', shape: [size], parameters: { binary_data_size: size } };
  return answer(Buffer.from(JSON.stringify({ model_name: model, outputs: [tensor] })), 'application/octet-stream', Buffer.alloc(size, 7));
};
const answers = { echo: inferred('echo', bytes), sink: inferred('sink', 16) };

createServer((socket) => {
  let head = Buffer.alloc(0);
  let left = -1; // of the body; before its head has come -1
  let reply = metadata;
  socket.setNoDelay(true).on('error', () => {}).on('data', (chunk) => {
    if (left < 0) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const text = head.toString('latin1', 0, end);
      reply = answers[/^POST \/v2\/models\/(\w+)/.exec(text)?.[1]] ?? metadata;
      left = Number(/^content-length: (\d+)/im.exec(text)?.[1] ?? 0) - (head.length - end - 4);
      head = Buffer.alloc(0);
    } else {
      left -= chunk.length;
    }
    if (left > 0) return;
    left = -1;
    socket.write(reply);
  });
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
