import { describe, expect, test, vi } from 'vitest';
import type { GreyFrame } from '../../src/contract/pixels.ts';
import { shownOf, type Shown } from '../state/selectors.ts';
import { instance, library, series, study } from '../testing/samples.ts';
import type { DecodedFrame } from '../workers/protocol.ts';
import type { Viewport, ViewportImage } from './port.ts';
import type { Presentation } from './presentation.ts';
import { Frames } from './frames.ts';
import { Viewer } from './viewer.ts';

const frameOf = (change: Partial<GreyFrame> = {}): GreyFrame => ({
  kind: 'grey', rows: 4, columns: 4, pixels: new Uint8Array(16), min: 0, max: 255, modality: { kind: 'linear', slope: 1, intercept: 0 },
  voi: [{ kind: 'window', center: 100, width: 200, function: 'LINEAR' }], voiFromFile: true, windows: [], inverted: false, units: '', ...change,
});

/** Draws at once; remembers what is on the screen. */
class Screen implements Viewport {
  onDrawn: Viewport['onDrawn'] = null;
  image: ViewportImage | null = null;
  presentation: Presentation | null = null;
  show(image: ViewportImage, presentation: Presentation): void {
    this.image = image;
    this.present(presentation);
  }
  present(presentation: Presentation): void {
    this.presentation = presentation;
    this.onDrawn?.({ key: this.image!.key, presentation, toPane: { a: 1, b: 0, c: 0, d: 1, e: 0, f: 0 }, drawMs: 1 });
  }
  clear(): void {
    this.image = this.presentation = null;
  }
  magnify(): void {}
  setOverlay(): void {}
  setInteracting(): void {}
  readonly pixelRatio = 2;
  fromCentre(): { x: number; y: number } {
    return { x: 0, y: 0 };
  }
  dispose(): void {}
}

