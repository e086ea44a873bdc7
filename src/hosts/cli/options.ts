/** The command line's words, and what they mean. */
import { parseArgs } from 'node:util';
import { parseBoardAddress } from '../../board/index.ts';
import { METHODS, type Method } from '../../compiler/quantise/index.ts';
import type { AnonymiseChoices } from '../../contract/anonymise.ts';
import { EngineId, ENGINE_IDS } from '../../contract/engine.ts';

/** Where an agent listens, and with TLS the certificate (SHA-256, hexadecimal) that it is known by. */
export interface AgentAddress {
  host: string;
  port: number;
  certificateSha256?: string | undefined;
}

export interface InferCommand {
  command: 'infer';
  paths: string[];
  /** Undefined: all that the model can run on. */
  engines: EngineId[] | undefined;
  /** HOST:PORT of an agent, or the name, id or address of a trusted board; none: the virtual board. */
  boards: string[];
  /** Of agents by address. */
  boardTokenFile: string | undefined;
  boardCertificate: string | undefined;
  /** Of trusted boards: private key (without it the SSH agent, then a password), and the agent's port on their loopback (undefined: 8600). */
  identity: string | undefined;
  passwordStdin: boolean;
  agentPort: number | undefined;
  model: string | undefined;
  modelsDir: string | undefined;
  repeat: number;
  /** From 0. */
  frame: number | 'all';
  json: boolean;
  /** Undefined: only on a terminal. */
  progress: boolean | undefined;
}
export interface AnonymiseCommand {
  command: 'anonymise';
  paths: string[];
  /** Folder, new or empty. */
  out: string;
  choices: AnonymiseChoices;
  json: boolean;
  /** Undefined: only on a terminal. */
  progress: boolean | undefined;
}
export interface ModelsCommand {
  command: 'models';
  modelsDir: string | undefined;
  json: boolean;
}
export interface CompileCommand {
  command: 'compile-program';
  packageDir: string;
}
export interface CompileModelCommand {
  command: 'compile';
  /** ONNX file. */
  model: string;
  calibrate: string;
  out: string;
  metadata: string | undefined;
  /** Undefined: the best of all. */
  method: Method | undefined;
  /** Names of nodes that stay in fp32. */
  float: string[] | undefined;
  samples: number | undefined;
  /** Layers by name. */
  pin: Record<string, 'PL' | 'PS'> | undefined;
  psOnly: boolean;
  clockMHz: number | undefined;
  json: boolean;
  progress: boolean | undefined;
}
export interface ExportHlsCommand {
  command: 'export-hls';
  packageDir: string;
  /** Undefined: the model's name with -hls behind it, here. */
  out: string | undefined;
}
export interface ExportOrtCommand {
  command: 'export-ort';
  packageDir: string;
  /** Undefined: the model's name with -ort.onnx behind it, here. */
  out: string | undefined;
}
export interface DeployCommand {
  command: 'deploy';
  packageDir: string;
  board: AgentAddress;
  boardTokenFile: string | undefined;
  json: boolean;
  progress: boolean | undefined;
}
export const BOARD_ACTIONS = ['find', 'trust', 'secure', 'doctor', 'install', 'update', 'rollback', 'uninstall', 'status', 'logs'] as const;
export interface BoardCommand {
  command: 'board';
  action: (typeof BOARD_ACTIONS)[number];
  /** Of find: host, host:port, subnet or undefined; else a host. */
  host: string | undefined;
  /** Of its SSH server. */
  port: number;
  user: string;
  /** File of a private key; without it the SSH agent, then a password. */
  identity: string | undefined;
  passwordStdin: boolean;
  /** Of the host key that somebody compared: trusts it without asking. */
  fingerprint: string | undefined;
  name: string | undefined;
  /** Of secure: file of a public key to let in; new host keys; new passwords, asked for; Jupyter and Samba off. */
  addKey: string | undefined;
  newHostKeys: boolean;
  newPasswords: boolean;
  servicesOff: boolean;
  bundle: string | undefined;
  /** Folder of an overlay to import. */
  overlay: string | undefined;
  /** A trial under this folder of the board, run as the login and without systemd; undefined: the real thing. */
  root: string | undefined;
  /** Of the agent on the board's loopback; undefined: 8600. */
  agentPort: number | undefined;
  /** Show what would be done, and do nothing. */
  plan: boolean;
  /** Support file of the doctor. */
  out: string | undefined;
  json: boolean;
}
export type Command = AnonymiseCommand | BoardCommand | InferCommand | ModelsCommand | CompileCommand | CompileModelCommand | DeployCommand | ExportHlsCommand | ExportOrtCommand | { command: 'help' } | { command: 'version' };

