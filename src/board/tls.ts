/**
 * TLS to a board whose certificate is known by its hash. Neither its name nor its dates are looked at: a board's clock stands at the day its image was made,
 * its address is whatever the network gave it, and the hash says more than both.
 */
import { Agent, type AgentOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { connect, type ConnectionOptions } from 'node:tls';

/** The board shows another certificate than the one it is known by. */
export class WrongCertificate extends Error {
  constructor(shown: string) {
    super(`shows another certificate (SHA-256 ${shown || 'unknown'}) than the one it is known by; if it was installed anew, take its new certificate after looking at it on the board, else somebody is in between`);
  }
}

const plain = (hash: string): string => hash.replaceAll(':', '').toLowerCase();

/** A pool of connections that hands one out only when the certificate is the one of that SHA-256, hexadecimal: nothing is sent before. */
export class PinnedAgent extends Agent {
  readonly #sha256: string;
  readonly #timeoutMs: number;

  /** @param timeoutMs for connection and handshake */
  constructor(sha256: string, timeoutMs: number, options: AgentOptions) {
    super(options);
    this.#sha256 = plain(sha256);
    this.#timeoutMs = timeoutMs;
  }

  override createConnection(options: ConnectionOptions, done?: (error: Error | null, stream: Duplex) => void): Duplex | null | undefined {
    // No session is resumed: each handshake shows the certificate.
    const socket = connect({ host: options.host!, port: options.port!, rejectUnauthorized: false, minVersion: 'TLSv1.2', session: undefined });
    const timer = setTimeout(() => socket.destroy(Object.assign(new Error('no TLS handshake'), { code: 'ETIMEDOUT' })), this.#timeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      done?.(error, socket);
    };
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      const shown = plain(socket.getPeerCertificate().fingerprint256 ?? '');
      socket.removeListener('error', failed);
      if (shown === this.#sha256) return done?.(null, socket);
      socket.destroy();
      done?.(new WrongCertificate(shown), socket);
    });
    return undefined;
  }
}
