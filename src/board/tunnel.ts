/** The way to a board's agent through SSH: one connection, made again when it was lost. */
import type { Duplex } from 'node:stream';
import { connectSsh, type SshConnection, type SshOptions } from './ssh/connection.ts';

/**
 * Streams to one port of a board's loopback. The connection is made when the first is asked for and again after it was lost; whoever asks meanwhile waits
 * for the same attempt. Back-off is the asker's (BoardLink's looks).
 */
export class SshTunnel {
  readonly #options: Omit<SshOptions, 'signal'>;
  readonly #end = new AbortController();
  #connection: Promise<SshConnection> | undefined;

  constructor(options: Omit<SshOptions, 'signal'>) {
    this.#options = options;
  }

  connection(): Promise<SshConnection> {
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async stream(port: number): Promise<Duplex> {
    return (await this.connection()).stream(port);
  }

  async close(): Promise<void> {
    this.#end.abort();
    const ssh = await this.#connection?.catch(() => undefined);
    ssh?.close();
    await ssh?.closed;
  }

  async #connect(): Promise<SshConnection> {
    let ssh: SshConnection | undefined;
    try {
      ssh = await connectSsh({ ...this.#options, signal: this.#end.signal });
      // sshd keeps what is small back until the rest was acknowledged, which costs an answer 40 ms, as long as nothing was run on the connection (bench:link).
      await ssh.exec(':', { signal: this.#end.signal });
      void ssh.closed.then(() => { this.#connection = undefined; });
      return ssh;
    } catch (error) {
      ssh?.close();
      this.#connection = undefined;
      throw error;
    }
  }
}
