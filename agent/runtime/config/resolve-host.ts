import { lookup } from 'node:dns/promises';

import { err, ok, type Result } from '../../result.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import { RESOLVE_CONCURRENCY, RESOLVE_TIMEOUT_MS } from './limits.ts';
import { parseHostAddress } from './scalars.ts';

/** Finds the addresses of a host; the error is a sentence. */
export type HostResolver = (host: string) => Promise<Result<readonly IpAddress[], string>>;

/** Asks the system's resolver, and no longer than a bound. Addresses that no peer can have are left out. */
export const resolveHost: HostResolver = async (host) => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), RESOLVE_TIMEOUT_MS);
  });
  try {
    const found = await Promise.race([lookup(host, { all: true, verbatim: true }), timeout]);
    if (found === undefined) return err(`${host} did not resolve within ${RESOLVE_TIMEOUT_MS / 1_000} s`);
    return ok(
      found.flatMap(({ address }) => {
        const usable = parseHostAddress(address);
        return usable.ok ? [usable.value] : [];
      }),
    );
  } catch (error) {
    const code = (error as { readonly code?: unknown }).code;
    return err(`${host} does not resolve (${String(code ?? error)}): write its address, or mend DNS`);
  } finally {
    clearTimeout(timer);
  }
};

/** Resolves each name once, a bounded number at a time. */
export async function resolveHosts(
  hosts: readonly string[],
  resolver: HostResolver,
): Promise<ReadonlyMap<string, Result<readonly IpAddress[], string>>> {
  const found = new Map<string, Result<readonly IpAddress[], string>>();
  const waiting = [...new Set(hosts)];
  const next = async (): Promise<void> => {
    for (let host = waiting.pop(); host !== undefined; host = waiting.pop()) found.set(host, await resolver(host));
  };
  await Promise.all(Array.from({ length: RESOLVE_CONCURRENCY }, next));
  return found;
}
