/** `fabriclens anonymise`: what was named, without whom it is of, into a folder. */
import { anonymiseInto, FolderError, Library } from '../../review/index.ts';
import type { Resources } from '../resources.ts';
import { UsageError, type AnonymiseCommand } from './options.ts';
import { createProgress } from './progress.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function anonymise(command: AnonymiseCommand, resources: Resources, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { paths, out, choices, json } = command;
  const progress = createProgress(terminal.stderr, command.progress);
  const tally = { written: 0, held: 0, failed: 0 };
  const say = (line: { type: 'written' | 'held' | 'problem'; file: string; [field: string]: string }, message: string | null): void => {
    progress.clear();
    if (json) terminal.stdout.write(`${JSON.stringify(line)}\n`);
    else if (message !== null) terminal.stderr.write(plain(`fabriclens: ${message}\n`));
  };
  const problem = (file: string, { code, message }: { code: string; message: string }): void => {
    tally.failed++;
    say({ type: 'problem', file, code, message }, message);
  };
  try {
    const library = new Library();
    const opened = await library.open(paths, { signal, onProgress: ({ done, total }) => progress.show(`reading files: ${done} of ${total}`) });
    // Two under one UID are told of where the second can't be written.
    for (const one of opened.problems) if (one.code !== 'same-uid') problem(one.path, one);
    const images = opened.files.map(({ id }) => ({ fileName: library.entry(id)!.instance.fileName, read: () => library.read(id) }));
    if (images.length + tally.failed === 0) throw new UsageError(`There is no image in ${paths.join(', ')}.`);
    if (images.length > 0) {
      await anonymiseInto(out, images, choices, `FabricLens ${resources.version}`, {
        signal,
        onProgress: ({ done, total }) => progress.show(`writing: ${done} of ${total}`),
        onImage: (index, outcome) => {
          const file = opened.files[index]!.path;
          if ('failed' in outcome) return problem(file, outcome.failed);
          tally['held' in outcome ? 'held' : 'written']++;
          if ('held' in outcome) say({ type: 'held', file, code: outcome.held.code, message: outcome.held.message }, outcome.held.message);
          else say({ type: 'written', file, name: outcome.written }, null);
        },
      });
    }
  } catch (error) {
    if (error instanceof FolderError) throw new UsageError(error.message);
    if (!signal.aborted) throw error;
  } finally {
    progress.clear();
  }
  if (json) terminal.stdout.write(`${JSON.stringify({ type: 'summary', ...tally, interrupted: signal.aborted })}\n`);
  else terminal.stdout.write(plain(`${tally.written} written to ${out}, ${tally.held} held back, ${tally.failed} not written for another reason${signal.aborted ? '; interrupted' : ''}.\n`));
  if (signal.aborted) return EXIT.interrupted;
  return tally.held + tally.failed > 0 ? EXIT.someFailed : EXIT.ok;
}
