/** Host keys: what a board shows when it is connected to, and what is remembered of it. Values in, values out. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** A public key as SSH sends it, and the algorithm that its first field names. */
export const HostKey = z.object({ algorithm: z.string().regex(/^[\w@.-]{1,64}$/), blob: z.base64().max(16 << 10) });
export type HostKey = z.infer<typeof HostKey>;

export const KnownBoard = z.object({
  /** Random, made when the board was first trusted, and written to it; addresses say nothing (every stock image is 192.168.2.99). */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  name: z.string().max(200),
  /** host:port of its SSH server, the last one first. */
  addresses: z.array(z.string().max(300)).max(16),
  user: z.string().max(64),
  hostKeys: z.array(HostKey).max(8),
});
export type KnownBoard = z.infer<typeof KnownBoard>;

/** The store of pins. It holds no secret; who reads and writes it are the hosts. */
export const KnownBoards = z.object({ format: z.literal('fabriclens-boards/1'), boards: z.array(KnownBoard).max(1000) });
export type KnownBoards = z.infer<typeof KnownBoards>;

export const NO_BOARDS: KnownBoards = { format: 'fabriclens-boards/1', boards: [] };

/** A key that was shown beside those pinned for boards of that address; `known` names whose it is. */
export type HostKeyVerdict =
  | { state: 'known'; board: KnownBoard }
  | { state: 'unknown' }
  | { state: 'changed'; pinned: { board: KnownBoard; key: HostKey }[] };

/** Undefined where the bytes are no public key. */
export function readHostKey(blob: Uint8Array): HostKey | undefined {
  const length = blob.length < 4 ? 0 : new DataView(blob.buffer, blob.byteOffset).getUint32(0);
  if (length === 0 || length > 64 || blob.length < 4 + length) return undefined;
  const parsed = HostKey.safeParse({ algorithm: Buffer.from(blob.subarray(4, 4 + length)).toString('latin1'), blob: Buffer.from(blob).toString('base64') });
  return parsed.success ? parsed.data : undefined;
}

/** As `ssh-keygen -l` prints it. */
export const fingerprintOf = ({ blob }: HostKey): string => `SHA256:${createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64').replace(/=+$/, '')}`;

/**
 * Several boards may have had one address: the key says which it is. A key of an algorithm that was never pinned is a changed key too:
 * else an impostor would only have to show another kind.
 */
export function judgeHostKey(candidates: readonly KnownBoard[], shown: HostKey): HostKeyVerdict {
  const same = candidates.find(({ hostKeys }) => hostKeys.some((key) => key.algorithm === shown.algorithm && key.blob === shown.blob));
  if (same) return { state: 'known', board: same };
  const pinned = candidates.flatMap((board) => {
    const keys = board.hostKeys.filter(({ algorithm }) => algorithm === shown.algorithm);
    return (keys.length > 0 ? keys : board.hostKeys).map((key) => ({ board, key }));
  });
  return pinned.length > 0 ? { state: 'changed', pinned } : { state: 'unknown' };
}

const SIGNATURES: Record<string, readonly string[]> = { 'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'] };
const PREFERRED = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'];

/** What to ask the server for: kinds that are pinned first, so that a board with several keys shows one that we know; of those the one that people compare. */
export function algorithmsFor(candidates: readonly KnownBoard[]): string[] {
  const pinned = PREFERRED.filter((algorithm) => candidates.some(({ hostKeys }) => hostKeys.some((key) => key.algorithm === algorithm)));
  return [...new Set([...pinned, ...PREFERRED])].flatMap((algorithm) => SIGNATURES[algorithm] ?? [algorithm]);
}

export const boardsAt = ({ boards }: KnownBoards, address: string): KnownBoard[] => boards.filter(({ addresses }) => addresses.includes(address));

/** Adds a board or puts it in place of the one with its id. */
export const withBoard = ({ boards, ...rest }: KnownBoards, board: KnownBoard): KnownBoards =>
  ({ ...rest, boards: [...boards.filter(({ id }) => id !== board.id), { ...board, addresses: board.addresses.slice(0, 16) }] });
