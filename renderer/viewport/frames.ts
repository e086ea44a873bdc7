/** Decoded pictures for all panes: one bounded cache over the decoding workers. */
import type { Slice } from '../state/selectors.ts';
import { PRIORITY } from '../workers/pool.ts';
import type { DecodedFrame, Job } from '../workers/protocol.ts';
import { ByteCache } from './byteCache.ts';

const CACHE_BYTES = 384 * 2 ** 20;

/** Pixels from which decoding JPEG 2000 takes so long that a reader waits for it. */
const PREVIEW_FROM = 2 ** 21;
const JPEG_2000 = /^1\.2\.840\.10008\.1\.2\.4\.9[0-3]$/;

export interface FrameSource {
  run(job: Extract<Job, { kind: 'frame' | 'preview' }>, priority: number, signal?: AbortSignal): Promise<DecodedFrame>;
}

const keyOf = (instanceId: string, frame: number): string => `${instanceId}/${frame}`;
export const sliceKey = ({ instance, frame }: Slice): string => keyOf(instance.id, frame);

export class Frames {
  private readonly source: FrameSource;
  private readonly cache = new ByteCache<string, DecodedFrame>(CACHE_BYTES);
  private readonly underWay = new Map<string, Promise<DecodedFrame>>();

  constructor(source: FrameSource) {
    this.source = source;
  }

  get(key: string): DecodedFrame | undefined {
    return this.cache.get(key);
  }

  has(key: string): boolean {
    return this.cache.has(key);
  }

  /** Without a signal nothing ends it, so that whoever wants it meanwhile waits for the same decoding. */
  load({ instance, frame }: Slice, priority: number, signal?: AbortSignal): Promise<DecodedFrame> {
    return this.decode(instance.id, frame, priority, signal);
  }

  /** The first picture of a file that was just dropped, while the host is still finding out what it is. */
  loadDropped(id: string): void {
    // What is no image says so when the host has looked at it.
    this.decode(id, 0, PRIORITY.shown).catch(() => {});
  }

  /** A smaller picture of one that takes long, to look at until it is there; null where none is to be had sooner. Not kept. */
  async preview({ instance, frame }: Slice, signal: AbortSignal): Promise<DecodedFrame | null> {
    if (!JPEG_2000.test(instance.transferSyntaxUid) || instance.rows * instance.columns < PREVIEW_FROM) return null;
    return this.source.run({ kind: 'preview', instanceId: instance.id, frame }, PRIORITY.shown, signal).catch(() => null);
  }

  private decode(instanceId: string, frame: number, priority: number, signal?: AbortSignal): Promise<DecodedFrame> {
    const key = keyOf(instanceId, frame);
    const ready = this.cache.get(key);
    if (ready) return Promise.resolve(ready);
    const known = this.underWay.get(key);
    if (known) return known;
    const decoding = this.source.run({ kind: 'frame', instanceId, frame }, priority, signal).then((decoded) => {
      this.cache.set(key, decoded, bytesOf(decoded));
      return decoded;
    });
    if (signal) return decoding;
    const ended = decoding.finally(() => this.underWay.delete(key));
    this.underWay.set(key, ended);
    return ended;
  }

  /** Forgets the pictures of instances that are not open any more. */
  keep(instances: ReadonlySet<string>): void {
    for (const key of this.cache.keys()) if (!instances.has(key.slice(0, key.lastIndexOf('/')))) this.cache.delete(key);
  }
}

const bytesOf = ({ frame, overlays }: DecodedFrame): number => overlays.reduce((sum, { bits }) => sum + bits.byteLength, frame.kind === 'grey' ? frame.pixels.byteLength : frame.rgba.byteLength);
