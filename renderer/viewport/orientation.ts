/** Letters at the edges of an image (PS3.3 C.7.6.1.1.1): where the patient's sides are. */
import type { Presentation } from './presentation.ts';

const OPPOSITE: Record<string, string> = { L: 'R', R: 'L', A: 'P', P: 'A', H: 'F', F: 'H' };

export interface EdgeLetters {
  left: string;
  right: string;
  top: string;
  bottom: string;
}

/** `RA` → `LP`; unknown letters (a quadruped's `CR`, `D`, …) have no opposite here and give an empty string. */
export function opposite(direction: string): string {
  const letters = [...direction].map((letter) => OPPOSITE[letter]);
  return letters.every((letter) => letter !== undefined) ? letters.join('') : '';
}

/** From Patient Orientation: [where rows run to, where columns run to]; empty where the file does not say. Of the image as it stands on the screen. */
export function edgeLetters(patientOrientation: readonly string[], { mirrored, rotation }: Pick<Presentation, 'mirrored' | 'rotation'>): EdgeLetters {
  const [toRight = '', bottom = ''] = patientOrientation;
  const [right, left] = mirrored ? [opposite(toRight), toRight] : [toRight, opposite(toRight)];
  const clockwise = [opposite(bottom), right, bottom, left] as const;
  const at = (side: number): string => clockwise[(side - rotation / 90 + 4) % 4]!;
  return { top: at(0), right: at(1), bottom: at(2), left: at(3) };
}
