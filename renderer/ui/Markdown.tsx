/** The part of Markdown that model cards use: headings, paragraphs, lists, tables, code, emphasis. Links are shown, not followed. */
import type { JSX, ReactNode } from 'react';
import { parseMarkdown, splitInline } from './markdown.ts';

export function Markdown({ text }: { text: string }): JSX.Element {
  return <div className="markdown">{parseMarkdown(text).map((block, index) => <Block key={index} block={block} />)}</div>;
}

function Block({ block }: { block: ReturnType<typeof parseMarkdown>[number] }): JSX.Element {
  switch (block.kind) {
    case 'heading': {
      // The card stands under the screen's own h4.
      const Tag = `h${Math.min(6, block.level + 4)}` as 'h5';
      return <Tag>{inline(block.text)}</Tag>;
    }
    case 'paragraph':
      return <p>{inline(block.text)}</p>;
    case 'code':
      return <pre tabIndex={0}>{block.text}</pre>;
    case 'list': {
      const items = block.items.map((item, index) => <li key={index}>{inline(item)}</li>);
      return block.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
    }
    case 'table':
      return (
        <table className="grid">
          <thead><tr>{block.head.map((cell, index) => <th key={index} scope="col">{inline(cell)}</th>)}</tr></thead>
          <tbody>{block.rows.map((row, index) => <tr key={index}>{row.map((cell, at) => <td key={at}>{inline(cell)}</td>)}</tr>)}</tbody>
        </table>
      );
  }
}

const inline = (text: string): ReactNode[] => splitInline(text).map(({ kind, text: part }, index) => {
  if (kind === 'code') return <code key={index}>{part}</code>;
  if (kind === 'strong') return <strong key={index}>{part}</strong>;
  if (kind === 'em') return <em key={index}>{part}</em>;
  return part;
});
