/** See symbols.mjs. */
export interface Elf { machine: number; hardFloat: boolean; needed: string[]; symbols: { name: string; version: string }[] }
export const OLDEST_IMAGE: Record<string, string>;
export function readElf(bytes: Uint8Array): Elf;
export function boardObjections(elf: Elf): string[];
