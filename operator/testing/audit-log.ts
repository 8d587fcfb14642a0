import { readFile } from 'node:fs/promises';

/** One request, as the API server wrote it down. */
export interface AuditedRequest {
  readonly user: string;
  readonly verb: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  readonly code: number;
  readonly dryRun: boolean;
}

/** All requests that the API server wrote down since a position; answers where the next ones begin, too. */
export async function readAuditLog(
  file: string,
  from = 0,
): Promise<{ readonly requests: readonly AuditedRequest[]; readonly end: number }> {
  const bytes = await readFile(file);
  const end = bytes.lastIndexOf('\n') + 1;
  const lines = bytes.subarray(from, end).toString('utf8').split('\n').slice(0, -1);
  return { requests: lines.map((line) => requestOf(JSON.parse(line) as RawEvent)), end };
}

/** Requests that change something. */
export function writesOf(requests: readonly AuditedRequest[], user: RegExp): readonly AuditedRequest[] {
  return requests.filter(
    ({ user: name, verb, dryRun }) =>
      user.test(name) && !dryRun && ['create', 'update', 'patch', 'delete', 'deletecollection'].includes(verb),
  );
}

/** `patch certificates` and how often, of requests. */
export function countsOf(requests: readonly AuditedRequest[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { verb, resource, subresource } of requests) {
    const name = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

interface RawEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly requestURI: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly name?: string };
  readonly responseStatus?: { readonly code?: number };
}

function requestOf({ user, verb, requestURI, objectRef = {}, responseStatus }: RawEvent): AuditedRequest {
  return {
    user: user.username,
    verb,
    resource: objectRef.resource ?? '',
    subresource: objectRef.subresource ?? '',
    name: objectRef.name ?? '',
    code: responseStatus?.code ?? 0,
    dryRun: requestURI.includes('dryRun='),
  };
}
