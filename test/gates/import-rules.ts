/**
 * Which room may import which (DESIGN.md, "The rooms"). imports.test.ts runs it over the tree, says how much it read,
 * and plants violations to see them caught.
 */
import type { ICruiseOptions, IRegularForbiddenRuleType } from 'dependency-cruiser';

const ROOMS = ['hosts', 'review', 'compiler', 'engines', 'board', 'preprocess', 'dicom', 'contract'];
const TESTS = '\\.test\\.tsx?$';
/** Pure rooms: values in, values out; alike in Node, a worker and a page. */
const PURE = '^src/(dicom|preprocess|contract)/';

type Rule = IRegularForbiddenRuleType;
const rule = (name: string, from: Rule['from'], to: Rule['to']): Rule => ({ name, severity: 'error', from, to });

export const IMPORT_RULES: { forbidden: Rule[]; options: ICruiseOptions } = {
  forbidden: [
    ...ROOMS.map((room, index) =>
      rule(
        `${room}-only-to-its-right`,
        { path: `^src/${room}/`, pathNot: TESTS },
        { path: '^(src|renderer|test|scripts)/', pathNot: `^src/(${ROOMS.slice(index).join('|')})/` },
      ),
    ),
    rule(
      'renderer-only-contract',
      { path: '^renderer/', pathNot: ['^renderer/workers/', TESTS, '^renderer/vite\\.config\\.ts$'] },
      { path: '^(src|test|scripts|agent|hls)/', pathNot: '^src/contract/' },
    ),
    rule(
      'renderer-workers-only-contract-and-dicom',
      { path: '^renderer/workers/', pathNot: TESTS },
      { path: '^(src|test|scripts|agent|hls)/', pathNot: '^src/(contract|dicom)/' },
    ),
    rule('product-never-imports-tests', { path: '^(src|renderer|scripts)/', pathNot: TESTS }, { path: '(^test/|\\.test\\.tsx?$)' }),
    // What a program is held against shares nothing with what makes it but the file reader (docs/decisions/proof.md).
    rule('reference-is-a-witness', { path: '^src/compiler/prove/', pathNot: [TESTS, '^src/compiler/prove/(index|program)\\.ts$'] }, { path: '^(src|hls)/', pathNot: '^src/compiler/(prove/|onnx\\.ts$)' }),
    rule('pure-rooms-have-no-effects', { path: PURE, pathNot: TESTS }, { dependencyTypes: ['core'] }),
    rule('electron-only-in-its-host', { path: '^(src|renderer)/', pathNot: ['^src/hosts/electron/', TESTS] }, { path: '^(node_modules/)?electron(/|$)' }),
    rule('no-cycles', { path: '^(src|renderer)/' }, { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } }),
    // Style sheets and Vite's queries are the bundler's to resolve.
    rule('no-unresolved', { path: '^(src|renderer)/' }, { couldNotResolve: true, pathNot: '(\\?(url|worker|raw)|\\.css)$' }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
