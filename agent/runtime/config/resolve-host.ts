import { lookup } from 'node:dns/promises';

import { err, ok, type Result } from '../../result.ts';
import type { IpAddress } from '../../wire/ip-address.ts';
import { LATE_ANSWER_MS, RESOLVE_TIMEOUT_MS } from './limits.ts';
import { parseHostAddress } from './scalars.ts';

/** Finds the addresses of a host; the error is a sentence. */
export type HostResolver = (host: string) => Promise<Result<readonly IpAddress[], string>>;

/**
 * Asks a lookup such as the system's, and no longer than a bound. Addresses that no peer can have are left out.
 *
 * A lookup cannot be called off, and the system makes few at a time: one that hangs would keep all others waiting, and each
 * further question would make the queue longer. So of each name one is under way at most. It goes on when nobody waits for it
 * any more, and what it finds is there for the next question.
 */
export function hostResolver(
  lookupAll: (host: string) => Promise<readonly { readonly address: string }[]>,
): HostResolver {
  const underWay = new Map<string, { readonly found: Promise<Found>; endedAtMs: number | undefined }>();
  const ask = (host: string): Promise<Found> => {
    const before = underWay.get(host);
    const isOld = before?.endedAtMs !== undefined && performance.now() - before.endedAtMs > LATE_ANSWER_MS;
    if (before !== undefined && !isOld) return before.found;
    const found = lookupAll(host).then(usableAddresses, (error: unknown) => err(failureText(host, error)));
    const lookup = { found, endedAtMs: undefined as number | undefined };
    underWay.set(host, lookup);
    void found.then(() => {
      lookup.endedAtMs = performance.now();
    });
    return found;
  };
  return async (host) => {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), RESOLVE_TIMEOUT_MS);
    });
    const found = await Promise.race([ask(host), timeout]);
    clearTimeout(timer);
    if (found === undefined)
      return err(`${host} did not resolve within ${RESOLVE_TIMEOUT_MS / 1_000} s: write its address, or mend DNS`);
    underWay.delete(host);
    return found;
  };
}

/** Asks the system's resolver. */
export const resolveHost: HostResolver = hostResolver((host) => lookup(host, { all: true, verbatim: true }));

/** Resolves each name once, all at the same time, so that it takes no longer than one does. */
export async function resolveHosts(
  hosts: readonly string[],
  resolver: HostResolver,
): Promise<ReadonlyMap<string, Found>> {
  const names = [...new Set(hosts)];
  return new Map(await Promise.all(names.map(async (host) => [host, await resolver(host)] as const)));
}

type Found = Result<readonly IpAddress[], string>;

function usableAddresses(found: readonly { readonly address: string }[]): Found {
  return ok(
    found.flatMap(({ address }) => {
      const usable = parseHostAddress(address);
      return usable.ok ? [usable.value] : [];
    }),
  );
}

function failureText(host: string, error: unknown): string {
  const code = (error as { readonly code?: unknown }).code;
  return `${host} does not resolve (${String(code ?? error)}): write its address, or mend DNS`;
}
