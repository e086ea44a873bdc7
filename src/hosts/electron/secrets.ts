/**
 * Secrets of boards: passwords, passphrases, and login keys that the app made. Where the operating system keeps a key for us (Electron's safeStorage) they may be
 * written to a file, encrypted; else they live until the app ends. They are handed to the processes that log in, when they do, and to nobody else.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { replaceFile } from './small-file.ts';

/** Of Electron's safeStorage, what is needed here. */
export interface Vault {
  isEncryptionAvailable(): boolean;
  getSelectedStorageBackend(): string;
  encryptString(text: string): Buffer;
  decryptString(encrypted: Buffer): string;
}

const BoardSecrets = z.object({
  /** Of the login, for SSH and for sudo. */
  password: z.string().optional(),
  /** A private key that the app made for this board, in OpenSSH's format. */
  ownKey: z.string().optional(),
  /** Such a key that the board may not have yet, or not any more. */
  pendingKey: z.string().optional(),
  /** Path of a private key that the reader named, and its passphrase. */
  keyFile: z.string().optional(),
  passphrase: z.string().optional(),
  /** Of an agent that is reached without SSH. */
  token: z.string().optional(),
});
export type BoardSecrets = z.infer<typeof BoardSecrets>;

/** By board: base64 of what safeStorage made of its secrets. */
const File = z.object({ format: z.literal('fabriclens-secrets/1'), boards: z.record(z.string(), z.base64()) });

export interface SecretStore {
  /** Whether the OS keychain keeps secrets here. */
  readonly available: boolean;
  of(board: string): BoardSecrets;
  /** Adds to what there is. `remember`: beyond this run, where that is possible. */
  keep(board: string, secrets: BoardSecrets, remember: boolean): void;
  forget(board: string): void;
}

/** Linux without a keyring "encrypts" with a password that everybody knows: that is none. */
const isReal = (vault: Vault, platform: NodeJS.Platform): boolean => vault.isEncryptionAvailable() && (platform !== 'linux' || !['basic_text', 'unknown'].includes(vault.getSelectedStorageBackend()));

/** What cannot be read of `file` (damaged, or encrypted under another account) is as if it had not been kept: it is asked for again. */
export function openSecrets(file: string, vault: Vault, warn: (message: string) => void, platform = process.platform): SecretStore {
  const available = isReal(vault, platform);
  const sealed = available ? read(file, warn) : {};
  const session = new Map<string, BoardSecrets>();

  const remembered = (board: string): BoardSecrets => {
    const blob = sealed[board];
    if (blob === undefined) return {};
    try {
      return BoardSecrets.parse(JSON.parse(vault.decryptString(Buffer.from(blob, 'base64'))));
    } catch {
      warn('Secrets of a board cannot be decrypted; they are asked for again.');
      return {};
    }
  };
  const write = (): void => {
    try {
      replaceFile(file, `${JSON.stringify({ format: 'fabriclens-secrets/1', boards: sealed }, null, 1)}\n`);
    } catch (error) {
      warn(`Secrets are kept for this run only: ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`);
    }
  };

  return {
    available,
    of: (board) => ({ ...remembered(board), ...session.get(board) }),
    keep(board, secrets, remember) {
      session.set(board, { ...session.get(board), ...secrets });
      if (!remember || !available) return;
      sealed[board] = vault.encryptString(JSON.stringify({ ...remembered(board), ...secrets })).toString('base64');
      write();
    },
    forget(board) {
      session.delete(board);
      if (sealed[board] === undefined) return;
      delete sealed[board];
      write();
    },
  };
}

function read(file: string, warn: (message: string) => void): Record<string, string> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  try {
    return { ...File.parse(JSON.parse(text)).boards };
  } catch {
    warn(`${file} is damaged; secrets are asked for again.`);
    return {};
  }
}
