import { writeSync } from 'node:fs';

import { measureHandshakes } from './handshake.ts';

/*
 * The process that the handshake bench reads: `node handshake-process.ts quick|full INDEX` writes its result as JSON.
 */

const [extent, index] = process.argv.slice(2);
const result = measureHandshakes(extent === 'quick' ? 'quick' : 'full', Number(index), (doing) => {
  process.stderr.write(`bench handshake: ${doing}\n`);
});
writeSync(process.stdout.fd, JSON.stringify(result));
