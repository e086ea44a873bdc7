/** Text by Specific Character Set (0008,0005): PS3.3 C.12.1.1.2 for the terms, PS3.5 6.1 for single and multi-byte sets and code extensions. */

/** What fills a half of the code table (ISO 2022 G0: 0x21-0x7E, G1: 0xA1-0xFE), or the whole of it without code extensions. */
interface CodeElement {
  label: string;
  /** Bytes a character. */
  size: 1 | 2;
}

const one = (label: string): CodeElement => ({ label, size: 1 });
const two = (label: string): CodeElement => ({ label, size: 2 });

/** Whole repertoires by their number: `ISO_IR n` and `ISO 2022 IR n` (as the first value: its G1). Labels are the Encoding Standard's. */
const BY_NUMBER: Record<string, CodeElement> = {
  '6': one('latin1'),
  '13': one('jis-x-0201'),
  '14': one('jis-x-0201'),
  '58': two('gb18030'),
  '87': two('jis-x-0208'),
  '100': one('latin1'),
  '101': one('iso-8859-2'),
  '109': one('iso-8859-3'),
  '110': one('iso-8859-4'),
  '126': one('iso-8859-7'),
  '127': one('iso-8859-6'),
  '138': one('iso-8859-8'),
  '144': one('iso-8859-5'),
  '148': one('iso-8859-9'),
  '149': two('euc-kr'),
  '159': two('jis-x-0212'),
  '166': one('windows-874'),
  '203': one('iso-8859-15'),
};

/** Escape sequences (without ESC) of PS3.3 tables C.12-3 and C.12-4: which half they fill, with what. */
const ESCAPES: [string, 'g0' | 'g1', CodeElement][] = [
  ['(B', 'g0', one('latin1')],
  ['(J', 'g0', one('jis-x-0201')],
  [')I', 'g1', one('jis-x-0201')],
  ['$B', 'g0', two('jis-x-0208')],
  ['$@', 'g0', two('jis-x-0208')],
  ['$(D', 'g0', two('jis-x-0212')],
  ['$)C', 'g1', two('euc-kr')],
  ['$)A', 'g1', two('gb18030')],
  ['-A', 'g1', one('latin1')],
  ['-B', 'g1', one('iso-8859-2')],
  ['-C', 'g1', one('iso-8859-3')],
  ['-D', 'g1', one('iso-8859-4')],
  ['-F', 'g1', one('iso-8859-7')],
  ['-G', 'g1', one('iso-8859-6')],
  ['-H', 'g1', one('iso-8859-8')],
  ['-L', 'g1', one('iso-8859-5')],
  ['-M', 'g1', one('iso-8859-9')],
  ['-T', 'g1', one('windows-874')],
  ['-b', 'g1', one('iso-8859-15')],
];

const decoders = new Map<string, TextDecoder>();
function decodeWith(label: string, bytes: Uint8Array): string {
  let decoder = decoders.get(label);
  if (!decoder) decoders.set(label, (decoder = new TextDecoder(label)));
  return decoder.decode(bytes);
}

/** A run of characters that one code element encodes. */
function decodeRun({ label, size }: CodeElement, run: Uint8Array): string {
  if (label === 'jis-x-0201') {
    return Array.from(run, (byte) => (byte === 0x7e ? '‾' : byte === 0x5c ? '¥' : byte >= 0xa1 && byte <= 0xdf ? String.fromCharCode(0xff61 + byte - 0xa1) : String.fromCharCode(byte))).join('');
  }
  if (label === 'jis-x-0208') return decodeWith('euc-jp', run.map((byte) => byte | 0x80));
  if (label === 'jis-x-0212') {
    // EUC-JP's code set 3: each pair behind 0x8F.
    const marked = new Uint8Array(Math.floor(run.length / 2) * 3);
    for (let i = 0; i + 1 < run.length; i += 2) marked.set([0x8f, run[i]! | 0x80, run[i + 1]! | 0x80], (i / 2) * 3);
    return decodeWith('euc-jp', marked);
  }
  return decodeWith(label, size === 2 ? run.map((byte) => byte | 0x80) : run);
}

const ESC = 0x1b;
const BACKSLASH = 0x5c;

