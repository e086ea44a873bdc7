export function hashOf(paths: string[], options?: { root?: string; keep?: (name: string) => boolean }): string;
export function isFresh(stampFile: string, hash: string): boolean;
export function stamp(stampFile: string, hash: string): void;
