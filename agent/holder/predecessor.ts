import { closeDescriptor } from '../native/libc.ts';
import { ok, type Result } from '../result.ts';
import type { HeldSockets } from './held-sockets.ts';
import { HolderConnection } from './holder-connection.ts';

/**
 * Takes what a holder that still answers at `path` has, so that the same sockets are held here when it ends. Gives the
 * number of them; the error says why nobody was asked.
 */
export function takeOver(path: string, sockets: HeldSockets): Result<number, string> {
  const opened = HolderConnection.open(path);
  if (!opened.ok) return opened;
  const connection = opened.value;
  const listed = connection.request({ request: 'list' });
  for (const name of listed.ok ? listed.value.names : []) {
    const taken = connection.request({ request: 'take', name });
    if (!taken.ok || taken.value.socket === undefined) continue;
    if (!sockets.hold(name, taken.value.socket)) closeDescriptor(taken.value.socket);
  }
  connection.close();
  return ok(sockets.names.length);
}
