/** Decoded pictures for all panes: one bounded cache over the decoding workers. */
import type { Slice } from '../state/selectors.ts';
import type { DecodedFrame, Job } from '../workers/protocol.ts';
import { ByteCache } from './byteCache.ts';

const CACHE_BYTES = 384 * 2 ** 20;

export interface FrameSource {
  run(job: Extract<Job, { kind: 'frame' }>, priority: number, signal: AbortSignal): Promise<DecodedFrame>;
}

export const sliceKey = (slice: Slice): string => `${slice.instance.id}/${slice.frame}`;

export class Frames {
  private readonly source: FrameSource;
  private readonly cache = new ByteCache<string, DecodedFrame>(CACHE_BYTES);

  constructor(source: FrameSource) {
    this.source = source;
  }

  get(key: string): DecodedFrame | undefined {
    return this.cache.get(key);
  }

  has(key: string): boolean {
    return this.cache.has(key);
  }

  async load(slice: Slice, priority: number, signal: AbortSignal): Promise<DecodedFrame> {
    const decoded = await this.source.run({ kind: 'frame', instanceId: slice.instance.id, frame: slice.frame }, priority, signal);
    this.cache.set(sliceKey(slice), decoded, bytesOf(decoded));
    return decoded;
  }
}

const bytesOf = ({ frame, overlays }: DecodedFrame): number => overlays.reduce((sum, { bits }) => sum + bits.byteLength, frame.kind === 'grey' ? frame.pixels.byteLength : frame.rgba.byteLength);