/** ISO 2022 within one attribute's value: characters, with designations reset at delimiters (PS3.5 6.1.2.5.3). */
function decodeExtended(bytes: Uint8Array, terms: string[], vr: string): string {
  const numbers = terms.map(numberOf);
  const initial = {
    g0: numbers[0] === '13' || numbers[0] === '14' ? one('jis-x-0201') : one('latin1'),
    // Writers often leave out the escape sequence of the only other set; where the first is ASCII, what else could high bytes be?
    g1: numbers.filter((n) => n !== '' && n !== '6').map((n) => BY_NUMBER[n]).find((element) => element && element.label !== 'jis-x-0208' && element.label !== 'jis-x-0212') ?? one('latin1'),
  };
  const delimiters = new Set([0x09, 0x0a, 0x0c, 0x0d, ...(vr === 'PN' ? [0x3d, 0x5e] : []), ...(MULTIPLE.has(vr) ? [BACKSLASH] : [])]);
  let { g0, g1 } = initial;
  let text = '';
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte === ESC) {
      const found = ESCAPES.find(([sequence]) => [...sequence].every((char, i) => bytes[at + 1 + i] === char.charCodeAt(0)));
      if (found) {
        if (found[1] === 'g0') g0 = found[2];
        else g1 = found[2];
        at += 1 + found[0].length;
      } else {
        at += 1;
      }
      continue;
    }
    // Delimiters and controls count in one-byte mode only: in two-byte sets 0x5C or 0x3D may be half of a character.
    if (byte < 0x21 || (g0.size === 1 && delimiters.has(byte))) {
      if (delimiters.has(byte)) ({ g0, g1 } = initial);
      text += String.fromCharCode(byte);
      at += 1;
      continue;
    }
    const high = byte >= 0x80;
    const element = high ? g1 : g0;
    let end = at;
    while (end < bytes.length && bytes[end] !== ESC && bytes[end]! >= 0x21 && bytes[end]! >= 0x80 === high) {
      if (!high && element.size === 1 && delimiters.has(bytes[end]!)) break;
      end += element.size;
    }
    end = Math.min(end, bytes.length);
    text += decodeRun(element, bytes.subarray(at, end));
    at = end;
  }
  return text;
}

/** VRs whose `\` separates values; in LT, ST and UT it is a character. */
const MULTIPLE = new Set(['LO', 'SH', 'PN', 'UC', 'AE', 'CS']);

/** `ISO 2022 IR 87`, `ISO_IR 100`, and the misspellings met in the field (`ISO IR 100`, `ISO-IR 100`) → '87', '100'. */
const numberOf = (term: string): string => /(\d+)\s*$/.exec(term.slice(-16))?.[1] ?? '';

/**
 * Without the characters of `front` before and of `back` behind it. In linear time: the same by a regular expression takes the square of
 * the length of a run of padding that does not end the text, and a file may hold one of any length.
 */
export function stripped(text: string, front: string, back: string): string {
  let start = 0;
  let end = text.length;
  while (end > 0 && back.includes(text[end - 1]!)) end--;
  while (start < end && front.includes(text[start]!)) start++;
  return text.slice(start, end);
}

/** What fills a value up to an even length, or to a writer's fixed one (PS3.5 6.2). */
export const PADDING = ' \0';

function decodeWhole(bytes: Uint8Array, terms: string[], vr: string): string {
  const first = (terms[0] ?? '').toUpperCase();
  if (first === 'GB18030' || first === 'GBK' || first === 'GB2312') return decodeWith('gb18030', bytes);
  if (numberOf(first) === '192' || first === 'UTF-8' || first === 'UTF8') return decodeWith('utf-8', bytes);
  if (terms.every((term) => term === '')) {
    // Undeclared: ASCII by the standard. High bytes are then UTF-8 if they can be, else Latin-1.
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return decodeWith('latin1', bytes);
    }
  }
  return decodeExtended(bytes, terms, vr);
}

/**
 * Text values of an attribute, without padding, split at `\` (VRs that may have several).
 * @param terms values of Specific Character Set (0008,0005); [] for the default repertoire.
 */
export function decodeText(bytes: Uint8Array, terms: string[], vr: string): string[] {
  const text = decodeWhole(bytes, terms, vr);
  const values = MULTIPLE.has(vr) ? text.split('\\') : [text];
  return values.map((value) => stripped(value, vr === 'ST' || vr === 'LT' || vr === 'UT' ? '\0' : PADDING, PADDING));
}
