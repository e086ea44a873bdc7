export const RELEASE_FLOOR: number;
export function refusal(version: string, targets: string[]): string | null;
