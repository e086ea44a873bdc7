import { Button } from '@mantine/core';
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Adding } from '../../state/adding.ts';
import { useApp, useBoardName, useTextOf } from '../../ui/app.ts';
import { milliseconds } from '../../ui/format.ts';
import { Icon } from '../../ui/icons.tsx';
import { shape } from './numbers.ts';

export function DeployStep({ adding: { deployed, busy } }: { adding: Adding }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const boardName = useBoardName();
  const { session: { adder } } = useApp();
  return (
    <>
      <p>{t('addModel.deploy.text')}</p>
      <Button className="start" size="sm" variant={deployed ? 'default' : 'filled'} disabled={busy !== null} leftSection={<Icon name="boards" />} data-testid="wizard-deploy" onClick={() => void adder.deploy()}>
        {t(busy === 'deploy' ? 'addModel.deploy.busy' : deployed ? 'addModel.deploy.again' : 'addModel.deploy.button')}
      </Button>
      {deployed && (
        <div className="verdict agree" role="status" data-testid="deployed">
          <Icon name="check" size={20} />
          <div>
            <strong>{t('addModel.deploy.done', { board: boardName(deployed.board) })}</strong>
            <p className="dim">{textOf(`boards.backends.${deployed.backend}`, deployed.backend)}</p>
            <p>{t('addModel.deploy.took', { ms: milliseconds(deployed.ms) })}</p>
            {deployed.outputs.map(({ name, datatype, shape: dims }) => <p key={name}><code>{t('addModel.deploy.output', { name, datatype, shape: shape(dims) })}</code></p>)}
          </div>
        </div>
      )}
      <div className="callout info"><Icon name="info" size={18} /><p>{t('addModel.deploy.real')}</p></div>
    </>
  );
}
