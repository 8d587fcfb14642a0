import { parseArgs } from 'node:util';
import { goOnWithoutReaders } from './closed-readers.ts';
import { fetchReadiness } from './runtime/status/readiness-client.ts';

goOnWithoutReaders();

/**
 * The probe of an agent's pod, every ten seconds on every node: `agent ready` without all that an agent is made of, which would
 * be six times the processor time and twice the memory.
 */
const { socket } = parseArgs({ options: { socket: { type: 'string', default: '/run/ikemesh/agent.sock' } } }).values;
const report = await fetchReadiness(socket);
if (report.ok) process.stdout.write(`${report.value.text}\n`);
else process.stderr.write(`${report.error}\n`);
process.exitCode = report.ok && report.value.ready ? 0 : 1;
