/** Search in a list of actions. Pure. */
export interface Entry {
  id: string;
  label: string;
  /** What it is found by, in every language. */
  words: string;
  shortcut: string;
}

const plain = (text: string): string => text.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '').replace(/×/g, 'x').replace(/(\d) x (\d)/g, '$1x$2');

/** Those that hold every part of the query; first whose words begin with it. In their order otherwise. */
export function findActions(entries: readonly Entry[], query: string): Entry[] {
  const wanted = plain(query).trim();
  const parts = wanted.split(/\s+/).filter(Boolean);
  const hits = entries.map((entry) => ({ entry, text: plain(entry.words) })).filter(({ text }) => parts.every((part) => text.includes(part)));
  const begins = (text: string): number => (wanted !== '' && text.split(/\s+/).some((word) => word.startsWith(parts[0]!)) ? 0 : 1);
  return hits.sort((a, b) => begins(a.text) - begins(b.text)).map(({ entry }) => entry);
}
