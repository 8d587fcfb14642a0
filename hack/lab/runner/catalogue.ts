import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import type { Scenario } from './scenario.ts';

/** All scenarios, in the order of their files: by default each file of `scenarios/` that is not a test, which exports one or several. */
export async function scenarioCatalogue(files = scenarioFiles()): Promise<readonly Scenario[]> {
  const scenarios: Scenario[] = [];
  for (const file of files) {
    const module = (await import(pathToFileURL(file).href)) as { readonly default: Scenario | readonly Scenario[] };
    scenarios.push(...[module.default].flat());
  }
  return scenarios;
}

/** Text of a program that runs those scenarios of these files that its argument names; it is bundled before it enters the lab. */
export function runnerText(files = scenarioFiles()): string {
  const imports = files.map((file, index) => `import scenario${index} from ${JSON.stringify(file)};`);
  return [
    ...imports,
    `import { runScenarios } from ${JSON.stringify(join(import.meta.dirname, 'run-scenarios.ts'))};`,
    `const scenarios = [${files.map((_, index) => `scenario${index}`).join(', ')}].flat();`,
    `await runScenarios(scenarios, JSON.parse(process.argv[2] ?? ''));`,
    'process.exit(0);',
  ].join('\n');
}

function scenarioFiles(): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(folder, name));
}

const folder = join(import.meta.dirname, '../scenarios');
