/** Decoded pictures for all panes: one bounded cache over the decoding workers. */
import type { Slice } from '../state/selectors.ts';
import type { DecodedFrame, Job } from '../workers/protocol.ts';
import { ByteCache } from './byteCache.ts';

const CACHE_BYTES = 384 * 2 ** 20;

export interface FrameSource {
  run(job: Extract<Job, { kind: 'frame' }>, priority: number, signal?: AbortSignal): Promise<DecodedFrame>;
}

export const sliceKey = (slice: Slice): string => `${slice.instance.id}/${slice.frame}`;

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
  load(slice: Slice, priority: number, signal?: AbortSignal): Promise<DecodedFrame> {
    const key = sliceKey(slice);
    const known = this.underWay.get(key);
    if (known) return known;
    const decoding = this.source.run({ kind: 'frame', instanceId: slice.instance.id, frame: slice.frame, frames: slice.instance.frames }, priority, signal).then((decoded) => {
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
