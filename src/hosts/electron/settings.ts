/** The reader's settings: one small JSON file in the user's data folder, replaced whole. */
import { readFileSync } from 'node:fs';
import { Settings } from '../../contract/ipc.ts';
import { replaceFile } from './small-file.ts';

export interface SettingsFile {
  get(): Settings;
  /** Takes over what is given, saves, and returns the whole. */
  set(change: Partial<Settings>): Settings;
}

const defaults = (systemLocale: string): Settings => ({
  locale: systemLocale.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en',
  runOnOpen: false,
  engines: ['cpu-fp32', 'cpu-int8', 'board'],
  repeats: 5,
  rememberStudies: true,
});

/** Opens `file`; where it is missing, damaged or of another version, what cannot be read of it is the default. */
export function openSettings(file: string, systemLocale: string, warn: (message: string) => void): SettingsFile {
  let current = { ...defaults(systemLocale), ...read(file, warn) };
  return {
    get: () => current,
    set(change) {
      current = Settings.parse({ ...current, ...change });
      try {
        replaceFile(file, `${JSON.stringify(current, null, 2)}\n`);
      } catch (error) {
        warn(`Settings are kept for this run only: ${file} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`);
      }
      return current;
    },
  };
}

function read(file: string, warn: (message: string) => void): Partial<Settings> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return {};
  }
  try {
    const found: unknown = JSON.parse(text);
    const entries = Object.entries(Settings.shape).flatMap(([key, schema]) => {
      const value = schema.safeParse((found as Record<string, unknown>)[key]);
      return value.success ? [[key, value.data] as const] : [];
    });
    return Object.fromEntries(entries) as Partial<Settings>;
  } catch {
    warn(`Settings in ${file} cannot be read; the defaults serve.`);
    return {};
  }
}
