/** The real application in a test: a screenshot into test-results/ and its log when the test fails. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { launch, screenshot, type Launched, type LaunchOptions } from './launch.ts';

export { electronExecutable, launch, screenshot, type Launched, type LaunchOptions } from './launch.ts';

/** One application for all tests of a file or `describe`. */
export function withApp(options: LaunchOptions = {}): () => Launched {
  let launched: Launched | undefined;
  const get = (): Launched => {
    if (!launched) throw new Error('The application is not running.');
    return launched;
  };
  beforeAll(async () => {
    launched = await launch(options);
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail' || !launched) return;
    console.log(`screenshot: ${await screenshot(launched.page, task.name)}\napplication log:\n${launched.log()}`);
  });
  afterAll(async () => {
    await launched?.close();
    launched = undefined;
  });
  return get;
}
