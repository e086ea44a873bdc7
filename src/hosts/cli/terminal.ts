/** Where the command line writes. */
export interface Terminal {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WriteStream;
}

/**
 * Without control characters: what a file, a file's name or a board says must not move the cursor or set the window's title.
 * Line feed and tabulator stay.
 */
export const plain = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd');

export const EXIT = { ok: 0, someFailed: 1, usage: 2, interrupted: 130 } as const;
