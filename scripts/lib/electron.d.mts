export interface Runtime {
  /** The executable. */
  path: string;
  dist: string;
  version: string;
  /** True for the end-of-life runtime out of the registry. */
  offline: boolean;
}
export const OFFLINE: { package: string; sha512: string; zip: string; version: string };
export function installedElectron(): Runtime | null;
export function ensureElectron(): Promise<Runtime>;
export function placeOf(name: string): string | null;
