/** The command line: `npx fabriclens …`, and the packaged executable with the same words. Importing it does nothing. */
import { BoardError } from '../../board/index.ts';
import { EngineError } from '../../engines/index.ts';
import { resolveResources, rootOf, type Resources } from '../resources.ts';
import { anonymise } from './anonymise.ts';
import { board } from './board.ts';
import { compile } from './compile.ts';
import { compileModel } from './compile-model.ts';
import { deploy } from './deploy.ts';
import { exportHls } from './export-hls.ts';
import { exportOrt } from './export-ort.ts';
import { infer } from './infer.ts';
import { models } from './models.ts';
import { HELP, parseCommand, UsageError } from './options.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export { SUBCOMMANDS } from './options.ts';

/**
 * @param argv words after the program's name.
 * @param resources of the packaged application; by default those of the checkout that this file lies in.
 * @returns the exit code (HELP lists them).
 */
export async function main(argv: readonly string[], resources: Resources = resolveResources(rootOf(import.meta.url))): Promise<number> {
  const terminal: Terminal = { stdout: process.stdout, stderr: process.stderr };
  const abort = new AbortController();
  const stop = (): void => {
    if (abort.signal.aborted) process.exit(EXIT.interrupted);
    terminal.stderr.write('\nfabriclens: stopping; once more ends it at once\n');
    abort.abort();
  };
  // A reader that went away (`| head`) ends the work, not with a stack trace.
  const closed = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    abort.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', closed);
  try {
    return await run(argv, resources, terminal, abort.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    for (const stream of [process.stdout, process.stderr]) stream.off('error', closed);
  }
}

async function run(argv: readonly string[], resources: Resources, terminal: Terminal, signal: AbortSignal): Promise<number> {
  try {
    const command = parseCommand(argv);
    switch (command.command) {
      case 'help':
        terminal.stdout.write(HELP);
        return EXIT.ok;
      case 'version':
        terminal.stdout.write(`fabriclens ${resources.version}\n`);
        return EXIT.ok;
      case 'infer':
        return await infer(command, resources, terminal, signal);
      case 'anonymise':
        return await anonymise(command, resources, terminal, signal);
      case 'models':
        return await models(command, resources, terminal);
      case 'compile':
        return await compileModel(command, resources, terminal, signal);
      case 'compile-program':
        return await compile(command, terminal);
      case 'board':
        return await board(command, resources, terminal, signal);
      case 'deploy':
        return await deploy(command, terminal, signal);
      case 'export-hls':
        return await exportHls(command, resources, terminal);
      case 'export-ort':
        return await exportOrt(command, terminal);
    }
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.stderr.write(plain(`fabriclens: ${error.message}\nTry "npx fabriclens --help".\n`));
      return signal.aborted ? EXIT.interrupted : EXIT.usage;
    }
    // A file that the system refuses to read or write (a full disk, a folder without rights) names itself; the rest is a defect of ours.
    if (error instanceof EngineError || error instanceof BoardError || (error instanceof Error && 'syscall' in error)) {
      terminal.stderr.write(plain(`fabriclens: ${error.message}\n`));
      return signal.aborted ? EXIT.interrupted : EXIT.someFailed;
    }
    throw error;
  }
}
