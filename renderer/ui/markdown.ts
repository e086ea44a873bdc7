/** Markdown as blocks and spans; what it does not know stays text. */

export type Block =
  | { kind: 'heading'; level: number; text: string }
  | { kind: 'paragraph'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'list'; ordered: boolean; items: string[] }
  | { kind: 'table'; head: string[]; rows: string[][] };

const ITEM = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/;
const cells = (line: string): string[] => line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());

export function parseMarkdown(text: string): Block[] {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const blocks: Block[] = [];
  let at = 0;
  const startsBlock = (line: string): boolean => /^(#{1,6}\s|```|\s*\|)/.test(line) || ITEM.test(line);
  while (at < lines.length) {
    const line = lines[at]!;
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    const item = ITEM.exec(line);
    if (line.trim() === '') {
      at++;
    } else if (heading) {
      blocks.push({ kind: 'heading', level: heading[1]!.length, text: heading[2]! });
      at++;
    } else if (line.startsWith('```')) {
      const end = lines.findIndex((l, index) => index > at && l.startsWith('```'));
      const stop = end < 0 ? lines.length : end;
      blocks.push({ kind: 'code', text: lines.slice(at + 1, stop).join('\n') });
      at = stop + 1;
    } else if (/^\s*\|/.test(line) && /^\s*\|?[\s:|-]+\|[\s:|-]*$/.test(lines[at + 1] ?? '')) {
      const rows: string[][] = [];
      const head = cells(line);
      for (at += 2; at < lines.length && /^\s*\|/.test(lines[at]!); at++) rows.push(cells(lines[at]!));
      blocks.push({ kind: 'table', head, rows });
    } else if (item) {
      const items: string[] = [];
      for (; at < lines.length && lines[at]!.trim() !== ''; at++) {
        const next = ITEM.exec(lines[at]!);
        if (next) items.push(next[2]!);
        else items[items.length - 1] += ` ${lines[at]!.trim()}`;
      }
      blocks.push({ kind: 'list', ordered: item[1] !== undefined, items });
    } else {
      const start = at;
      do at++; while (at < lines.length && lines[at]!.trim() !== '' && !startsBlock(lines[at]!));
      blocks.push({ kind: 'paragraph', text: lines.slice(start, at).map((l) => l.trim()).join(' ') });
    }
  }
  return blocks;
}

export function splitInline(text: string): Array<{ kind: 'text' | 'code' | 'strong' | 'em'; text: string }> {
  const plain = text.replace(/!?\[([^\]]+)\]\(([^)]+)\)/g, (_, label: string, url: string) => (label === url ? url : `${label} (${url})`));
  const parts = plain.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/).filter((part) => part !== '');
  return parts.map((part) => {
    if (/^`[^`]+`$/.test(part)) return { kind: 'code', text: part.slice(1, -1) };
    if (/^\*\*[^*]+\*\*$/.test(part)) return { kind: 'strong', text: part.slice(2, -2) };
    if (/^\*[^*]+\*$/.test(part)) return { kind: 'em', text: part.slice(1, -1) };
    return { kind: 'text', text: part };
  });
}
