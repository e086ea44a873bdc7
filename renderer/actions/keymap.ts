/** Keyboard shortcuts as text (`Ctrl+Shift+O`, `PageDown`, `?`), the same text that menus and the help show. */

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

/** Does the press mean the shortcut? `Ctrl` is Command on a Mac. Shift is free for keys that need it to be typed (`?`, `+`). */
export function matches(shortcut: string, press: KeyPress): boolean {
  const parts = shortcut.split(/\+(?!$)/);
  const key = parts.at(-1)!;
  const wants = (modifier: string): boolean => parts.slice(0, -1).includes(modifier);
  if ((press.ctrlKey || press.metaKey) !== wants('Ctrl') || press.altKey !== wants('Alt')) return false;
  const typedWithShift = key.length === 1 && !/[a-z0-9]/i.test(key);
  if (!typedWithShift && press.shiftKey !== wants('Shift')) return false;
  return press.key.toLowerCase() === key.toLowerCase();
}

/** Keys that the focused control needs for itself. */
export function belongsToControl(target: { tagName: string; role: string | null; type: string; editable: boolean }, press: KeyPress): boolean {
  const text = target.editable || target.tagName === 'TEXTAREA' || (target.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes(target.type));
  // What is typed is taken back, chosen and carried with the keys of every text field.
  if (press.ctrlKey || press.metaKey) return text && ['a', 'c', 'v', 'x', 'y', 'z'].includes(press.key.toLowerCase());
  if (target.editable || target.tagName === 'TEXTAREA' || target.tagName === 'SELECT') return true;
  if (['BUTTON', 'SUMMARY'].includes(target.tagName) && [' ', 'Enter'].includes(press.key)) return true;
  if (target.tagName === 'INPUT') return !['checkbox', 'radio', 'button'].includes(target.type) || press.key.startsWith('Arrow') || press.key === ' ';
  const arrows = press.key.startsWith('Arrow') || ['Home', 'End', 'PageUp', 'PageDown'].includes(press.key);
  return arrows && ['slider', 'listbox', 'option', 'combobox', 'menu', 'menuitem', 'radiogroup', 'tab', 'spinbutton'].includes(target.role ?? '');
}
