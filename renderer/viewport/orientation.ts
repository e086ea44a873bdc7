/** Letters at the edges of an image (PS3.3 C.7.6.1.1.1): where the patient's sides are. */

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

/** From Patient Orientation: [where rows run to, where columns run to]; empty where the file does not say. */
export function edgeLetters(patientOrientation: readonly string[]): EdgeLetters {
  const [right = '', bottom = ''] = patientOrientation;
  return { right, bottom, left: opposite(right), top: opposite(bottom) };
}
