/** Who answers, and how sure it is a board: where every image can be found, a name, or a subnet that somebody names. Nothing is logged in to. */
import { connect } from 'node:net';
import type { Found } from '../../contract/boards.ts';
import { BoardError } from '../errors.ts';
import { addressOf } from '../http.ts';
import { boardsAt, type KnownBoards } from '../ssh/host-keys.ts';
import { announced, type Announced } from './mdns.ts';

export interface FindOptions {
  known: KnownBoards;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
  /** Ports of SSH and Jupyter. */
  ports?: { ssh: number; jupyter: number };
  /** Told when another was looked at, and what has been found so far. */
  onProgress?: ((found: readonly Found[], done: number, total: number) => void) | undefined;
  /** Who says by mDNS that it is here; a test says it itself. */
  listen?: typeof announced;
}

/** The address that every stock image has besides DHCP's; its host name as a router or a responder may know it. */
const USUAL = ['192.168.2.99', 'pynq.local', 'pynq'];
const AT_ONCE = 32;
/** A subnet of more hosts is not scanned: 1024 take half a minute, and belong to somebody else's network. */
const MOST_HOSTS = 1024;
const MOST_SAID = 4096;

/** `where`: host, host:port, or a subnet as a.b.c.d/22 to /32; without it the usual places, those of boards that are known, and whoever answers to mDNS. */
export async function find(where: string | undefined, { known, signal, timeoutMs = 1_500, ports = { ssh: 22, jupyter: 9090 }, onProgress, listen = announced }: FindOptions): Promise<Found[]> {
  const targets = where === undefined
    ? [...new Set([...known.boards.flatMap(({ addresses }) => addresses), ...USUAL.map((host) => `${host}:${ports.ssh}`)])]
    : where.includes('/') ? hostsOf(where).map((host) => `${host}:${ports.ssh}`) : [/:\d+$/.test(where) ? where : `${where}:${ports.ssh}`];
  const found: Found[] = [];
  const order = { certain: 0, likely: 1, possible: 2 };
  const sorted = (): Found[] => [...found].sort((a, b) => order[a.sure] - order[b.sure] || targets.indexOf(a.address) - targets.indexOf(b.address));
  let done = 0;
  const lookAt = async (queue: string[], says: ReadonlyMap<string, Announced>): Promise<void> => {
    const lane = async (): Promise<void> => {
      for (let target = queue.shift(); target !== undefined && !signal?.aborted; target = queue.shift()) {
        const one = await look(target, known, ports.jupyter, timeoutMs, says.get(target));
        if (one) found.push(one);
        onProgress?.(sorted(), ++done, targets.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  };
  const heard = where === undefined ? listen(timeoutMs, signal) : Promise.resolve([]);
  await lookAt([...targets], new Map());
  const says = new Map((await heard).map((one) => [addressOf({ host: one.host, port: one.port ?? ports.ssh }), one]));
  const more = [...says.keys()].filter((target) => !targets.includes(target));
  targets.push(...more);
  await lookAt(more, says);
  return sorted();
}

/** Throws BoardError `bad-request`. */
export function hostsOf(subnet: string): string[] {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(subnet);
  const bytes = match?.slice(1, 5).map(Number) ?? [];
  const bits = Number(match?.[5]);
  if (!match || bytes.some((byte) => byte > 255) || bits > 32) throw new BoardError('bad-request', `'${subnet}' is not a subnet; write it as 192.168.1.0/24.`);
  const size = 2 ** (32 - bits);
  if (size > MOST_HOSTS) throw new BoardError('bad-request', `${subnet} has ${size} addresses; at most ${MOST_HOSTS} are looked at (/22), name a smaller part.`);
  const first = Math.floor(bytes.reduce((value, byte) => value * 256 + byte, 0) / size) * size;
  const all = Array.from({ length: size }, (_, i) => first + i);
  // A network's own address and its broadcast address are no hosts.
  return (size > 2 ? all.slice(1, -1) : all).map((value) => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.'));
}

async function look(target: string, known: KnownBoards, jupyterPort: number, timeoutMs: number, says?: Announced): Promise<Found | undefined> {
  const at = target.lastIndexOf(':');
  const host = target.slice(0, at).replace(/^\[|\]$/g, '');
  const port = Number(target.slice(at + 1));
  const banner = await converse(host, port, '', timeoutMs);
  if (banner === undefined || !banner.startsWith('SSH-')) return undefined;
  const version = banner.split('\n')[0]!.replace(/[^\x20-\x7e]/g, '').slice(0, 80);
  const evidence = [`answers as ${version}`];
  const jupyter = await converse(host, jupyterPort, 'GET /api HTTP/1.0\r\n\r\n', timeoutMs);
  const notebook = jupyter !== undefined && /^HTTP\/1\.[01] 200[\s\S]*"version"/.test(jupyter);
  if (notebook) evidence.push(`a Jupyter server on port ${jupyterPort}, as PYNQ images have`);
  const before = boardsAt(known, addressOf({ host, port }));
  if (before.length > 0) return { address: target, sure: 'certain', evidence: [`was ${before.map(({ name }) => `'${name}'`).join(' or ')}; its host key will say whether it still is`, ...evidence] };
  const named = USUAL.includes(host) || /^pynq\b/i.test(says?.name ?? '');
  if (says) evidence.push(`calls itself '${says.name}' by mDNS`);
  if (USUAL.includes(host)) evidence.push(`at ${host}, where every PYNQ image is`);
  return { address: target, sure: (named || notebook) && /Ubuntu/.test(version) ? 'likely' : 'possible', evidence };
}

/** What a server says to this, at most so much and so long; undefined where nobody is there. */
function converse(host: string, port: number, words: string, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ host, port });
    const end = (text: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(() => end(said || undefined), timeoutMs);
    socket.once('connect', () => words && socket.write(words));
    socket.on('error', () => end(said || undefined)).on('end', () => end(said || undefined));
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
      if ((words === '' && said.includes('\n')) || said.length > MOST_SAID) end(said);
    });
  });
}
