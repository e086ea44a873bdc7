/** What the window remembers of boards beside their pins (known-boards.ts) and secrets: one small JSON file in the user's data folder, replaced whole. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { replaceFile } from './small-file.ts';

const Direct = z.object({ id: z.uuid(), name: z.string(), address: z.string(), certificateSha256: z.string().nullable() });

const BoardState = z.object({
  format: z.literal('fabriclens-window-boards/1'),
  /** Ids of boards that no request goes to. */
  unused: z.array(z.string()),
  /** Reached without SSH; their tokens are secrets. */
  direct: z.array(Direct),
  /** By id of a trusted board: versions that were seen last. */
  seen: z.record(z.string(), z.object({ installed: z.string(), previous: z.string() })),
});
export type BoardState = z.infer<typeof BoardState>;

export interface BoardStateFile {
  get(): BoardState;
  set(change: Partial<Omit<BoardState, 'format'>>): void;
}

const NOTHING: BoardState = { format: 'fabriclens-window-boards/1', unused: [], direct: [], seen: {} };

export function openBoardState(file: string, warn: (message: string) => void): BoardStateFile {
  let current = read(file, warn);
  return {
    get: () => current,
    set(change) {
      current = { ...current, ...change };
      try {
        replaceFile(file, `${JSON.stringify(current, null, 2)}\n`);
      } catch (error) {
        warn(`What was chosen of boards is kept for this run only: ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`);
      }
    },
  };
}

function read(file: string, warn: (message: string) => void): BoardState {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return NOTHING;
  }
  try {
    return BoardState.parse(JSON.parse(text));
  } catch {
    warn(`${file} is damaged; boards without SSH have to be added again.`);
    return NOTHING;
  }
}
