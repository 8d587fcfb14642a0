import type { ApiClient } from '../../kube/api-client.ts';
import { type Known, known, unknown } from '../diagnosis/known.ts';
import { lackOf } from './lack-of.ts';

/** An object of whatever kind, of which nothing is certain but that it is one. */
export type RawObject = {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
  };
} & Readonly<Record<string, unknown>>;

export interface ListQuery {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** All objects of a collection, or why they cannot be had. */
export async function listKnown(
  client: ApiClient,
  what: string,
  path: string,
  query: ListQuery = {},
  signal?: AbortSignal,
): Promise<Known<readonly RawObject[]>> {
  const items: RawObject[] = [];
  let token = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const asked = { ...query, limit: PAGE_SIZE, ...(token === '' ? {} : { continue: token }) };
    const answer = await client.ask({ method: 'GET', path, query: asked }, signal);
    if (!answer.ok) return lackOf(what, answer.error);
    const body = answer.value as { readonly items?: readonly RawObject[]; readonly metadata?: { continue?: string } };
    if (!Array.isArray(body?.items))
      return unknown(what, 'failed', 'the answer is no list: is this a Kubernetes API server?');
    items.push(...body.items);
    token = body.metadata?.continue ?? '';
    if (token === '') return known(items);
  }
  return unknown(what, 'failed', `there are more than ${MAX_PAGES * PAGE_SIZE}`);
}

/** Some megabytes, whatever the kind. */
const PAGE_SIZE = 500;
/** Fifty thousand objects: ten for each of five thousand nodes. */
const MAX_PAGES = 100;
