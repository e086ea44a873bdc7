/** Bounds that are checked before anything is allocated or walked: the bytes are hostile until proven otherwise. */
export interface Budgets {
  /** Largest data set after inflating (bytes); a deflated file of 0.5 MB can hold 500 MB of zeros. */
  inflatedBytes: number;
  /** Largest decoded frame (bytes): rows × columns × samples × bytes a sample. */
  frameBytes: number;
  /** Largest sum of what decoding one frame allocates (bytes): the decoder's samples, the stored values, the colours. */
  decodeBytes: number;
  /** Data elements and items of one file, sequences included. */
  elements: number;
  /** Nesting of sequences. */
  depth: number;
}

export const DEFAULT_BUDGETS: Readonly<Budgets> = {
  inflatedBytes: 256 * 2 ** 20,
  frameBytes: 512 * 2 ** 20,
  decodeBytes: 640 * 2 ** 20,
  elements: 2_000_000,
  depth: 32,
};

export const withDefaults = (budgets?: Partial<Budgets>): Budgets => ({ ...DEFAULT_BUDGETS, ...budgets });
