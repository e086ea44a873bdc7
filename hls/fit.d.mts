/** See fit.mjs. */
export type Count = { dsp: number; bram: number; lut: number; lutMemory: number; ff: number; logicCells: number; gates: number };
export function countCells(text: string): Count;
export function against(count: Count): { part: string; used: number; has: number; limit: number; fits: boolean }[];
export function printed(shape: string, seconds: number, count: Count): string;
export function withParameters(source: string, parameters: Record<string, number>): string;
