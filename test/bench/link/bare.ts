/** A bare socket that sends what our client sends, byte for byte but for the names in its head, and counts what comes back. Nothing is decoded or kept. */
import { connect, type Socket } from 'node:net';
import { encodeInfer, type Tensor } from '../../../src/board/protocol.ts';

export class BareSocket {
  readonly #socket: Socket;
  readonly #body: Uint8Array[];
  readonly #fields: string;
  #left = -1;
  #done: () => void = () => {};

  private constructor(socket: Socket, fields: string, body: Uint8Array[]) {
    this.#socket = socket;
    this.#fields = fields;
    this.#body = body;
    socket.on('data', (chunk) => {
      if (this.#left < 0) {
        const head = chunk.toString('latin1', 0, chunk.indexOf('\r\n\r\n'));
        this.#left = head.length + 4 + Number(/^content-length: (\d+)/im.exec(head)![1]);
      }
      this.#left -= chunk.length;
      if (this.#left > 0) return;
      this.#left = -1;
      this.#done();
    });
  }

  static async connect(port: number, tensor: Tensor): Promise<BareSocket> {
    const { headers, body } = encodeInfer([tensor], undefined, true);
    const length = body.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const fields = { host: `127.0.0.1:${port}`, ...headers, 'content-length': String(length) };
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await new Promise<void>((done, reject) => socket.once('connect', done).once('error', reject));
    return new BareSocket(socket, Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join(''), body);
  }

  infer(model: string): Promise<void> {
    return new Promise((done) => {
      this.#done = done;
      this.#socket.cork();
      this.#socket.write(`POST /v2/models/${model}/infer HTTP/1.1\r\n${this.#fields}\r\n`, 'latin1');
      for (const part of this.#body) this.#socket.write(part);
      this.#socket.uncork();
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
