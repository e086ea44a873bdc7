/** What we use of pngjs, which brings no types. */
declare module 'pngjs' {
  export class PNG {
    constructor(options: { width: number; height: number });
    width: number;
    height: number;
    /** RGBA. */
    data: Buffer;
    static readonly sync: {
      read(png: Buffer): PNG;
      write(png: PNG, options?: { colorType?: 2 | 6; deflateLevel?: number; filterType?: number }): Buffer;
    };
  }
}
