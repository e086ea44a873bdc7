import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { Adding } from '../../state/adding.ts';
import { useTextOf } from '../../ui/app.ts';
import { clock, useNow } from '../../ui/clock.ts';
import { Icon } from '../../ui/icons.tsx';

/** What is done, what is under way and for how long. */
export function MakeStep({ adding: { progress, startedAt, endedAt, busy } }: { adding: Adding }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const running = busy === 'make' || busy === 'cancel';
  const now = useNow(running);
  const parts = progress.length === 0 && running ? [{ step: 'start', done: 0, total: 0 }] : progress;
  return (
    <>
      <ol className="parts" data-testid="parts" aria-live="polite">
        {parts.map(({ step, done, total }, index) => {
          const last = index === parts.length - 1;
          const current = last && running;
          const text = textOf(`addModel.make.part.${step.replaceAll(' ', '-')}`, step);
          return (
            <li key={step} className={current ? 'current' : last ? 'stopped' : 'done'} aria-current={current ? 'step' : undefined}>
              <Icon name={current ? 'clock' : last ? 'stop' : 'check'} size={16} />
              <span>{text}</span>
              {current ? <progress aria-label={text} {...(total > 1 ? { value: done, max: total } : {})} /> : <span />}
              {/* Progress is told now and then: of what is over, the last word may not have come. */}
              <span className="number dim">{total > 1 ? t('addModel.make.of', { done: last ? done : total, total }) : ''}</span>
            </li>
          );
        })}
      </ol>
      {startedAt !== null && <p className="dim" data-testid="elapsed">{t('addModel.make.elapsed', { time: clock((endedAt ?? now) - startedAt) })}</p>}
    </>
  );
}
