import { Button, TextInput } from '@mantine/core';
import { useEffect, useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { StudyPage, StudyRow, StudySort } from '../../src/contract/studies.ts';
import { MOST_STUDIES } from '../state/studies.ts';
import { ToolButton } from '../ui/ActionButton.tsx';
import { useApp, useAppState } from '../ui/app.ts';
import { Confirm } from '../ui/Confirm.tsx';
import { dicomDate, personName } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';

const COLUMNS: readonly StudySort[] = ['name', 'patientId', 'date', 'modality', 'description', 'images'];

/** What FabricLens knows, open or not. */
export function Studies(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const { page, query, error } = useAppState((s) => s.studies);
  const [removing, setRemoving] = useState<StudyRow | null>(null);
  const nameOf = (row: StudyRow): string => personName(row.patientName) || t('studies.unnamed');
  useEffect(() => void session.studies.search(), [session]);
  return (
    <main className="screen" aria-label={t('list.title')} data-testid="study-list">
      <div className="list-head">
        <h2 className="screen-title">{t('list.title')}</h2>
        <TextInput className="grow" size="sm" autoFocus type="search" leftSection={<Icon name="search" />} aria-label={t('list.search')} placeholder={t('list.search')} value={query.text} maxLength={200} onChange={(event) => void session.studies.search({ text: event.currentTarget.value })} />
        <span className="dim" role="status" data-testid="list-count">{page && (query.text.trim() === '' ? t('list.count', { count: page.all }) : t('list.found', { count: page.total, all: page.all }))}</span>
        <ToolButton id="open.files" />
        <ToolButton id="open.folder" />
      </div>
      <ImportLine />
      {page && <StateLine page={page} />}
      {error !== '' && <div className="callout error" role="alert"><Icon name="error" /><p>{error}</p></div>}
      <div className="list-body" tabIndex={0} role="region" aria-label={t('list.table')}>
        {page?.all === 0 && <p className="dim pad">{t('list.empty')}</p>}
        {page && page.all > 0 && page.total === 0 && <p className="dim pad">{t('list.none')}</p>}
        {page && page.rows.length > 0 && (
          <table className="grid rows">
            <thead><tr>{COLUMNS.map((sort) => <SortHeader key={sort} sort={sort} />)}<th scope="col" className="number">{t('list.results')}</th><th scope="col"><span className="sr-only">{t('list.remove')}</span></th></tr></thead>
            <tbody>{page.rows.map((row) => <Row key={row.uid} row={row} name={nameOf(row)} onRemove={() => setRemoving(row)} />)}</tbody>
          </table>
        )}
        {page && page.rows.length < page.total && (
          query.limit < MOST_STUDIES
            ? <Button variant="default" size="xs" m="sm" onClick={() => void session.studies.more()}>{t('list.more', { shown: page.rows.length, total: page.total })}</Button>
            : <p className="dim pad">{t('list.narrow', { shown: page.rows.length, total: page.total })}</p>
        )}
      </div>
      {removing && (
        <Confirm
          title={t('list.removeTitle', { name: nameOf(removing) })} text={t('list.removeText')} yes={t('list.remove')} no={t('common.cancel')}
          onYes={() => { void session.studies.remove(removing.uid); setRemoving(null); }} onNo={() => setRemoving(null)}
        />
      )}
    </main>
  );
}

function SortHeader({ sort }: { sort: StudySort }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const { sort: by, descending } = useAppState((s) => s.studies.query);
  const active = by === sort;
  return (
    <th scope="col" className={sort === 'images' ? 'number' : undefined} aria-sort={active ? (descending ? 'descending' : 'ascending') : undefined}>
      <button type="button" className="sort" onClick={() => void session.studies.sortBy(sort)}>
        {t(`list.column.${sort}`)}
        {active && <Icon name={descending ? 'chevronDown' : 'chevronUp'} size={12} />}
      </button>
    </th>
  );
}

function Row({ row, name, onRemove }: { row: StudyRow; name: string; onRemove: () => void }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const opening = useAppState((s) => s.studies.opening === row.uid);
  const isOpen = useAppState((s) => s.library.studies.some(({ uid }) => uid === row.uid));
  const open = async (): Promise<void> => {
    const result = await session.studies.open(row.uid);
    if (result && result.missing > 0) session.notify('error', t(result.opened === 0 ? 'list.gone' : 'list.partlyGone', { count: result.missing, name }));
  };
  return (
    <tr className={isOpen ? 'open' : undefined} data-testid="study-row" onDoubleClick={() => void open()}>
      <th scope="row">
        <button type="button" className="link" disabled={opening} onClick={() => void open()}>{name}</button>
        {isOpen && <span className="mark">{t('list.open')}</span>}
        {row.missing > 0 && <span className="mark warn" title={t('list.missingHint')} data-testid="missing"><Icon name="warning" size={12} />{t('list.missing', { count: row.missing })}</span>}
        {row.objects > 0 && <span className="mark" data-testid="objects">{t('list.objects', { count: row.objects })}</span>}
        {row.copies > 0 && <span className="mark">{t('list.copies', { count: row.copies })}</span>}
      </th>
      <td>{row.patientId}</td>
      <td className="nowrap">{dicomDate(row.date)}</td>
      <td>{row.modalities.join(', ')}</td>
      <td>{row.description}</td>
      <td className="number nowrap">{t('list.images', { images: row.images, series: row.series })}</td>
      <td className="number">{row.results > 0 ? row.results : ''}</td>
      <td><button type="button" className="icon-button" aria-label={t('list.removeNamed', { name })} title={t('list.removeNamed', { name })} onClick={onRemove}><Icon name="close" size={14} /></button></td>
    </tr>
  );
}

/** How the list is kept, where that is not on the disk as it should be. */
function StateLine({ page: { state, detail } }: { page: StudyPage }): JSX.Element | null {
  const { t } = useTranslation();
  if (state === 'kept') return null;
  if (state === 'session') return <p className="dim pad" data-testid="list-state">{t('list.state.session')}</p>;
  return <div className="callout warning" role="alert" data-testid="list-state"><Icon name="warning" size={18} /><p>{t(`list.state.${state}`, { detail })}</p></div>;
}

/** An import while it runs, with its cancel, and what it brought. */
export function ImportLine(): JSX.Element | null {
  const { t } = useTranslation();
  const { session } = useApp();
  const scan = useAppState((s) => s.scan);
  const imported = useAppState((s) => s.studies.imported);
  if (scan) {
    return (
      <div className="scan" role="status" data-testid="scan">
        <progress value={scan.done} max={Math.max(1, scan.total)} aria-label={t('studies.importing')} />
        <span>{t('studies.scan', { done: scan.done, total: scan.total })}</span>
        <span className="dim ellipsis">{scan.fileName}</span>
        <Button size="compact-xs" variant="default" onClick={() => void session.studies.cancelImport()} data-testid="cancel-import">{t('common.cancel')}</Button>
      </div>
    );
  }
  const lines = !imported ? [] : [
    ...(imported.cancelled ? [t('studies.cancelled')] : []),
    ...(imported.images > imported.opened + imported.copies ? [t('studies.partly', { opened: imported.opened, images: imported.images })] : []),
    ...(imported.copies > 0 ? [t('studies.copies', { count: imported.copies })] : []),
  ];
  if (lines.length === 0) return null;
  return (
    <div className="scan imported" role="status" data-testid="imported">
      <p>{lines.join(' ')}</p>
      <button type="button" className="icon-button" aria-label={t('common.dismiss')} onClick={() => session.studies.imported(null)}><Icon name="close" size={14} /></button>
    </div>
  );
}
