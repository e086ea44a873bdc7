/** A file's elements, to search and read. Only the lines in sight are in the page: a file may have tens of thousands. */
import { Loader } from '@mantine/core';
import { useEffect, useMemo, useRef, useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { useApp, useAppState } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';
import type { AppState } from '../state/store.ts';
import { PRIORITY } from '../workers/pool.ts';
import type { ElementList, ElementRow } from '../workers/protocol.ts';

/** Client pixels of a line, and lines that are ready above and below those in sight. */
const LINE = 24;
const SPARE = 12;

export function TagBrowser(): JSX.Element | null {
  const file = useAppState((s) => s.tags);
  return file && <Open key={file.id} file={file} />;
}

function Open({ file }: { file: NonNullable<AppState['tags']> }): JSX.Element {
  const { t } = useTranslation();
  const { session, pool } = useApp();
  const ref = useRef<HTMLDialogElement>(null);
  const search = useRef<HTMLInputElement>(null);
  const [list, setList] = useState<ElementList | null>(null);
  const [error, setError] = useState('');
  const [query, setQuery] = useState('');
  useEffect(() => {
    ref.current!.showModal();
    search.current!.focus();
  }, []);
  useEffect(() => {
    const abort = new AbortController();
    pool.run({ kind: 'elements', instanceId: file.id }, PRIORITY.shown, abort.signal).then(setList, (failure: unknown) => {
      if (!abort.signal.aborted) setError(failure instanceof Error ? failure.message : String(failure));
    });
    return () => abort.abort();
  }, [pool, file]);
  const found = useMemo(() => matching(list?.rows ?? [], query), [list, query]);
  return (
    <dialog ref={ref} className="tags" aria-labelledby="tags-title" data-testid="tags" onClose={() => session.showTags(null)}>
      <header>
        <h2 id="tags-title" className="grow ellipsis">{t('tags.title', { name: file.fileName })}</h2>
        <button type="button" className="icon-button" aria-label={t('common.close')} onClick={() => ref.current!.close()}><Icon name="close" /></button>
      </header>
      <div className="tags-search">
        <input ref={search} type="search" aria-label={t('tags.search')} placeholder={t('tags.search')} value={query} onChange={(event) => setQuery(event.target.value)} />
        <span className="dim" role="status">{list && t('tags.count', { found: found.length, count: list.rows.length })}{list?.more && ` ${t('tags.more')}`}</span>
      </div>
      {error !== '' && <div className="callout error"><Icon name="error" /><p lang="en">{error}</p></div>}
      {!list && error === '' && <div className="pad"><Loader size="sm" aria-hidden="true" /></div>}
      {list && <Lines rows={found} />}
    </dialog>
  );
}

/** By tag with or without its comma, keyword, or value; what is found within an item stands without it. */
function matching(rows: readonly ElementRow[], query: string): readonly ElementRow[] {
  const wanted = query.trim().toLowerCase();
  if (wanted === '') return rows;
  const digits = /^\(?([0-9a-f]{4}),?([0-9a-f]{0,4})\)?$/.exec(wanted);
  const tag = digits ? `(${digits[1]!},${digits[2]!}` : null;
  return rows.filter((row) => row.tag !== '' && (row.name.toLowerCase().includes(wanted) || row.value.toLowerCase().includes(wanted) || (tag !== null && row.tag.toLowerCase().startsWith(tag))));
}

function Lines({ rows }: { rows: readonly ElementRow[] }): JSX.Element {
  const { t } = useTranslation();
  const ref = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  useEffect(() => {
    ref.current!.scrollTop = 0;
    setTop(0);
  }, [rows]);
  const first = Math.max(0, Math.floor(top / LINE) - SPARE);
  const seen = rows.slice(first, first + Math.ceil(1200 / LINE) + 2 * SPARE);
  return (
    <div ref={ref} className="tags-lines" tabIndex={0} role="table" aria-label={t('tags.table')} aria-rowcount={rows.length} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
      <div role="rowgroup" style={{ height: rows.length * LINE }}>
        {seen.map((row, index) => (
          <div key={first + index} role="row" aria-rowindex={first + index + 1} className={row.tag === '' ? 'tag-line item' : 'tag-line'} style={{ top: (first + index) * LINE }}>
            <span role="cell" className="tag-number" style={{ paddingLeft: row.depth * 12 }}>{row.tag === '' ? t('tags.item', { number: row.name }) : row.tag}</span>
            <span role="cell">{row.vr}</span>
            <span role="cell" className="ellipsis" title={row.tag === '' ? undefined : row.name}>{row.tag === '' ? '' : row.name}</span>
            <span role="cell" className="tag-value ellipsis" title={row.value}>{row.vr === 'SQ' ? t('tags.items', { count: Number(row.value) }) : row.value}{row.cut && ' …'}</span>
            <span role="cell" className="number dim">{row.tag === '' || row.vr === 'SQ' ? '' : t('tags.bytes', { count: row.bytes })}</span>
          </div>
        ))}
      </div>
    </div>
  );
}
