import { Button, Checkbox, NumberInput, SegmentedControl, Switch } from '@mantine/core';
import { useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { ENGINE_IDS, type EngineId } from '../../src/contract/engine.ts';
import type { Locale } from '../../src/contract/ipc.ts';
import { useApp, useAppState } from '../ui/app.ts';
import { Confirm } from '../ui/Confirm.tsx';

export function Settings(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const info = useAppState((s) => s.info);
  const settings = info?.settings;
  const known = useAppState((s) => s.studies.page?.all ?? 0);
  const [asking, setAsking] = useState<'forget' | 'clear' | null>(null);
  return (
    <main className="screen" aria-label={t('settings.title')}>
      <div className="screen-body narrow">
        <h2 className="screen-title">{t('settings.title')}</h2>
        {settings && (
          <div className="settings">
            <Row label={t('settings.language')} hint="">
              <SegmentedControl size="xs" aria-label={t('settings.language')} value={settings.locale} data={[{ value: 'en', label: 'English' }, { value: 'zh-CN', label: '简体中文' }]} onChange={(locale) => void session.setSettings({ locale: locale as Locale })} />
            </Row>
            <Row label={t('settings.runOnOpen')} hint={t('settings.runOnOpenHint')}>
              <Switch aria-label={t('settings.runOnOpen')} checked={settings.runOnOpen} onChange={(event) => void session.setSettings({ runOnOpen: event.currentTarget.checked })} />
            </Row>
            <Row label={t('settings.repeats')} hint={t('settings.repeatsHint')}>
              <NumberInput size="xs" w={90} aria-label={t('settings.repeats')} min={1} max={200} clampBehavior="strict" allowDecimal={false} value={settings.repeats} onChange={(value) => { if (typeof value === 'number' && value >= 1) void session.setSettings({ repeats: value }); }} />
            </Row>
            <Row label={t('settings.engines')} hint={t('settings.enginesHint')}>
              <div className="engine-checks">
                {ENGINE_IDS.map((engine) => {
                  const on = settings.engines.includes(engine);
                  return <Checkbox key={engine} size="xs" label={t(`engine.${engine}`)} checked={on} disabled={on && settings.engines.length === 1} onChange={() => void session.setSettings({ engines: toggled(settings.engines, engine) })} />;
                })}
              </div>
            </Row>
            <Row label={t('settings.remember')} hint={t('settings.rememberHint')}>
              <Switch aria-label={t('settings.remember')} checked={settings.rememberStudies} onChange={(event) => { if (event.currentTarget.checked) void session.setSettings({ rememberStudies: true }); else setAsking('forget'); }} />
            </Row>
            <Row label={t('settings.clear')} hint={t('settings.clearHint', { count: known })}>
              <Button size="xs" variant="default" data-testid="clear" onClick={() => setAsking('clear')}>{t('settings.clearButton')}</Button>
            </Row>
          </div>
        )}
        {asking && (
          <Confirm
            title={t(asking === 'clear' ? 'settings.clear' : 'settings.forget')} text={t(asking === 'clear' ? 'settings.clearText' : 'settings.forgetText')} yes={t('settings.delete')} no={t('common.cancel')}
            onYes={() => {
              if (asking === 'clear') void session.studies.clear(t('settings.cleared'), (text) => session.notify('info', text));
              else void session.setSettings({ rememberStudies: false });
              setAsking(null);
            }}
            onNo={() => setAsking(null)}
          />
        )}
        {info && <p className="dim small">{t('settings.about', { version: info.version, electron: info.electron })}</p>}
      </div>
    </main>
  );
}

/** In the order of the contract: CPU fp32, the reference, stays first. */
const toggled = (engines: readonly EngineId[], engine: EngineId): EngineId[] => ENGINE_IDS.filter((id) => (id === engine ? !engines.includes(id) : engines.includes(id)));

function Row({ label, hint, children }: { label: string; hint: string; children: JSX.Element }): JSX.Element {
  return (
    <div className="setting">
      <div className="grow"><strong>{label}</strong>{hint && <p className="dim">{hint}</p>}</div>
      {children}
    </div>
  );
}
