/** See coverage.mjs. */
export function merge(names: string[]): string;
export function pointsOf(text: string, kind: 'line' | 'toggle'): { name: string; points: number; reached: number; missed: string[] }[];
