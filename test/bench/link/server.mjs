/** The other end of bench:link, as a process of its own: takes a tensor, answers little. Prints {"raw", "http"}: its ports. */
import { createServer as createHttp } from 'node:http';
import { createServer } from 'node:net';

const size = Number(process.argv[2]);
const raw = createServer((socket) => {
  let left = size;
  socket.setNoDelay(true).on('error', () => {}).on('data', (chunk) => {
    left -= chunk.length;
    if (left > 0) return;
    left += size;
    socket.write('!');
  });
});
const answers = {
  '/v2': JSON.stringify({ name: 'bench', version: '1', extensions: ['binary_tensor_data'] }),
  '/v2/models/m/infer': JSON.stringify({ model_name: 'm', outputs: [{ name: 'y', datatype: 'INT8', shape: [1], data: [1] }] }),
};
const http = createHttp({ noDelay: true }, (request, response) => {
  request.on('data', () => {}).on('end', () => response.end(answers[request.url] ?? '{}'));
});
raw.listen(0, '127.0.0.1', () => http.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ raw: raw.address().port, http: http.address().port }))));
