import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { useAction, useAppState } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';

export function EmptyState(): JSX.Element {
  const { t } = useTranslation();
  const scanning = useAppState((s) => s.scan !== null);
  const files = useAction('open.files');
  const folder = useAction('open.folder');
  const sample = useAction('open.sample');
  const studies = useAction('workspace.studies');
  const known = useAppState((s) => s.studies.page?.all ?? 0);
  return (
    <div className="empty" data-testid="empty">
      <div className="empty-frame">
        <Icon name="review" size={44} />
        <h2>{scanning ? t('studies.importing') : t('empty.title')}</h2>
        <p className="dim">{t('empty.drop')}</p>
        <div className="empty-buttons">
          <Button onClick={files.run} leftSection={<Icon name="file" />}>{files.label}</Button>
          <Button onClick={folder.run} variant="default" leftSection={<Icon name="folder" />}>{folder.label}</Button>
          <Button onClick={sample.run} variant="default" leftSection={<Icon name="sample" />} data-testid="empty-sample">{sample.label}</Button>
        </div>
        {known > 0 && <Button onClick={studies.run} variant="subtle" leftSection={<Icon name="list" />} data-testid="empty-list">{t('empty.list', { count: known })}</Button>}
        <p className="dim small">{t('empty.sample')}</p>
      </div>
    </div>
  );
}
