/** The fenced blocks of a page, for tests that run it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Block = { readonly language: string; readonly text: string; /** Of a block whose first line is a comment with a file's name. */ readonly file: string | null };

/** @throws Error where a fence is not closed */
export function blocksOf(markdown: string): Block[] {
  const fences = markdown.match(/^```/gm)?.length ?? 0;
  if (fences % 2 !== 0) throw new Error('a fenced block is not closed');
  return [...markdown.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({ language, text, file: /^# (\S+\.\w+)\n/.exec(text)?.[1] ?? null }));
}

/** Commands of the shell blocks, a line each, in order. */
export const commandsOf = (blocks: readonly Block[]): string[] => blocks.filter(({ language }) => language === 'sh').flatMap(({ text }) => text.trimEnd().split('\n'));

export function writeBlock(root: string, { file, text }: Block): void {
  if (file === null) return;
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}
