import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { PickedFile } from '../../src/contract/ipc.ts';
import { Icon, type IconName } from './icons.tsx';

/** What was chosen in a dialog, and the way to it. */
export function Pick({ label, hint = '', icon, file, note = '', disabled, quiet = false, testId, onPick, children }: {
  label: string; hint?: string; icon: IconName; file: PickedFile | null; note?: string; disabled: boolean; quiet?: boolean; testId: string; onPick: () => void; children?: JSX.Element | null | false;
}): JSX.Element {
  const { t } = useTranslation();
  return (
    <div className={file ? 'pick chosen' : 'pick'} role="group" aria-label={label}>
      <Icon name={icon} size={22} />
      <div className="grow">
        <strong>{label}</strong>
        <p className={file ? 'pick-name' : 'dim'}>{file?.name ?? t('pick.none')}{note !== '' && <span className="dim"> · {note}</span>}</p>
        {hint !== '' && <p className="dim small">{hint}</p>}
      </div>
      {children}
      <Button size="xs" variant={file || quiet ? 'default' : 'filled'} disabled={disabled} data-testid={testId} onClick={onPick}>{t(file ? 'pick.change' : 'pick.choose')}</Button>
    </div>
  );
}
