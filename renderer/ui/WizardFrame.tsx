import { useEffect, useRef, type JSX, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from './icons.tsx';

/** What every wizard has: its name, its steps, the place in them, and a way out by button and Esc. `asked`: whether leaving is being asked about already; `phase`: what is shown within a step. */
export function WizardFrame<S extends string>({ title, steps, step, phase = '', labelOf, asked, onLeave, children }: {
  title: string; steps: readonly S[]; step: S; phase?: string; labelOf: (step: S) => string; asked: boolean; onLeave: () => void; children: ReactNode;
}): JSX.Element {
  const { t } = useTranslation();
  const heading = useRef<HTMLHeadingElement>(null);
  const at = steps.indexOf(step);
  // Each step begins at its heading, for readers' ears too.
  useEffect(() => heading.current?.focus(), [step]);
  // What had the focus may have gone with what was shown before.
  useEffect(() => {
    if (document.activeElement === document.body) heading.current?.focus();
  }, [phase]);
  // Wherever the focus is: a control that went out of use while it worked leaves it nowhere.
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || event.defaultPrevented || asked) return;
      event.preventDefault();
      onLeave();
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  });
  return (
    <section className={`wizard at-${step}`} aria-label={title} data-testid="wizard" data-step={step}>
      <header className="wizard-head">
        <div className="grow">
          <h3 className="card-title">{title}</h3>
          <h4 ref={heading} tabIndex={-1} className="wizard-place dim">{t('wizard.place', { number: at + 1, count: steps.length, name: labelOf(step) })}</h4>
        </div>
        <button type="button" className="icon-button" aria-label={t('common.close')} title={t('common.close')} data-testid="wizard-close" onClick={onLeave}><Icon name="close" size={18} /></button>
      </header>
      <ol className="wizard-steps" aria-label={t('wizard.steps')}>
        {steps.map((name, index) => (
          <li key={name} className={index < at ? 'done' : undefined} aria-current={index === at ? 'step' : undefined}>
            <span className="wizard-number" aria-hidden="true">{index < at ? <Icon name="check" size={13} /> : index + 1}</span>{labelOf(name)}
          </li>
        ))}
      </ol>
      {children}
    </section>
  );
}
