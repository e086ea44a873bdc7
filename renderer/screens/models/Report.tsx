import { Button } from '@mantine/core';
import { useEffect, useState, type JSX, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { AddModelReport, Proof } from '../../../src/contract/report.ts';
import { useApp, useTextOf } from '../../ui/app.ts';
import { milliseconds } from '../../ui/format.ts';
import { Icon } from '../../ui/icons.tsx';
import { LayerTable } from './LayerTable.tsx';
import { bytes, DASH, decibels, percent, short, whole } from './numbers.ts';
import { RooflinePicture } from './Roofline.tsx';

type Loaded = { state: 'loading' } | { state: 'there'; report: AddModelReport | null } | { state: 'failed'; message: string };

/** report.json of a package, or what to do where it has none. */
export function ReportTab({ id }: { id: string }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const [loaded, setLoaded] = useState<Loaded>({ state: 'loading' });
  useEffect(() => {
    let current = true;
    session.report(id).then((report) => current && setLoaded({ state: 'there', report }), (error: Error) => current && setLoaded({ state: 'failed', message: error.message }));
    return () => void (current = false);
  }, [session, id]);
  if (loaded.state === 'loading') return <p className="dim" role="status">{t('report.loading')}</p>;
  if (loaded.state === 'failed') return <div className="callout error" role="alert"><Icon name="error" size={18} /><p lang="en">{loaded.message}</p></div>;
  if (loaded.report === null) return <div className="callout info" data-testid="no-report"><Icon name="info" size={18} /><p>{t('report.none')}</p></div>;
  return <Report report={loaded.report} />;
}

function Report({ report }: { report: AddModelReport }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const textOf = useTextOf();
  const [chosen, setChosen] = useState<string | null>(null);
  const { advice, notes, skipped, roofline } = report;
  return (
    <article className="report" data-testid="report">
      <Totals report={report} />
      {advice.length > 0 && (
        <Section title={t('report.adviceTitle')}>
          <ol className="advice" data-testid="advice">
            {advice.map(({ code, message, values }) => (
              <li key={code}><Icon name={code === 'all-on-pl' ? 'check' : 'info'} size={16} /><span>{textOf(`report.advice.${code}`, message, values)}</span></li>
            ))}
          </ol>
        </Section>
      )}
      {roofline.points.length > 0 && <Section title={t('report.roofline.title')}><RooflinePicture roofline={roofline} chosen={chosen} onChoose={setChosen} /></Section>}
      <Section title={t('report.layers.title')}><LayerTable layers={report.layers} chosen={chosen} onChoose={setChosen} /></Section>
      <div className="report-pair">
        <Section title={t('report.proof.title')}><ProofSummary proof={report.proof} /></Section>
        <Section title={t('report.quantisation.title')}><Quantisation report={report} /></Section>
      </div>
      {notes.length > 0 && <Section title={t('report.notes')}><ul lang="en">{notes.map((note) => <li key={note}>{note}</li>)}</ul></Section>}
      {skipped.length > 0 && <Section title={t('report.skipped', { count: skipped.length })}><ul lang="en">{skipped.map(({ file, message }) => <li key={file}>{message}</li>)}</ul></Section>}
      <Button size="xs" variant="default" leftSection={<Icon name="export" />} data-testid="export-report" onClick={() => void session.exportReport(report.model, t('report.exported'))}>{t('report.export')}</Button>
    </article>
  );
}

function Section({ title, children }: { title: string; children: ReactNode }): JSX.Element {
  return <section aria-label={title}><h4>{title}</h4>{children}</section>;
}

function Totals({ report: { totals, core, layers, quantisation } }: { report: AddModelReport }): JSX.Element {
  const { t, i18n } = useTranslation();
  const onPl = totals.macs === 0 ? null : totals.macsOnPl / totals.macs;
  const output = quantisation.outputs[0];
  const tiles: Array<[string, string, string]> = [
    [t('report.totals.ms'), totals.ms === null ? DASH : `${milliseconds(totals.ms)} ms`, t('report.totals.msNote', { megahertz: core.megahertz, source: t(`latency.source.${core.source}`) })],
    [t('report.totals.cycles'), whole(totals.cycles, i18n.language), t('report.totals.cyclesNote', { macs: short(totals.macs / 1e6) })],
    [t('report.totals.utilisation'), percent(totals.utilisation), t('report.totals.utilisationNote', { macs: core.macsPerCycle })],
    [t('report.totals.onPl'), percent(onPl), t('report.totals.onPlNote', { pl: totals.layers.PL, ps: totals.layers.PS, address: totals.layers.address })],
    [t('report.totals.arena'), bytes(totals.arenaBytes + totals.floatArenaBytes), t('report.totals.arenaNote', { program: bytes(totals.programBytes) })],
    [t('report.totals.sqnr'), output === undefined ? DASH : `${decibels(output.sqnr)} dB`, t('report.totals.sqnrNote', { name: output?.name ?? '' })],
  ];
  return (
    <>
      <dl className="tiles" data-testid="totals">
        {tiles.map(([name, value, note]) => <div key={name}><dt>{name}</dt><dd className="tile-value">{value}</dd><dd className="dim small">{note}</dd></div>)}
      </dl>
      <p className="dim small">{t(layers.some((row) => row.target === 'PS') ? 'report.presumesPs' : 'report.presumes', { clock: t(`report.clock.${core.clockFrom}`), bandwidth: short(core.bytesPerSecond / 1e9), latency: short(core.latencyNs) })}</p>
    </>
  );
}

function ProofSummary({ proof: { rule, golden, labelAgreement, maxDelta, runtimeLevels } }: { proof: Proof }): JSX.Element {
  const { t, i18n } = useTranslation();
  const kept = rule.state === 'kept';
  return (
    <>
      <div className={`verdict ${kept ? 'agree' : 'apart'}`} data-testid="proof">
        <Icon name={kept ? 'check' : 'warning'} size={20} />
        <div>
          <strong>{t(kept ? 'report.proof.kept' : 'report.proof.notRun')}</strong>
          {kept
            ? <p>{t('report.proof.compared', { compared: whole(rule.compared, i18n.language), of: whole(rule.of, i18n.language), stages: rule.layers.length, samples: rule.samples, ties: whole(rule.nearTies, i18n.language) })}</p>
            : <p lang="en">{rule.why}</p>}
        </div>
      </div>
      {kept && rule.left.length > 0 && <ul className="small" lang="en">{rule.left.map((line) => <li key={line}>{line}</li>)}</ul>}
      <dl className="facts">
        {labelAgreement !== null && <><dt>{t('report.proof.labels')}</dt><dd>{percent(labelAgreement)}</dd></>}
        {maxDelta !== null && <><dt>{t('report.proof.maxDelta')}</dt><dd>{maxDelta.toFixed(4)}</dd></>}
        <dt>{t('report.proof.golden')}</dt>
        <dd>{golden.state === 'ok' ? t('report.proof.goldenText', { samples: golden.samples, all: short(golden.all.maxDifference), off: short(golden.disabled.maxDifference) }) : <span lang="en">{golden.why}</span>}</dd>
        <dt>{t('report.proof.levels')}</dt><dd>{short(runtimeLevels.maxDifference)}</dd>
      </dl>
    </>
  );
}

function Quantisation({ report: { quantisation, layers } }: { report: AddModelReport }): JSX.Element {
  const { t } = useTranslation();
  const { by, chosen, samples, heldOut, heldOutUnseen, outputs, worst } = quantisation;
  return (
    <>
      <dl className="facts">
        <dt>{t('report.quantisation.scales')}</dt>
        <dd>{by === 'imported' || chosen === null ? t('report.quantisation.imported') : [t(`method.${chosen.method as 'minmax'}`), ...(chosen.biasCorrection ? [t('report.quantisation.bias')] : []), ...(chosen.equalised ? [t('report.quantisation.equalised')] : [])].join(', ')}</dd>
        <dt>{t('report.quantisation.samples')}</dt>
        <dd>{t(heldOutUnseen ? 'report.quantisation.unseen' : 'report.quantisation.seen', { samples, heldOut })}</dd>
        {outputs.map(({ name, sqnr, maxDifference }) => <Output key={name} name={name} text={t('report.quantisation.output', { sqnr: decibels(sqnr), difference: short(maxDifference) })} />)}
      </dl>
      {worst.length > 0 && (
        <table className="grid numbers">
          <thead><tr><th scope="col">{t('report.quantisation.worst')}</th><th scope="col" className="number">{t('report.layers.sqnr')}</th><th scope="col" className="number">{t('report.quantisation.own')}</th><th scope="col" className="number">{t('report.quantisation.saturated')}</th></tr></thead>
          <tbody>
            {worst.slice(0, 5).flatMap((name) => layers.find((row) => row.name === name) ?? []).map((row) => (
              <tr key={row.name}><th scope="row" className="clip" title={row.name}>{row.name}</th><td className="number">{decibels(row.sqnr)}</td><td className="number">{decibels(row.ownSqnr)}</td><td className="number">{percent(row.saturation)}</td></tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

const Output = ({ name, text }: { name: string; text: string }): JSX.Element => <><dt><code>{name}</code></dt><dd>{text}</dd></>;
