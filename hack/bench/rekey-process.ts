import { writeSync } from 'node:fs';

import { measureRekeys } from './rekey.ts';

/*
 * The process that the rekey bench reads: `node rekey-process.ts quick|full` writes its result as JSON.
 */

const result = measureRekeys(process.argv[2] === 'quick' ? 'quick' : 'full', (doing) => {
  process.stderr.write(`bench rekey: ${doing}\n`);
});
writeSync(process.stdout.fd, JSON.stringify(result));
