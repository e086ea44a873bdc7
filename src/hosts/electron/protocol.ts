/**
 * `app:`, the only scheme that the page can load: `app://ui/…` is the built page under a strict policy, `app://instance/<id>` the encoded
 * bytes of an opened file under its opaque id. Anything else is 404.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { Readable } from 'node:stream';
import { protocol, type Session } from 'electron';
import { readInstance, type InstanceSource } from '../../review/instance-source.ts';

export const UI_ORIGIN = 'app://ui';
const BRIDGE = '/host-bridge.js';
const NONCE_MARK = /__CSP_NONCE__/g;

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** wasm for the codecs; styles by nonce for the UI kit; images out of memory for thumbnails; nothing from anywhere else. */
export const policy = (nonce: string): string =>
  [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' blob: data:",
    "font-src 'self' data:",
    "connect-src 'self' app://instance",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** Before `ready`. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, corsEnabled: true, stream: true } }]);
}

/** Up to here a file goes in one piece: passing a stream's many on costs more than reading it. */
const WHOLE_BYTES = 32 * 2 ** 20;

export interface AppFiles {
  /** Folder of the built page. */
  ui: string;
  /** The built page-bridge.ts. */
  bridge: string;
  /** What is behind an instance's id; null when nothing is. */
  instanceSource(id: string): Promise<InstanceSource | null>;
}

const notFound = (): Response => new Response('Not found', { status: 404, headers: { 'content-type': 'text/plain' } });

export function serveApp(session: Session, files: AppFiles): void {
  session.protocol.handle('app', async (request) => {
    const url = new URL(request.url);
    if (request.method !== 'GET') return new Response(null, { status: 405 });
    try {
      if (url.host === 'ui') return await uiFile(url.pathname, files);
      if (url.host === 'instance') return await instance(url.pathname, files);
    } catch (error) {
      if (!['ENOENT', 'EISDIR', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
    return notFound();
  });
}

async function uiFile(pathname: string, files: AppFiles): Promise<Response> {
  const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'cross-origin-opener-policy': 'same-origin' };
  const nonce = randomBytes(16).toString('base64');
  const secured = (type: string): Record<string, string> => ({ ...headers, 'content-type': type, 'content-security-policy': policy(nonce) });
  if (pathname === BRIDGE) return new Response(await readFile(files.bridge), { headers: secured(TYPES['.js']!) });
  const name = pathname === '/' ? 'index.html' : decodeURIComponent(pathname).slice(1);
  const path = normalize(join(files.ui, name));
  if (!path.startsWith(files.ui + sep) || name.includes('\0')) return notFound();
  const type = TYPES[extname(path)] ?? 'application/octet-stream';
  const bytes = await readFile(path);
  if (name !== 'index.html') return new Response(bytes, { headers: secured(type) });
  const page = bytes.toString('utf8').replace(NONCE_MARK, nonce).replace('<head>', `<head><script src="${BRIDGE}"></script>`);
  return new Response(page, { headers: secured(type) });
}

async function instance(pathname: string, files: AppFiles): Promise<Response> {
  const source = await files.instanceSource(decodeURIComponent(pathname.slice(1)));
  if (source === null) return notFound();
  const respond = (body: ReadableStream | Uint8Array<ArrayBuffer>, size: number): Response => new Response(body, {
    headers: { 'content-type': 'application/dicom', 'content-length': String(size), 'cache-control': 'no-store', 'access-control-allow-origin': UI_ORIGIN },
  });
  const size = source.member ? 0 : (await stat(source.path)).size;
  if (source.member || size <= WHOLE_BYTES) {
    const bytes = await readInstance(source);
    return respond(bytes, bytes.length);
  }
  return respond(Readable.toWeb(createReadStream(source.path, { highWaterMark: 1 << 18 })) as ReadableStream, size);
}
