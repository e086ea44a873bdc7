/**
 * Which room may import which (DESIGN.md, "The rooms"). test/gates/imports.test.ts runs it over the tree, says how much it read,
 * and plants violations to see them caught.
 */
const ROOMS = ['hosts', 'review', 'compiler', 'engines', 'board', 'preprocess', 'dicom', 'contract'];
const TESTS = '\\.test\\.tsx?$';
/** Pure rooms: values in, values out; alike in Node, a worker and a page. */
const PURE = '^src/(dicom|preprocess|contract)/';

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...ROOMS.map((room, index) => ({
      name: `${room}-only-to-its-right`,
      severity: 'error',
      from: { path: `^src/${room}/`, pathNot: TESTS },
      to: { path: '^(src|renderer|test|scripts)/', pathNot: `^src/(${ROOMS.slice(index).join('|')})/` },
    })),
    {
      name: 'renderer-only-contract',
      severity: 'error',
      from: { path: '^renderer/', pathNot: ['^renderer/workers/', TESTS, '^renderer/vite\\.config\\.ts$'] },
      to: { path: '^(src|test|scripts|agent|hls)/', pathNot: '^src/contract/' },
    },
    {
      name: 'renderer-workers-only-contract-and-dicom',
      severity: 'error',
      from: { path: '^renderer/workers/', pathNot: TESTS },
      to: { path: '^(src|test|scripts|agent|hls)/', pathNot: '^src/(contract|dicom)/' },
    },
    {
      name: 'product-never-imports-tests',
      severity: 'error',
      from: { path: '^(src|renderer|scripts)/', pathNot: TESTS },
      to: { path: '(^test/|\\.test\\.tsx?$)' },
    },
    {
      name: 'pure-rooms-have-no-effects',
      severity: 'error',
      from: { path: PURE, pathNot: TESTS },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'electron-only-in-its-host',
      severity: 'error',
      from: { path: '^(src|renderer)/', pathNot: ['^src/hosts/electron/', TESTS] },
      to: { path: '^(node_modules/)?electron(/|$)' },
    },
    { name: 'no-cycles', severity: 'error', from: { path: '^(src|renderer)/' }, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'no-unresolved', severity: 'error', from: { path: '^(src|renderer)/' }, to: { couldNotResolve: true, pathNot: '\\?(url|worker|raw)' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
