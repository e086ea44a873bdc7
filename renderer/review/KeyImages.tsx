/** The images that the reader marked: a list to go through. */
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { keySlices } from '../state/keyImages.ts';
import { positionOf } from '../state/selectors.ts';
import { useAction, useApp, useAppState } from '../ui/app.ts';
import { Icon } from '../ui/icons.tsx';
import { Thumb } from './Thumb.tsx';

export function KeyImages(): JSX.Element | null {
  const { t } = useTranslation();
  const { session } = useApp();
  const library = useAppState((s) => s.library);
  const marked = useAppState((s) => s.keyImages);
  const exporting = useAction('key.export');
  const slices = keySlices(library, marked);
  if (slices.length === 0) return null;
  return (
    <section className="key-images" aria-label={t('key.title')} data-testid="key-images">
      <header>
        <Icon name="star" size={14} />
        <h2 className="grow">{t('key.title')}</h2>
        <button type="button" className="icon-button" title={exporting.title} aria-label={exporting.label} onClick={exporting.run}><Icon name="export" size={14} /></button>
      </header>
      <ul>
        {slices.map(({ series, instance, frame }) => {
          const position = positionOf(series, instance.id, frame);
          const name = [series.description || series.modality, t('key.place', { place: position + 1 })].join(' · ');
          return (
            <li key={`${instance.id}/${frame}`}>
              <button type="button" className="key-image" title={name} aria-label={name} onClick={() => session.select(series.uid, position)}><Thumb instanceId={instance.id} frame={frame} size={44} /></button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
