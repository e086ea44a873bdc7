/** What the command line asks for. Pure: argv in, a plan out. */
import { resolve } from 'node:path';

/** First words that mean the command line instead of a window; the packaged executable takes them too. */
const COMMANDS = new Set(['help', '--help', '-h', '--version', '-V']);

export interface Launch {
  /** Arguments for the command line (`infer …`), or null for a window. */
  cli: string[] | null;
  /** Files and folders to open, absolute. */
  paths: string[];
  /** Folder of model packages, absolute; undefined: FabricLens's own. */
  modelsDir: string | undefined;
  /** For every real board: a trial under a folder of it, the agent's port on its loopback, and what is installed there in place of the shipped bundle. */
  boards: { boardRoot?: string; agentPort?: number; bundle?: string };
}

export interface LaunchContext {
  /** True where Electron runs the application by its folder (`electron FOLDER …`): that folder is not ours to open. */
  defaultApp: boolean;
  /** Working folder, which relative paths belong to. */
  folder: string;
  /** The command line's subcommands (`infer`, …). */
  subcommands: readonly string[];
}

/** Reads a process.argv. */
export function parseLaunch(argv: readonly string[], { defaultApp, folder, subcommands }: LaunchContext): Launch {
  const rest = argv.slice(1);
  if (defaultApp) {
    const application = rest.findIndex((argument) => !argument.startsWith('-'));
    if (application >= 0) rest.splice(application, 1);
  }
  // Chromium's and Node's own switches (--no-sandbox, --inspect=0) may stand before the first word; after it all arguments are the command's.
  const first = rest.findIndex((argument) => !argument.startsWith('-') || COMMANDS.has(argument));
  const word = rest[first];
  if (word !== undefined && (COMMANDS.has(word) || subcommands.includes(word))) return { cli: rest.slice(first), paths: [], modelsDir: undefined, boards: {} };
  const modelsDir = takeValue(rest, '--models');
  const boardRoot = takeValue(rest, '--board-root');
  const agentPort = Number(takeValue(rest, '--board-agent-port'));
  const bundle = takeValue(rest, '--board-bundle');
  const boards = { ...(boardRoot?.startsWith('/') ? { boardRoot } : {}), ...(agentPort >= 1 && agentPort <= 65_535 ? { agentPort } : {}), ...(bundle ? { bundle: resolve(folder, bundle) } : {}) };
  return { cli: null, paths: rest.filter((argument) => argument !== '' && !argument.startsWith('-')).map((path) => resolve(folder, path)), modelsDir: modelsDir && resolve(folder, modelsDir), boards };
}

/** The value of `--name VALUE` or `--name=VALUE`, taken out of the arguments. */
function takeValue(argv: string[], name: string): string | undefined {
  const at = argv.findIndex((argument) => argument === name || argument.startsWith(`${name}=`));
  if (at < 0) return undefined;
  const [whole] = argv.splice(at, 1);
  return whole === name ? argv.splice(at, 1)[0] : whole!.slice(name.length + 1);
}
