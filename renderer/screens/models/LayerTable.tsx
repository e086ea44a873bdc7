import { useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { LayerRow } from '../../../src/contract/report.ts';
import { Icon } from '../../ui/icons.tsx';
import { milliseconds } from '../../ui/format.ts';
import { bytes, DASH, decibels, percent, shape, short, sorted, whole, type Sort } from './numbers.ts';

const COLUMNS: ReadonlyArray<{ id: Sort | 'shapes'; number: boolean }> = [
  { id: 'order', number: true }, { id: 'name', number: false }, { id: 'target', number: false }, { id: 'shapes', number: false }, { id: 'macs', number: true }, { id: 'cycles', number: true },
  { id: 'utilisation', number: false }, { id: 'bytes', number: true }, { id: 'ms', number: true }, { id: 'sqnr', number: true },
];

/** A row a layer. A click on a heading sorts by it: numbers first from above, then from below. */
export function LayerTable({ layers, chosen, onChoose }: { layers: readonly LayerRow[]; chosen: string | null; onChoose: (name: string) => void }): JSX.Element {
  const { t, i18n } = useTranslation();
  const [{ by, descending }, setSort] = useState<{ by: Sort; descending: boolean }>({ by: 'order', descending: false });
  const choose = (id: Sort): void => setSort(id === by ? { by, descending: !descending } : { by: id, descending: id !== 'order' && id !== 'name' && id !== 'target' });
  const order = new Map(layers.map((row, index) => [row, index + 1]));
  return (
    <div className="layer-scroll" tabIndex={0} role="group" aria-label={t('report.layers.title')}>
      <table className="grid layers" data-testid="layers">
        <thead>
          <tr>
            {COLUMNS.map(({ id, number }) => (
              <th key={id} scope="col" className={number ? 'number' : undefined} aria-sort={id === by ? (descending ? 'descending' : 'ascending') : undefined}>
                {id === 'shapes' ? t('report.layers.shapes') : (
                  <button type="button" className="sort" onClick={() => choose(id)}>
                    {t(`report.layers.${id}`)}{id === by && <Icon name={descending ? 'chevronDown' : 'chevronUp'} size={12} />}
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(layers, by, descending).map((row) => (
            <tr key={order.get(row)} className={row.name === chosen ? 'pointed' : undefined} onPointerEnter={() => onChoose(row.name)}>
              <td className="number dim">{order.get(row)}</td>
              <th scope="row" className="layer-name"><span title={row.name}>{row.name}</span><span className="dim">{row.operator}</span></th>
              <td>
                <span className={`place ${row.target}`}>{t(`report.target.${row.target}`)}</span>
                {row.reason !== null && <span className="dim reason" lang="en" title={row.reason}>{row.reason}</span>}
              </td>
              <td className="shapes"><span>{shape(row.input)} →</span> <span>{shape(row.output)}</span></td>
              <td className="number">{row.macs === 0 ? DASH : short(row.macs / 1e6)}</td>
              {row.within === null ? (
                <>
                  <td className="number">{whole(row.cycles, i18n.language)}</td>
                  <td>{row.utilisation === null ? DASH : <span className="bar-cell"><span className="bar" aria-hidden="true"><span className="bar-fill" style={{ width: `${Math.min(1, row.utilisation) * 100}%` }} /></span><span className="number bar-value">{percent(row.utilisation)}</span></span>}</td>
                  <td className="number">{row.target === 'address' ? DASH : bytes(row.bytes)}</td>
                  <td className="number">{row.ms === null ? DASH : milliseconds(row.ms)}</td>
                </>
              ) : <td className="dim within" colSpan={4}>{t('report.layers.within', { name: row.within })}</td>}
              <td className="number">{decibels(row.sqnr)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
