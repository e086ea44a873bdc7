import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { stepLines, type Provisioning, type StepLine } from '../../state/provisioning.ts';
import { useTextOf } from '../../ui/app.ts';
import { clock, useNow } from '../../ui/clock.ts';
import { milliseconds } from '../../ui/format.ts';
import { Icon, type IconName } from '../../ui/icons.tsx';

const STATE_ICONS: Record<StepLine['state'], IconName> = { waiting: 'clock', running: 'run', done: 'check', already: 'check', failed: 'error', undone: 'undo' };

/** Every step of the plan, how it goes and what it said. */
export function InstallStep({ now: { plan, events, startedAt, endedAt, busy } }: { now: Provisioning }): JSX.Element {
  const { t } = useTranslation();
  const running = busy === 'install' || busy === 'cancel';
  const time = useNow(running);
  const lines = stepLines(plan?.steps ?? [], events);
  const over = lines.filter(({ state }) => state === 'done' || state === 'already').length;
  return (
    <>
      <div className="form-line">
        <p className="grow" role="status">{t('setup.install.progress', { done: over, total: lines.length })}</p>
        {startedAt !== null && <p className="dim number" data-testid="elapsed">{t('setup.install.elapsed', { time: clock((endedAt ?? time) - startedAt) })}</p>}
      </div>
      <ol className="install-steps" data-testid="install-steps">{lines.map((line) => <Line key={line.id} line={line} />)}</ol>
    </>
  );
}

function Line({ line: { id, state, fraction, ms, message } }: { line: StepLine }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const text = textOf(`installStep.${id}`, id);
  return (
    <li className={`step-${state}`} aria-current={state === 'running' ? 'step' : undefined} data-testid="install-step" data-id={id} data-state={state}>
      <Icon name={STATE_ICONS[state]} size={16} />
      <div className="grow">
        <strong>{text}</strong>
        {message !== '' && <p className="dim small" lang="en">{message}</p>}
        {state === 'running' && <progress aria-label={text} {...(fraction === null ? {} : { value: fraction, max: 1 })} />}
      </div>
      <span className="step-word">{t(`setup.install.state.${state}`)}{state === 'running' && fraction !== null && ` · ${Math.round(fraction * 100)} %`}</span>
      <span className="number dim">{state === 'done' || state === 'failed' || state === 'undone' ? t('setup.install.took', { seconds: ms < 100_000 ? (ms / 1000).toFixed(1) : milliseconds(ms / 1000) }) : ''}</span>
    </li>
  );
}
