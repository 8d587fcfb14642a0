import { fileURLToPath } from 'node:url';
import { goOnWithoutReaders } from '../../agent/closed-readers.ts';
import { bundle } from './bundle.ts';

goOnWithoutReaders();

/** `npm run build`: what package.json's `bin` points to. */
const root = fileURLToPath(new URL('../..', import.meta.url));
await bundle(`${root}agent/main.ts`, `${root}dist/agent.js`);
await bundle(`${root}agent/holder.ts`, `${root}dist/holder.js`);
await bundle(`${root}operator/main.ts`, `${root}dist/operator.js`);
await bundle(`${root}operator/cli/main.ts`, `${root}dist/kubectl-ikemesh.js`);
