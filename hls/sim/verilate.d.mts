/** See verilate.mjs. */
export function verilate(options: {
  top: string;
  parameters?: Record<string, number>;
  sources: string[];
  bench: string[];
  flags?: string[];
  coverage?: false | 'lines' | 'all';
  log?: (line: string) => void;
}): Promise<string>;
