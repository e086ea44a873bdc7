/**
 * Who says by mDNS that it is here: one question to the group of every IPv4 interface, answered to our own port (RFC 6762, section 6.7: a port other than 5353 is answered directly), so
 * that no responder of this computer is in the way. An answer counts for the machine that sent it, whatever addresses stand in it.
 */
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';

export interface Announced {
  /** Who sent the answer. */
  host: string;
  /** As it calls itself, without `.local`. */
  name: string;
  /** Of its SSH server, where it says one. */
  port: number | undefined;
}

const GROUP = { address: '224.0.0.251', port: 5353 };
const [A, PTR, SRV] = [1, 12, 33];
const SERVICES = ['_ssh._tcp.local', '_workstation._tcp.local'];
const QUESTIONS: readonly (readonly [name: string, type: number])[] = [['pynq.local', A], ...SERVICES.map((name) => [name, PTR] as const)];
/** Answers looked at, machines told, records of one answer: a network of strangers decides how many come. */
const [MOST_ANSWERS, MOST_MACHINES, MOST_RECORDS] = [500, 64, 100];
const MOST_JUMPS = 16;

/** `interfaces`: addresses to ask from, by default all of this computer's that are IPv4; a test asks elsewhere than the group. Resolves when the time is up. */
export async function announced(timeoutMs: number, signal?: AbortSignal, { interfaces = ownAddresses(), to = GROUP } = {}): Promise<Announced[]> {
  const machines = new Map<string, Announced>();
  let left = MOST_ANSWERS;
  const ask = (own: string): Promise<void> => new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      socket.removeAllListeners('message');
      socket.close(() => resolve());
    };
    const timer = setTimeout(end, timeoutMs);
    signal?.addEventListener('abort', end, { once: true });
    // An interface without multicast, or one that has just gone, finds nobody.
    socket.on('error', () => {});
    socket.on('message', (bytes, { address: host }) => {
      if (left-- <= 0 || (machines.size >= MOST_MACHINES && !machines.has(host))) return;
      const said = readAnswer(bytes);
      const before = machines.get(host);
      if (said) machines.set(host, { host, name: before?.name ?? said.name, port: before?.port ?? said.port });
    });
    socket.bind({ address: own, port: 0 }, () => {
      if (to === GROUP) socket.setMulticastInterface(own);
      socket.send(question(), to.port, to.address, () => {});
    });
  });
  if (!signal?.aborted) await Promise.all(interfaces.map(ask));
  return [...machines.values()];
}

const ownAddresses = (): string[] => Object.values(networkInterfaces()).flatMap((list) => list ?? []).filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);

const writeName = (name: string): Buffer => Buffer.concat([...name.split('.').map((label) => Buffer.concat([Buffer.from([Buffer.byteLength(label)]), Buffer.from(label)])), Buffer.alloc(1)]);

export function question(): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(QUESTIONS.length, 4);
  // Class IN, with the bit that asks for an answer to us alone.
  return Buffer.concat([header, ...QUESTIONS.flatMap(([name, type]) => [writeName(name), Buffer.from([0, type, 0x80, 1])])]);
}

/** Undefined where it is no answer to what was asked. Never reads past its end, follows so many pointers a name and no more, whatever the bytes. */
export function readAnswer(bytes: Buffer): { name: string; port: number | undefined } | undefined {
  if (bytes.length < 12 || bytes.length > 9000 || (bytes.readUInt16BE(2) & 0x8000) === 0) return undefined;
  try {
    let at = 12;
    for (let i = bytes.readUInt16BE(4); i > 0; i--) at = readName(bytes, at).next + 4;
    const records = Math.min(MOST_RECORDS, bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10));
    let name: string | undefined;
    let instance: string | undefined;
    let port: number | undefined;
    for (let i = 0; i < records; i++) {
      const owner = readName(bytes, at);
      const type = bytes.readUInt16BE(owner.next);
      const data = owner.next + 10;
      const end = data + bytes.readUInt16BE(owner.next + 8);
      if (end > bytes.length) break;
      if (type === A && /^[^.]+\.local$/i.test(owner.name)) name = owner.name;
      else if (type === PTR && SERVICES.includes(owner.name.toLowerCase())) instance = readName(bytes, data).name;
      else if (type === SRV && owner.name.toLowerCase().endsWith(SERVICES[0]!)) {
        port = bytes.readUInt16BE(data + 4);
        name ??= readName(bytes, data + 6).name;
      }
      at = end;
    }
    const shown = name?.replace(/\.local$/i, '') ?? instance?.replace(/\.?_(?:ssh|workstation)\._tcp\.local$/i, '');
    return shown === undefined ? undefined : { name: shown.replace(/[^\x20-\x7e]/g, '').slice(0, 63), port: port || undefined };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Throws RangeError where the bytes end, or go round in a circle. */
function readName(bytes: Buffer, from: number): { name: string; next: number } {
  const labels: string[] = [];
  let next = -1;
  for (let at = from, jumps = 0; ;) {
    const length = bytes.readUInt8(at);
    if (length >= 0xc0) {
      if (next < 0) next = at + 2;
      if (++jumps > MOST_JUMPS) throw new RangeError('a name of too many pointers');
      at = bytes.readUInt16BE(at) & 0x3fff;
    } else {
      if (length === 0) return { name: labels.join('.'), next: next < 0 ? at + 1 : next };
      if (length > 63 || at + 1 + length > bytes.length || labels.length >= 32) throw new RangeError('a label that is none');
      labels.push(bytes.toString('utf8', at + 1, at + 1 + length));
      at += 1 + length;
    }
  }
}
