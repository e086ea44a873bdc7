/** Values as people read them. Pure; words are in i18n. */
import type { PersonName } from '../../src/contract/dicom.ts';

/** `YAMADA^Taro` → `YAMADA, Taro`; the ideographic form first, where there is one (PS3.5 6.2.1). */
export function personName(name: PersonName): string {
  const group = (text: string): string => {
    const [family = '', given = '', middle = '', prefix = '', suffix = ''] = text.split('^').map((part) => part.trim());
    const rest = [prefix, given, middle, suffix].filter(Boolean).join(' ');
    return [family, rest].filter(Boolean).join(', ');
  };
  const ideographic = name.ideographic.split('^').map((part) => part.trim()).join('');
  const alphabetic = group(name.alphabetic);
  return ideographic && alphabetic ? `${ideographic} (${alphabetic})` : ideographic || alphabetic;
}

/** DICOM DA `20240131` (or `2024.01.31` of old files) → `2024-01-31`; all zeros, as some write for "none", → ''; anything else as it is. */
export function dicomDate(text: string): string {
  const match = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(text.trim());
  if (match?.slice(1).every((part) => Number(part) === 0)) return '';
  return match ? `${match[1]}-${match[2]}-${match[3]}` : text.trim();
}

/** DICOM TM `142530.5` → `14:25`. */
export function dicomTime(text: string): string {
  const match = /^(\d{2}):?(\d{2})/.exec(text.trim());
  return match ? `${match[1]}:${match[2]}` : '';
}

/** A moment (ISO 8601) on the reader's clock: `2026-11-26 14:03`. */
export function localTime(iso: string): string {
  const date = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** Milliseconds with the digits that mean something; the unit stands in the heading or is added by the text. */
export function milliseconds(ms: number): string {
  if (ms >= 100) return ms.toFixed(0);
  return ms >= 10 ? ms.toFixed(1) : ms.toFixed(2);
}

export const probability = (p: number): string => p.toFixed(3);
/** A difference with its sign, a true minus, and at least the digits of the tolerance. */
export const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
export const shortHash = (sha256: string): string => sha256.slice(0, 12);

/** W/L numbers: whole where the window is wide, decimals where it is narrow. */
export const windowValue = (value: number, width: number): string => (width >= 20 ? value.toFixed(0) : width >= 2 ? value.toFixed(1) : value.toPrecision(3));
