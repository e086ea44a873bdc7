/** Progress for people on stderr: one line that is written over on a terminal, a line each where progress is asked for elsewhere. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away before something else is printed. */
  clear(): void;
}

export function createProgress(stream: NodeJS.WriteStream, asked: boolean | undefined): Progress {
  if (asked === undefined ? !stream.isTTY : !asked) return { show() {}, clear() {} };
  if (!stream.isTTY) return { show: (text) => void stream.write(`${text}\n`), clear() {} };
  return {
    show: (text) => void stream.write(`\r\u001b[K${text.slice(0, (stream.columns || 80) - 1)}`),
    clear: () => void stream.write('\r\u001b[K'),
  };
}
