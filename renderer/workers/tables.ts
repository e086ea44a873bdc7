/**
 * Grey tables from a worker of their own, so that a window drag never waits behind a decoding. Of each asker (a pane)
 * only the newest wish is kept while one is in the making.
 */
import type { GreyFrame, Voi } from '../../src/contract/pixels.ts';
import type { WorkerPort } from './pool.ts';
import type { GreyHeader, PixelType, TableResult } from './protocol.ts';

interface Wish {
  header: GreyHeader;
  voi: Voi;
  invert: boolean;
  done: (table: TableResult) => void;
  failed: (message: string) => void;
}

export class TableMaker {
  private readonly create: () => WorkerPort;
  /** Null after it died; the next wish makes a new one. */
  private port: WorkerPort | null;
  private running: Wish | null = null;
  /** By asker, who waited longest first. */
  private readonly waiting = new Map<object, Wish>();
  private nextId = 1;

  constructor(create: () => WorkerPort) {
    this.create = create;
    this.port = this.start();
  }

  private start(): WorkerPort {
    const port = this.create();
    port.onmessage = ({ data }) => {
      const wish = this.running;
      this.running = null;
      // The table goes to its asker even if a newer one waits: every step of a drag is seen.
      if (wish) {
        if (data.ok) wish.done(data.value as TableResult);
        else wish.failed(data.message);
      }
      this.pump();
    };
    port.onerror = (event) => {
      port.terminate();
      this.port = null;
      const wish = this.running;
      this.running = null;
      wish?.failed(event.message);
      this.pump();
    };
    return port;
  }

  /** Replaces a wish of the same asker that has not begun. */
  make(asker: object, frame: GreyFrame, voi: Voi, invert: boolean, done: Wish['done'], failed: Wish['failed']): void {
    const { pixels, ...header } = frame;
    this.waiting.set(asker, { header: { ...header, pixelType: pixels.constructor.name as PixelType }, voi, invert, done, failed });
    this.pump();
  }

  private pump(): void {
    const next = this.waiting.entries().next();
    if (this.running || next.done) return;
    const [asker, wish] = next.value;
    this.waiting.delete(asker);
    this.running = wish;
    const { header, voi, invert } = wish;
    this.port ??= this.start();
    this.port.postMessage({ id: this.nextId++, kind: 'table', header, voi, invert });
  }
}