function setUp(): { viewer: Viewer; frames: Frames; screen: Screen; decode: Map<string, { resolve: (d: DecodedFrame) => void; reject: (e: Error) => void; signal: AbortSignal | undefined }> } {
  const decode = new Map<string, { resolve: (d: DecodedFrame) => void; reject: (e: Error) => void; signal: AbortSignal | undefined }>();
  const frames = new Frames({ run: (job, _priority, signal) => new Promise((resolve, reject) => decode.set(`${job.instanceId}/${job.frame}${job.kind === 'preview' ? ' preview' : ''}`, { resolve, reject, signal })) });
  const viewer = new Viewer(frames);
  const screen = new Screen();
  viewer.attach(screen);
  return { viewer, frames, screen, decode };
}
const lib = library(study('1', [series('s', ['a', 'b', 'c'].map((id) => instance(id))), series('t', [instance('d')])]));
const at = (seriesUid: string, position: number): Shown => shownOf(lib, { seriesUid, position })!;
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe('fast scrolling', () => {
  test('a picture that comes late is never shown in place of the wanted one', async () => {
    const { viewer, screen, decode } = setUp();
    viewer.show(at('s', 0), []);
    viewer.show(at('s', 1), []);
    viewer.show(at('s', 2), []);
    decode.get('c/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
    await settle();
    expect([screen.image?.key, viewer.view.get().drawn?.instance.id]).toEqual(['c/0', 'c']);
    decode.get('a/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
    decode.get('b/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
    await settle();
    expect([screen.image?.key, viewer.view.get().drawn?.instance.id]).toEqual(['c/0', 'c']);
  });

  test('what is left behind is aborted, and its failure is not the reader’s', async () => {
    const { viewer, decode } = setUp();
    viewer.show(at('s', 0), []);
    viewer.show(at('s', 1), []);
    expect(decode.get('a/0')!.signal?.aborted).toBe(true);
    decode.get('a/0')!.reject(new Error('damaged'));
    await settle();
    expect(viewer.view.get().error).toBeNull();
  });

  test('the text keeps to the drawn picture, which is blanked when the next one takes long', async () => {
    vi.useFakeTimers();
    try {
      const { viewer, screen, decode } = setUp();
      viewer.show(at('s', 0), []);
      decode.get('a/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
      await vi.advanceTimersByTimeAsync(0);
      viewer.show(at('s', 1), []);
      expect(viewer.view.get().drawn?.instance.id).toBe('a');
      await vi.advanceTimersByTimeAsync(1000);
      expect([screen.image, viewer.view.get().drawn, viewer.view.get().status]).toEqual([null, null, 'loading']);
    } finally {
      vi.useRealTimers();
    }
  });

  test('what was decoded of a dropped file before the host knew it is shown at once', async () => {
    const { decode, frames, screen, viewer } = setUp();
    frames.loadDropped('a');
    decode.get('a/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
    await settle();
    decode.clear();
    viewer.show(at('s', 0), []);
    expect(screen.image?.key).toBe('a/0');
    expect(decode.size).toBe(0);
    // One that is no image says so when the host has looked at it.
    frames.loadDropped('no image');
    decode.get('no image/0')!.reject(new Error('not DICOM'));
    await settle();
  });

  test('decoded once, shown at once when come back to', async () => {
    const { viewer, screen, decode } = setUp();
    viewer.show(at('s', 0), [at('s', 1)]);
    decode.get('a/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
    decode.get('b/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
    await settle();
    decode.clear();
    viewer.show(at('s', 1), [at('s', 0)]);
    expect(screen.image?.key).toBe('b/0');
    expect(decode.size).toBe(0);
  });
});

describe('a picture that takes long', () => {
  const slow = library(study('1', [series('s', ['a', 'b'].map((id) => instance(id, { transferSyntaxUid: '1.2.840.10008.1.2.4.90', rows: 2048, columns: 2048 })))]));
  const slowAt = (position: number): Shown => shownOf(slow, { seriesUid: 's', position })!;
  const small = { overlays: [], frame: frameOf({ rows: 2, columns: 2 }), decodeMs: 1 };
  const whole = { overlays: [], frame: frameOf(), decodeMs: 1 };

  test('a smaller one is seen until it is there, and nothing is said of it', async () => {
    const { decode, screen, viewer } = setUp();
    viewer.show(slowAt(0), []);
    decode.get('a/0 preview')!.resolve(small);
    await settle();
    expect([screen.image?.frame.columns, viewer.view.get()]).toMatchObject([2, { status: 'loading', drawn: null, facts: null }]);
    expect(viewer.held('a/0')).toBeNull();
    decode.get('a/0')!.resolve(whole);
    await settle();
    expect([screen.image?.frame.columns, viewer.view.get()]).toMatchObject([4, { status: 'shown', drawn: { instance: { id: 'a' } }, facts: { columns: 4 } }]);
  });

  test('it comes for the wanted picture alone, never after the whole one, and not where the reader has zoomed', async () => {
    const { decode, screen, viewer } = setUp();
    viewer.show(slowAt(0), []);
    const late = decode.get('a/0 preview')!;
    viewer.show(slowAt(1), []);
    late.resolve(small);
    await settle();
    expect(screen.image).toBeNull();
    decode.get('b/0')!.resolve(whole);
    await settle();
    decode.get('b/0 preview')!.resolve(small);
    await settle();
    expect(screen.image?.frame.columns).toBe(4);
    viewer.zoom(2);
    viewer.show(slowAt(0), []);
    decode.get('a/0 preview')!.resolve(small);
    await settle();
    expect(screen.image?.key).toBe('b/0');
  });

  test('after one that took long the series is presented as before', async () => {
    vi.useFakeTimers();
    try {
      const { decode, screen, viewer } = setUp();
      viewer.show(slowAt(0), []);
      decode.get('a/0')!.resolve(whole);
      await vi.advanceTimersByTimeAsync(0);
      viewer.zoom(2);
      viewer.invert();
      viewer.show(slowAt(1), []);
      await vi.advanceTimersByTimeAsync(1000);
      expect(viewer.view.get().status).toBe('loading');
      decode.get('b/0')!.resolve(whole);
      await vi.advanceTimersByTimeAsync(0);
      expect(screen.presentation).toMatchObject({ zoom: 2, invert: true, fitted: false });
    } finally {
      vi.useRealTimers();
    }
  });

  test('one whose whole picture is damaged is taken away', async () => {
    const { decode, screen, viewer } = setUp();
    viewer.show(slowAt(0), []);
    decode.get('a/0 preview')!.resolve(small);
    await settle();
    decode.get('a/0')!.reject(new Error('cut short'));
    await settle();
    expect([screen.image, viewer.view.get().status]).toEqual([null, 'error']);
  });
});

describe('what the reader set', () => {
  async function shown(viewer: Viewer, decode: ReturnType<typeof setUp>['decode'], seriesUid: string, position: number, frame = frameOf()): Promise<void> {
    viewer.show(at(seriesUid, position), []);
    decode.get(`${at(seriesUid, position).instance.id}/0`)!.resolve({ overlays: [], frame, decodeMs: 1 });
    await settle();
  }

  test('an image comes with its own first window; the reader’s stays within the series and ends with it', async () => {
    const { viewer, screen, decode } = setUp();
    await shown(viewer, decode, 's', 0);
    expect(screen.presentation?.voi).toMatchObject({ center: 100, width: 200 });
    viewer.setVoi({ kind: 'window', center: 7, width: 9, function: 'LINEAR' });
    viewer.zoom(2);
    await shown(viewer, decode, 's', 1);
    expect(screen.presentation).toMatchObject({ voi: { center: 7, width: 9 }, zoom: 2, fitted: false });
    await shown(viewer, decode, 't', 0);
    expect(screen.presentation).toMatchObject({ voi: { center: 100, width: 200 }, fitted: true });
  });

  test('without a window of the reader’s each image keeps its own', async () => {
    const { viewer, screen, decode } = setUp();
    await shown(viewer, decode, 's', 0);
    await shown(viewer, decode, 's', 1, frameOf({ voi: [{ kind: 'window', center: 1, width: 2, function: 'LINEAR' }] }));
    expect(screen.presentation?.voi).toMatchObject({ center: 1, width: 2 });
  });

  test('reset gives the file’s window, fitted, not turned over', async () => {
    const { viewer, screen, decode } = setUp();
    await shown(viewer, decode, 's', 0);
    viewer.dragWindow(30, 30);
    viewer.invert();
    viewer.pan(4, 4);
    viewer.reset();
    expect(screen.presentation).toMatchObject({ voi: { center: 100, width: 200 }, invert: false, fitted: true, pan: { x: 0, y: 0 } });
  });

  test('going to another workspace and back changes nothing', async () => {
    const { viewer, decode } = setUp();
    await shown(viewer, decode, 's', 0);
    viewer.zoom(3);
    viewer.invert();
    viewer.attach(null);
    const again = new Screen();
    viewer.attach(again);
    expect(again.presentation).toMatchObject({ zoom: 3, invert: true, fitted: false });
  });

  test('a pane that comes back decodes its picture again, a stack that begins to play the next ones ahead; none while it is under way', async () => {
    const asked: string[] = [];
    const viewer = new Viewer(new Frames({ run: ({ instanceId }) => new Promise(() => asked.push(instanceId)) }));
    const show = (...ahead: number[]): void => viewer.show(at('s', 0), ahead.map((position) => at('s', position)));
    viewer.attach(new Screen());
    show(1);
    show(1);
    expect(asked).toEqual(['a', 'b']);
    show(1, 2);
    expect(asked).toEqual(['a', 'b', 'c']);
    viewer.attach(null);
    viewer.attach(new Screen());
    show(1, 2);
    expect(asked).toEqual(['a', 'b', 'c', 'a']);
  });

  test('ahead no more are decoded at a time than leave room for what the reader turns to, and one that fails is left out', async () => {
    const asked: string[] = [];
    const ends = new Map<string, (error: Error) => void>();
    const viewer = new Viewer(new Frames({ run: ({ instanceId }) => new Promise((_, reject) => { asked.push(instanceId); ends.set(instanceId, reject); }) }));
    const stack = library(study('1', [series('s', ['a', 'b', 'c', 'd', 'e'].map((id) => instance(id)))]));
    const place = (position: number): Shown => shownOf(stack, { seriesUid: 's', position })!;
    viewer.show(place(0), [1, 2, 3, 4].map(place));
    expect(asked).toEqual(['a', 'b', 'c']);
    ends.get('b')!(new Error('damaged'));
    await settle();
    expect(asked).toEqual(['a', 'b', 'c', 'd']);
  });

  test('a damaged file says so, and trying again asks for it again', async () => {
    const { viewer, screen, decode } = setUp();
    viewer.show(at('s', 0), []);
    decode.get('a/0')!.reject(new Error('cut short'));
    await settle();
    expect(viewer.view.get()).toMatchObject({ status: 'error', error: { message: 'cut short' }, drawn: null });
    decode.clear();
    viewer.retry();
    decode.get('a/0')!.resolve({ overlays: [], frame: frameOf(), decodeMs: 1 });
    await settle();
    expect([viewer.view.get().status, screen.image?.key]).toEqual(['shown', 'a/0']);
  });
});
