/** Whose turn it is: comparisons run alone, so that their timings do not disturb one another; those that only boards compute run beside one another, one a board. */
interface Waiting {
  beside: boolean;
  go: () => void;
}

export class Turns {
  /** How many may run beside one another now. */
  readonly #lanes: () => number;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #alone = false;

  constructor(lanes: () => number) {
    this.#lanes = lanes;
  }

  /** Resolves when it is its turn, first come first served, with what ends it; rejects with the signal's reason as soon as that fires. */
  take(beside: boolean, signal: AbortSignal | undefined): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(waiting);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal!.reason as Error);
        this.#next();
      };
      const waiting: Waiting = {
        beside,
        go: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(() => this.#end());
        },
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.#next();
    });
  }

  #next(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      if (this.#alone || this.#running >= (first.beside ? Math.max(1, this.#lanes()) : 1)) return;
      this.#waiting.shift();
      this.#running++;
      this.#alone = !first.beside;
      first.go();
    }
  }

  #end(): void {
    this.#running--;
    this.#alone = false;
    this.#next();
  }
}
