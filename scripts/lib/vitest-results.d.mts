export interface Report {
  testResults: Array<{ name: string; status: string; message?: string; assertionResults: Array<{ fullName: string; status: string }> }>;
}
export interface Tally {
  passed: number;
  failed: number;
  skipped: string[];
  failures: string[];
}
export function tally(report: Report): Tally;
export function unlisted(skipped: string[], allowed: string): string[];
