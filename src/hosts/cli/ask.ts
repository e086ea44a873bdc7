/** Questions on a terminal. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

/** Nobody sees what is typed, where `hidden`. Undefined where there is no terminal, or no answer. */
export function ask(question: string, hidden: boolean, stderr: NodeJS.WriteStream): Promise<string | undefined> {
  if (!process.stdin.isTTY) return Promise.resolve(undefined);
  stderr.write(question);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const line = createInterface({ input: process.stdin, output: hidden ? silent : stderr, terminal: true });
  return new Promise((resolve) => {
    // The terminal is in raw mode: Ctrl-C is a character to it. It ends the command as it does elsewhere, not the question alone.
    line.once('SIGINT', () => {
      process.emit('SIGINT');
      line.close();
    });
    line.once('close', () => resolve(undefined));
    line.once('line', (text) => {
      resolve(text);
      line.close();
      if (hidden) stderr.write('\n');
    });
  });
}

/** The first `count` lines of stdin, or as many as there are, for `--password-stdin`. */
export async function linesOfStdin(count: number): Promise<string[]> {
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.split('\n').length > count || text.length > 4096) break;
  }
  return text.split('\n', count).map((line) => line.replace(/\r$/, ''));
}
