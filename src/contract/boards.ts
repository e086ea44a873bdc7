/**
 * Boards: finding, trusting, examining and provisioning them. What the page, the host and the process that talks to boards say to one another.
 * Secrets go one way only, from the page to the host; nothing here brings one back.
 */
import { z } from 'zod';

/** Of a trusted board: random, written to it by an installation. */
export const BoardId = z.string().regex(/^[0-9a-f]{32}$/);
export type BoardId = z.infer<typeof BoardId>;

/** certain: trusted under this address before. likely: looks like a PYNQ image. possible: an SSH server, no more. None proves which board it is: its host key does. */
export const Found = z.object({
  /** host:port of its SSH server. */
  address: z.string(),
  sure: z.enum(['certain', 'likely', 'possible']),
  /** English, a clause each. */
  evidence: z.array(z.string()),
});
export type Found = z.infer<typeof Found>;

/** What a person typed to find or reach a board: host, host:port, [IPv6]:port, or (to find) a subnet as a.b.c.d/22 to /32. */
export const Where = z.string().trim().min(1).max(300);

/** `agent`: the SSH agent of this computer. `keyFile`: an id of `boards.pick`. `remember`: password or passphrase, in the OS keychain. */
export const Login = z.discriminatedUnion('method', [
  z.object({ method: z.literal('password'), password: z.string().max(1024), remember: z.boolean() }),
  z.object({ method: z.literal('key'), keyFile: z.string(), passphrase: z.string().max(1024).nullable(), remember: z.boolean() }),
  z.object({ method: z.literal('agent') }),
]);
export type Login = z.infer<typeof Login>;

const ShownKey = z.object({ algorithm: z.string(), /** As `ssh-keygen -l` prints it. */ fingerprint: z.string() });

/**
 * How a board answered. `unknown`: never seen; nothing was sent to it. `changed`: not the key that is pinned; nothing was sent, and only a person can say go on.
 * `login`: the key is right, and it lets nobody in with what was given (`tried`). `trusted`: logged in and pinned.
 */
export const Connected = z.discriminatedUnion('state', [
  ShownKey.extend({ state: z.literal('unknown') }),
  ShownKey.extend({ state: z.literal('changed'), pinned: z.array(ShownKey.extend({ name: z.string() })) }),
  ShownKey.extend({ state: z.literal('login'), tried: z.array(z.enum(['key', 'agent', 'password'])) }),
  ShownKey.extend({
    state: z.literal('trusted'),
    id: BoardId,
    name: z.string(),
    /** The password that let us in is the one of every PYNQ image. */
    publicPassword: z.boolean(),
    /** Name of another board that shows the same host key; null: none that we know. */
    twin: z.string().nullable(),
  }),
]);
export type Connected = z.infer<typeof Connected>;

export const Grade = z.enum(['green', 'amber', 'red']);
export type Grade = z.infer<typeof Grade>;
export const Finding = z.object({
  id: z.string(),
  grade: Grade,
  /** What was seen, with units. */
  what: z.string(),
  /** What mends it, or what it means; empty where all is well. */
  mend: z.string(),
});
export type Finding = z.infer<typeof Finding>;

export const DoctorReport = z.object({
  format: z.literal('fabriclens-doctor/1'),
  address: z.string(),
  findings: z.array(Finding),
  /** What this board can run. */
  runs: z.array(Finding),
  /** The python that the agent will use. */
  python: z.string(),
  home: z.string(),
  systemd: z.boolean(),
  /** Folder names of versions, and the id that an installation gave the board; empty where there is none. */
  installed: z.string(),
  previous: z.string(),
  boardId: z.string(),
  /** SHA-256 of the bit file of the overlay that the version uses; empty: the processor computes alone. */
  overlay: z.string(),
});
export type DoctorReport = z.infer<typeof DoctorReport>;

/** What may be made of a stock image, each by choice. */
export const SecureChoices = z.object({
  /** A key that the app makes and keeps in the OS keychain; null: none. `file`: a public key of the reader's own, an id of `boards.pick`. */
  key: z.union([z.literal('own'), z.object({ file: z.string() })]).nullable(),
  hostKeys: z.boolean(),
  /** New passwords, of the login and of root; null: left as they are. Never empty, no control characters. */
  password: z.string().min(8).max(200).nullable(),
  rootPassword: z.string().min(8).max(200).nullable(),
  /** Jupyter and Samba off, now and at boot. */
  services: z.boolean(),
});
export type SecureChoices = z.infer<typeof SecureChoices>;

export const PlanStep = z.object({
  id: z.string(),
  /** English. */
  title: z.string(),
  /** Root only where `why` says so. */
  as: z.enum(['login', 'root']),
  why: z.string(),
});
export type PlanStep = z.infer<typeof PlanStep>;

export const Plan = z.object({
  /** Folder name of the version to come, of the one that runs and of the one before; empty: none. */
  version: z.string(),
  installed: z.string(),
  previous: z.string(),
  steps: z.array(PlanStep),
  /** Red findings: while there is one nothing is installed. */
  obstacles: z.array(Finding),
});
export type Plan = z.infer<typeof Plan>;

/** How a step goes. `undone`: what it had done was taken back, because it failed. */
export const StepEvent = z.object({
  board: BoardId,
  step: z.string(),
  state: z.enum(['running', 'done', 'already', 'failed', 'undone']),
  /** 0…1 of a running step that knows. */
  fraction: z.number().min(0).max(1).nullable(),
  ms: z.number().nonnegative(),
  /** What it said, for people; empty: nothing. */
  message: z.string(),
});
export type StepEvent = z.infer<typeof StepEvent>;

/** Of a self-test: vectors through which way, and how many answered as the golden model does. */
export const SelfTest = z.object({ backend: z.string(), models: z.array(z.string()), vectors: z.number().int().nonnegative() });
export type SelfTest = z.infer<typeof SelfTest>;

export const Installed = z.object({ version: z.string(), selfTests: z.array(SelfTest) });
export type Installed = z.infer<typeof Installed>;

/** A way to an agent without SSH, said explicitly: plain TCP with a token, or TLS with the certificate's SHA-256 (hexadecimal). */
export const DirectBoard = z.object({
  name: z.string().trim().min(1).max(200),
  address: Where,
  token: z.string().regex(/^[\x21-\x7e]{1,256}$/).nullable(),
  certificateSha256: z.string().regex(/^[0-9a-f]{64}$/).nullable(),
});
export type DirectBoard = z.infer<typeof DirectBoard>;
