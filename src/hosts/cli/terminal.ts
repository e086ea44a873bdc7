/** Where the command line writes. */
export interface Terminal {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WriteStream;
}

export const EXIT = { ok: 0, someFailed: 1, usage: 2, interrupted: 130 } as const;