/** The command line does not make sense; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Subcommands, for hosts that must tell them from files to open. */
export const SUBCOMMANDS: readonly string[] = ['infer', 'anonymise', 'models', 'compile', 'compile-program', 'deploy', 'export-hls', 'export-ort', 'board'];

const MAX_REPEATS = 200;
const MAX_SAMPLES = 10_000;

/** @param argv words after the program's name. Throws UsageError. */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals } = parse(argv);
  if (values.help) return { command: 'help' };
  if (values.version) return { command: 'version' };
  const [command, ...rest] = positionals;
  switch (command) {
    case undefined:
      throw new UsageError('Say what to do: infer, anonymise, models, compile, compile-program, deploy, export-hls, export-ort or board.');
    case 'infer':
      if (rest.length === 0) throw new UsageError('infer needs at least one file, folder, DICOMDIR or ZIP.');
      if (values['board-certificate'] !== undefined && values.board === undefined) throw new UsageError('--board-certificate belongs to --board HOST:PORT; the virtual board is on this computer.');
      if (values['board-token-file'] !== undefined && values.board === undefined) throw new UsageError('--board-token-file belongs to --board HOST:PORT; the virtual board has a token of its own.');
      return {
        command, paths: rest, engines: engines(values.engine), boards: values.board ?? [], boardTokenFile: values['board-token-file'], boardCertificate: certificate(values['board-certificate']),
        identity: values.identity, passwordStdin: values['password-stdin'] ?? false, agentPort: port(values['agent-port']), model: values.model, modelsDir: values.models,
        repeat: count('--repeat', values.repeat ?? '1', MAX_REPEATS),
        frame: values.frame === 'all' ? 'all' : count('--frame', values.frame ?? '1', Number.MAX_SAFE_INTEGER) - 1,
        json: values.json ?? false, progress: values.progress,
      };
    case 'anonymise':
      if (rest.length === 0) throw new UsageError('anonymise needs at least one file, folder, DICOMDIR or ZIP.');
      if (values.out === undefined) throw new UsageError('anonymise needs a new or empty folder for the files: --out FOLDER.');
      return {
        command, paths: rest, out: values.out, json: values.json ?? false, progress: values.progress,
        choices: { keepDates: values['keep-dates'] ?? false, keepPatient: values['keep-patient-characteristics'] ?? false, includeHeld: values['include-held'] ?? false },
      };
    case 'models':
      if (rest.length > 0) throw new UsageError('models takes no paths; name another folder with --models DIR.');
      return { command, modelsDir: values.models, json: values.json ?? false };
    case 'compile': {
      const { calibrate, out } = values;
      if (rest.length !== 1) throw new UsageError('compile needs one ONNX file.');
      if (calibrate === undefined) throw new UsageError('compile needs calibration images: --calibrate DIR (DICOM, .npy, PNG or JPEG files, as the model will see).');
      if (out === undefined) throw new UsageError('compile needs a folder to make: --out PKG.');
      return {
        command, model: rest[0]!, calibrate, out, metadata: values.metadata, method: method(values.method), float: values.float?.flatMap((word) => word.split(',')),
        samples: values.samples === undefined ? undefined : count('--samples', values.samples, MAX_SAMPLES),
        pin: pins(values.pin), psOnly: values['ps-only'] ?? false, clockMHz: values.clock === undefined ? undefined : megahertz(values.clock), json: values.json ?? false, progress: values.progress,
      };
    }
    case 'compile-program':
      if (rest.length !== 1) throw new UsageError('compile-program needs one model package folder.');
      return { command, packageDir: rest[0]! };
    case 'deploy': {
      const address = agent(values);
      if (rest.length !== 1) throw new UsageError('deploy needs one model package folder.');
      if (address === undefined) throw new UsageError('deploy needs a board: --board HOST:PORT. The virtual board serves the packages of its folder as they are.');
      return { command, packageDir: rest[0]!, board: address, boardTokenFile: values['board-token-file'], json: values.json ?? false, progress: values.progress };
    }
    case 'export-hls':
    case 'export-ort':
      if (rest.length !== 1) throw new UsageError(`${command} needs one model package folder.`);
      return { command, packageDir: rest[0]!, out: values.out };
    case 'board':
      return boardCommand(rest, values);
    default:
      throw new UsageError(`There is no command "${command}". There are infer, anonymise, models, compile, compile-program, deploy, export-hls, export-ort and board.`);
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        engine: { type: 'string', multiple: true },
        board: { type: 'string', multiple: true },
        'board-token-file': { type: 'string' },
        'board-certificate': { type: 'string' },
        model: { type: 'string' },
        models: { type: 'string' },
        repeat: { type: 'string' },
        frame: { type: 'string' },
        'keep-dates': { type: 'boolean' },
        'keep-patient-characteristics': { type: 'boolean' },
        'include-held': { type: 'boolean' },
        calibrate: { type: 'string' },
        out: { type: 'string' },
        metadata: { type: 'string' },
        method: { type: 'string' },
        float: { type: 'string', multiple: true },
        samples: { type: 'string' },
        pin: { type: 'string', multiple: true },
        'ps-only': { type: 'boolean' },
        clock: { type: 'string' },
        user: { type: 'string' },
        identity: { type: 'string' },
        'password-stdin': { type: 'boolean' },
        fingerprint: { type: 'string' },
        name: { type: 'string' },
        'add-key': { type: 'string' },
        'new-host-keys': { type: 'boolean' },
        'new-passwords': { type: 'boolean' },
        'services-off': { type: 'boolean' },
        bundle: { type: 'string' },
        overlay: { type: 'string' },
        root: { type: 'string' },
        'agent-port': { type: 'string' },
        plan: { type: 'boolean' },
        json: { type: 'boolean' },
        progress: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'V' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

type Values = ReturnType<typeof parse>['values'];

/** HOST is [user@]host[:port]. */
function boardCommand([word, host, ...more]: string[], values: Values): BoardCommand {
  const action = BOARD_ACTIONS.find((name) => name === word);
  if (action === undefined) throw new UsageError(`board needs one of ${BOARD_ACTIONS.join(', ')}${word === undefined ? '' : `, not "${word}"`}.`);
  if (more.length > 0 || (host === undefined && action !== 'find')) throw new UsageError(`board ${action} takes one HOST, as in: npx fabriclens board ${action} xilinx@192.168.2.99`);
  const options = {
    command: 'board', action, identity: values.identity, passwordStdin: values['password-stdin'] ?? false, fingerprint: values.fingerprint, name: values.name,
    addKey: values['add-key'], newHostKeys: values['new-host-keys'] ?? false, newPasswords: values['new-passwords'] ?? false, servicesOff: values['services-off'] ?? false, bundle: values.bundle, overlay: values.overlay, root: values.root,
    agentPort: port(values['agent-port']), plan: values.plan ?? false, out: values.out, json: values.json ?? false,
  } as const;
  if (action === 'secure' && options.addKey === undefined && !options.newHostKeys && !options.newPasswords && !options.servicesOff) throw new UsageError('board secure needs at least one of --add-key FILE.pub, --new-host-keys, --new-passwords, --services-off.');
  if (action === 'find') return { ...options, host, port: 22, user: '' };
  const [, user, rest] = /^(?:([^@\s]{1,64})@)?(.+)$/.exec(host!) ?? [];
  if (user !== undefined && values.user !== undefined) throw new UsageError('Name the user once: in HOST or with --user.');
  const address = /^\[.*\]$|^[^:]*$/.test(rest!) ? `${rest}:22` : rest!;
  return { ...options, ...board(address)!, user: user ?? values.user ?? 'xilinx' };
}

function engines(words: string[] | undefined): EngineId[] | undefined {
  if (words === undefined) return undefined;
  const names = words.flatMap((word) => word.split(',')).map((name) => name.trim()).filter((name) => name !== '');
  if (names.length === 0) throw new UsageError(`--engine needs one or more of ${ENGINE_IDS.join(', ')}.`);
  return [...new Set(names)].map((name) => {
    const parsed = EngineId.safeParse(name);
    if (!parsed.success) throw new UsageError(`There is no engine "${name}". There are ${ENGINE_IDS.join(', ')}.`);
    return parsed.data;
  });
}

function method(word: string | undefined): Method | undefined {
  const known = METHODS.find((name) => name === word);
  if (word !== undefined && known === undefined) throw new UsageError(`There is no method "${word}". There are ${METHODS.join(', ')}.`);
  return known;
}

/** NODE=PS or NODE=PL, with commas; a node's name may hold = and / but no comma. */
function pins(words: string[] | undefined): Record<string, 'PL' | 'PS'> | undefined {
  if (words === undefined) return undefined;
  return Object.fromEntries(words.flatMap((word) => word.split(',')).map((word) => {
    const at = word.lastIndexOf('=');
    const target = word.slice(at + 1).toUpperCase();
    if (at < 1 || (target !== 'PL' && target !== 'PS')) throw new UsageError(`--pin takes NODE=PL or NODE=PS, not "${word}".`);
    return [word.slice(0, at), target];
  }));
}

/** What check.tcl of hls/vivado lets an overlay have. */
function megahertz(word: string): number {
  const number = Number(word);
  if (!(number >= 20 && number <= 250)) throw new UsageError(`--clock takes 20 to 250 (MHz), not "${word}".`);
  return number;
}

function board(address: string | undefined): { host: string; port: number } | undefined {
  try {
    return address === undefined ? undefined : parseBoardAddress(address);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function agent({ board: addresses = [], 'board-certificate': hash }: Values): AgentAddress | undefined {
  if (addresses.length > 1) throw new UsageError('Name one board; run the command again for the next.');
  const at = board(addresses[0]);
  const certificateSha256 = certificate(hash);
  return at === undefined || certificateSha256 === undefined ? at : { ...at, certificateSha256 };
}

function certificate(hash: string | undefined): string | undefined {
  if (hash === undefined || /^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i.test(hash)) return hash;
  throw new UsageError('--board-certificate takes the SHA-256 of the agent\'s certificate, 64 hexadecimal digits, as "openssl x509 -fingerprint -sha256 -noout -in CERT" prints it.');
}

const port = (word: string | undefined): number | undefined => (word === undefined ? undefined : count('--agent-port', word, 65535));

function count(name: string, word: string, most: number): number {
  const number = /^\d+$/.test(word) ? Number(word) : NaN;
  if (!(number >= 1 && number <= most)) throw new UsageError(`${name} takes ${name === '--frame' ? 'a frame number from 1, or "all"' : `a number from 1 to ${most}`}, not "${word}".`);
  return number;
}

export const HELP = `fabriclens: run an image classifier on DICOM files, on this computer and a PYNQ-Z2 board; compare.
Not for diagnostic use.

  npx fabriclens infer PATH… [options]       files, folders, DICOMDIRs and ZIPs; one result an image
  npx fabriclens anonymise PATH… --out FOLDER [options]
                                             the images without whom they are of, as DICOM files
  npx fabriclens models [--models DIR]       the model packages there are
  npx fabriclens compile MODEL.onnx --calibrate DIR --out PKG [options]
                                             an ONNX model, fp32 or quantised, to a model package
  npx fabriclens compile-program PKG_DIR     model.int8.onnx to program.bin, for the board
  npx fabriclens deploy PKG_DIR --board HOST:PORT [options]
                                             a model package to a board, which then serves it
  npx fabriclens export-hls PKG_DIR [--out DIR]
                                             the network as a C++ project for Vitis HLS
  npx fabriclens export-ort PKG_DIR [--out FILE]
                                             the network as ONNX with our operator, for ONNX Runtime

  npx fabriclens board find [HOST|SUBNET]    boards that answer, and how sure that is
  npx fabriclens board ACTION [USER@]HOST[:PORT]
                                             a PYNQ-Z2: trust, secure, doctor, install, update,
                                             rollback, uninstall, status, logs (docs/board.md)

Options of infer
  --engine LIST     cpu-fp32, cpu-int8, board; with commas, reference first (all the model has)
  --board BOARD     a trusted board by its name, through SSH, or an agent's HOST:PORT; several times
                    for several boards (without it: a virtual board here; wants python3)
  --identity, --password-stdin, --agent-port
                    of trusted boards, as below
  --board-token-file FILE
                    holds the token of agents by address, mode 0600 (without it:
                    FABRICLENS_BOARD_TOKEN)
  --board-certificate SHA256
                    the agent speaks TLS and has the certificate of this fingerprint
  --model NAME      which model package (the first by name: pneumonia of those shipped)
  --models DIR      where the model packages are (those shipped)
  --repeat N        inferences a run, for p50 and p95; 1 to 200 (1)
  --frame N|all     of a multi-frame image, from 1 (1)
  --json            JSON Lines on stdout: docs/cli.md describes them
  --progress        progress on stderr even when that is no terminal

Options of anonymise (DICOM PS3.15, Basic Profile: docs/cli.md)
  --out FOLDER      where to; new or empty, nothing is written over
  --keep-dates      dates and times stay (Full Dates Option)
  --keep-patient-characteristics
                    sex, age, size, weight stay
  --include-held    also images whose pixels may show who they are of; look at them first
  --json            JSON Lines on stdout
  --progress        as above

Options of compile
  --calibrate DIR   images as the model will see them: DICOM, .npy, PNG, JPEG; 100 are plenty
  --out PKG         folder to make; its name becomes the model's
  --metadata FILE   metadata.json (MONAI's, with "fabriclens" as far as it is known)
  --method NAME     minmax, percentile or entropy (the best of all three)
  --float NAMES     nodes that stay in fp32, with commas
  --samples N       calibration samples at most, 1 to 10000 (128)
  --pin NODE=PL|PS  where a layer shall run, with commas (on the PL what the core can)
  --ps-only         everything on the processor: no overlay is needed
  --clock MHZ       of the core, for the report's cycles and times (100)
  --json            one JSON object on stdout: docs/cli.md describes it
  --progress        as above

Options of deploy
  --board, --board-token-file, --board-certificate, --json, --progress
                    as above

Options of board
  --user NAME       who logs in there (xilinx)
  --identity FILE   private key (without it: the SSH agent, then a password, asked for)
  --password-stdin  the password is the first line of stdin; it is never an argument
  --fingerprint F   trust: of the host key that you have compared, SHA256:…
  --name NAME       trust: what to call the board
  --add-key FILE    secure: a public key to let in
  --new-host-keys   secure: host keys that no other card has, pinned in place of the old
  --new-passwords   secure: of the login and of root, asked for; with --password-stdin the
                    second and third line of stdin
  --services-off    secure: Jupyter and Samba, whose password everybody knows
  --bundle FILE     install: what npm run build:board made
  --overlay DIR     install: what hls/vivado/build.tcl left, for the PL (without it: the one
                    that is there, or the processor alone)
  --root DIR        a trial under this folder of the board, as the login and unsupervised
  --agent-port N    of the agent, on the board's loopback (8600)
  --plan            install: show the steps and do nothing
  --out FILE        doctor: also write a support file, which holds no secret
  --json            JSON Lines on stdout

  --help  --version

Exit codes
  0  every image was read and every engine answered; the package is written, or served
  1  some file could not be read or some engine failed; all other results are printed;
     or some image was held back; all others are written;
     or the model could not be compiled: nothing is written;
     or the board does not take it: it serves what it served
  2  the command line makes no sense, or nothing to do (no image, no usable model)
  130  interrupted; what was done by then is printed

Example
  npx fabriclens infer study/ --engine cpu-fp32,board --repeat 20
`;
