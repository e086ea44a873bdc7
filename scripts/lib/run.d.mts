export interface Ran {
  code: number;
  output: string;
  timedOut: boolean;
}
export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  quiet?: boolean;
  timeoutMs?: number;
}
export function run(program: string, args: readonly string[], options?: RunOptions): Promise<Ran>;
export function npm(args: readonly string[], options?: RunOptions): Promise<Ran>;
export function onPath(program: string): boolean;
