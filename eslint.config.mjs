import tseslint from 'typescript-eslint';

const ELECTRON_IPC = {
  selector: "ImportSpecifier[imported.name='ipcMain'], MemberExpression[property.name='ipcMain']",
  message: 'Raw ipcMain stays in src/hosts/electron/ipc.ts: add a call to src/contract/ipc.ts instead.',
};
const DEFAULT_EXPORT = { selector: 'ExportDefaultDeclaration', message: 'Named exports only: one name a thing, everywhere.' };

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', 'build/', 'release/', '.cache/', 'coverage/', 'test-results/'] },
  { files: ['**/*.mjs'], extends: [tseslint.configs.recommended] },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.recommended],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test'] }] }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-restricted-syntax': ['error', DEFAULT_EXPORT, ELECTRON_IPC],
    },
  },
  { files: ['src/hosts/electron/ipc.ts'], rules: { 'no-restricted-syntax': ['error', DEFAULT_EXPORT] } },
  // Tools want their configuration as a default export.
  { files: ['**/*.config.ts'], rules: { 'no-restricted-syntax': 'off' } },
  // A library, not a terminal: what these rooms have to say they return or hand to a logger.
  { files: ['src/**/*.ts', 'renderer/**/*.ts', 'renderer/**/*.tsx'], ignores: ['**/*.test.ts', 'src/hosts/**'], rules: { 'no-console': 'error' } },
);
