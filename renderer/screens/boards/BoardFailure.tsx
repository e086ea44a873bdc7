import { Button } from '@mantine/core';
import { useEffect, useRef, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Failure } from '../../state/provisioning.ts';
import { useTextOf } from '../../ui/app.ts';
import { Icon } from '../../ui/icons.tsx';

/** What failed, in the reader's language by its code and in the host's own words; and the way to try it again. */
export function BoardFailure({ failure: { code, message }, onRetry }: { failure: Failure; onRetry: (() => void) | null }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => ref.current?.focus(), [code, message]);
  const cancelled = code === 'cancelled';
  return (
    <div ref={ref} tabIndex={-1} className={cancelled ? 'callout info' : 'callout error'} role={cancelled ? 'status' : 'alert'} data-testid={cancelled ? 'board-cancelled' : 'board-failure'}>
      <Icon name={cancelled ? 'info' : 'error'} size={18} />
      <div className="grow">
        <strong>{textOf(`boardFailure.${code}`, t('boardFailure.unknown'))}</strong>
        {!cancelled && <p lang="en">{message}</p>}
      </div>
      {onRetry && <Button size="xs" variant="default" data-testid="board-retry" onClick={onRetry}>{t('common.retry')}</Button>}
    </div>
  );
}
