/** A process of its own that imports a folder into a list: `import-studies DATABASE FOLDER`; it says how many files are written after each batch. For tests that kill it. */
import { Library } from '../../src/review/library.ts';
import { StudyList } from '../../src/review/study-list.ts';

const [database, folder] = process.argv.slice(2) as [string, string];
const list = new StudyList(database, 'FabricLens test', () => {
  const images = list.search({ text: '', sort: 'date', descending: true, limit: 500 }).rows.reduce((sum, row) => sum + row.images, 0);
  process.stdout.write(`${images}\n`);
});
await list.import({}, (hooks) => new Library().open([folder], hooks));
process.stdout.write('done\n');
list.close();
