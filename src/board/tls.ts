/**
 * TLS to a board whose certificate is known by its hash. Neither its name nor its dates are looked at: a board's clock stands at the day its image was made,
 * its address is whatever the network gave it, and the hash says more than both.
 */
import { connect, type TLSSocket } from 'node:tls';

/** The board shows another certificate than the one it is known by. */
export class WrongCertificate extends Error {
  constructor(shown: string) {
    super(`shows another certificate (SHA-256 ${shown || 'unknown'}) than the one it is known by; if it was installed anew, take its new certificate after looking at it on the board, else somebody is in between`);
  }
}

const plain = (hash: string): string => hash.replaceAll(':', '').toLowerCase();

/**
 * Resolves with the connection only when the certificate is the one of that SHA-256, hexadecimal: nothing is sent before.
 * @param timeoutMs for connection and handshake
 */
export function connectPinned(host: string, port: number, sha256: string, timeoutMs: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // No session is resumed: each handshake shows the certificate.
    const socket = connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.2', session: undefined });
    const timer = setTimeout(() => socket.destroy(Object.assign(new Error('no TLS handshake'), { code: 'ETIMEDOUT' })), timeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      const shown = plain(socket.getPeerCertificate().fingerprint256 ?? '');
      socket.removeListener('error', failed);
      if (shown === plain(sha256)) return resolve(socket);
      socket.on('error', () => {}).destroy();
      reject(new WrongCertificate(shown));
    });
  });
}
