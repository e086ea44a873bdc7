/**
 * dicom-parser as a second witness of structure: every element that both read lies at the same place, with the same length, in the same
 * item of the same sequence. Why it is the witness and not the parser: docs/decisions/dicom-structure.md.
 */
import { readdirSync, readFileSync } from 'node:fs';
import dicomParser from 'dicom-parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dataPath, hasData } from '../../test/support/data.ts';
import { TS, writeDicom, type Elements } from '../../test/support/dicom-writer.ts';
import type { DataSet } from './dataset.ts';
import { parseDicom } from './index.ts';


interface Count {
  elements: number;
}

/** Differences between the two readings, as sentences; counts what was compared. */
function differences(ours: DataSet, theirs: dicomParser.DataSet, count: Count, at = ''): string[] {
  const found: string[] = [];
  const names = new Set([...ours.elements.keys()].map((id) => `x${id.toString(16).padStart(8, '0')}`));
  for (const name of Object.keys(theirs.elements)) {
    // Group 0002 is a data set of its own with us; delimiters are no elements.
    if (!names.has(name) && !name.startsWith('x0002') && !name.startsWith('xfffe')) found.push(`${at}/${name}: only dicom-parser has it`);
  }
  for (const [id, element] of ours.elements) {
    const name = `x${id.toString(16).padStart(8, '0')}`;
    const other = theirs.elements[name];
    if (!other) {
      found.push(`${at}/${name}: only we have it`);
      continue;
    }
    count.elements++;
    if (other.dataOffset !== element.offset) found.push(`${at}/${name}: value at ${element.offset}, dicom-parser says ${other.dataOffset}`);
    if (!element.items && !element.encapsulated && !other.hadUndefinedLength && other.length !== element.length) found.push(`${at}/${name}: ${element.length} bytes, dicom-parser says ${other.length}`);
    if (element.encapsulated && other.fragments) {
      const mine = element.encapsulated.fragments.map((f) => [f.offset, f.length]);
      const its = other.fragments.map((f) => [f.position, f.length]);
      if (JSON.stringify(mine) !== JSON.stringify(its)) found.push(`${at}/${name}: other fragments`);
    }
    if (!other.items) continue;
    const items = ours.items({ id, vr: 'SQ' } as Parameters<DataSet['items']>[0]);
    if (items.length !== other.items.length) found.push(`${at}/${name}: ${items.length} items, dicom-parser says ${other.items.length}`);
    items.forEach((item, i) => {
      const its = other.items?.[i]?.dataSet;
      if (its) found.push(...differences(item, its, count, `${at}/${name}[${i}]`));
    });
  }
  return found;
}

const elements: fc.Arbitrary<Elements> = fc.letrec<{ set: Elements; items: Elements[] }>((tie) => ({
  items: fc.array(tie('set'), { maxLength: 3 }),
  set: fc
    .uniqueArray(fc.integer({ min: 0x00100010, max: 0x00cfffff }).filter((id) => (id >>> 16) % 2 === 0), { maxLength: 5 })
    .chain((ids) =>
      fc.tuple(...ids.map((id) => fc.oneof(
        { maxDepth: 6, depthIdentifier: 'nesting' },
        fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map((text) => ['LO', text.replaceAll('\\', ' ')] as const),
        fc.array(fc.nat(65535), { maxLength: 4 }).map((values) => ['US', values] as const),
        fc.uint8Array({ maxLength: 9 }).map((bytes) => ['OB', bytes] as const),
        tie('items').map((items) => ['SQ', items] as const),
      ).map((value) => [id.toString(16).toUpperCase().padStart(8, '0'), value] as const))),
    )
    .map((entries) => Object.fromEntries(entries) as Elements),
})).set;

describe('dicom-parser as a witness', () => {
  test('random data sets in every encoding have one structure', () => {
    const count = { elements: 0 };
    fc.assert(
      fc.property(elements, fc.constantFrom(TS.explicit, TS.implicit, TS.bigEndian), fc.boolean(), (set, transferSyntax, undefinedLengths) => {
        const bytes = writeDicom({ elements: set, transferSyntax, undefinedLengths });
        expect(differences(parseDicom(bytes).dataSet, dicomParser.parseDicom(bytes), count)).toEqual([]);
      }),
      { numRuns: 300 },
    );
    expect(count.elements).toBeGreaterThan(4_000);
  });

  test('a moved or resized element would be seen', () => {
    const bytes = writeDicom({ elements: { '00100020': ['LO', 'T1'] } });
    const theirs = dicomParser.parseDicom(bytes);
    theirs.elements['x00100020']!.length += 2;
    theirs.elements['x00280010']!.dataOffset += 2;
    expect(differences(parseDicom(bytes).dataSet, theirs, { elements: 0 })).toHaveLength(2);
  });

  test.skipIf(!hasData('dicom'))('test set: what dicom-parser reads, we read alike', () => {
    const count = { elements: 0 };
    let files = 0;
    const found: string[] = [];
    for (const name of readdirSync(dataPath('dicom')).filter((file) => file !== 'MANIFEST.tsv')) {
      const bytes = new Uint8Array(readFileSync(dataPath('dicom', name)));
      let theirs: dicomParser.DataSet;
      try {
        theirs = dicomParser.parseDicom(bytes);
      } catch {
        continue;
      }
      // Deflated: its offsets count from the file's start, ours from the inflated data set's.
      if (theirs.string('x00020010') === '1.2.840.10008.1.2.1.99') continue;
      files++;
      found.push(...differences(parseDicom(bytes).dataSet, theirs, count).map((difference) => `${name}${difference}`));
    }
    console.log(`dicom-parser agrees on ${count.elements} elements of ${files} files`);
    expect(files).toBeGreaterThan(100);
    expect(found).toEqual([]);
  });
});
