import { isLongGone } from './gone.ts';
import { accessName, NODE_UID_LABEL } from './names.ts';
import type { Entries } from './node-entries.ts';
import type { Moment, Observed, WrittenObject } from './observed.ts';
import type { KnownNode } from './roster.ts';
import { nodesInChange } from './secret-change.ts';

/**
 * What nobody needs any more: the IPsecNodeConfig of a node that is known to be gone, its ServiceAccount and what that may
 * do, certificates that no node is told of or still uses, and Secrets that outlived their certificate. Most of it would go
 * with the IPsecNodeConfig that owns it; but a garbage collector that lags is minutes late, and these are rights.
 */
export function deletionsOf(
  observed: Observed,
  wanted: { readonly entries: Entries; readonly certificates: ReadonlySet<string> },
  roster: readonly KnownNode[],
  at: Moment,
): readonly WrittenObject[] {
  const present = new Set(roster.map(({ uid }) => uid));
  const names = new Set(roster.map(({ name }) => name));
  const isKnown = ({ metadata: { labels = {} } }: WrittenObject): boolean => {
    const uid = labels[NODE_UID_LABEL];
    return uid !== undefined && (present.has(uid) || isLongGone(observed.gone, uid, at));
  };
  const needed = neededSecrets(wanted.entries, roster);
  // A certificate that cannot be used shows only when the agent has it: until then those of before may be gone back to.
  const changing = nodesInChange(wanted.entries, roster);
  const isLeftOver = (each: WrittenObject, secretName: string): boolean =>
    isKnown(each) &&
    !changing.has(each.metadata.labels?.[NODE_UID_LABEL] ?? '') &&
    !wanted.certificates.has(each.metadata.name) &&
    !needed.has(secretName);
  const configs = observed.nodeConfigs.filter(
    ({ metadata: { name }, spec: { nodeUID } }) => !names.has(name) && isLongGone(observed.gone, nodeUID, at),
  );
  const certificates = observed.certificates.filter((each) => isLeftOver(each, each.spec.secretName));
  const issued = new Set(observed.certificates.map(({ spec }) => spec.secretName));
  const secrets = observed.secrets.filter(
    (each) => !issued.has(each.metadata.name) && isLeftOver(each, each.metadata.name),
  );
  const accessNames = new Set(roster.map(({ name }) => accessName(name)));
  const access = observed.access.filter(({ metadata: { name, labels = {} } }) => {
    const uid = labels[NODE_UID_LABEL];
    return uid !== undefined && !accessNames.has(name) && isLongGone(observed.gone, uid, at);
  });
  return [...configs, ...certificates, ...secrets, ...access];
}

/** Secrets that nodes are told of, or whose certificates their agents say they use. */
function neededSecrets(entries: Entries, roster: readonly KnownNode[]): ReadonlySet<string> {
  const told = [...entries.values()].flat().map(({ authentication }) => authentication.certificate?.secretName);
  const used = roster.flatMap(({ status }) =>
    (status?.peerings ?? []).map(({ certificate }) => certificate?.secretName),
  );
  return new Set([...told, ...used].filter((name) => name !== undefined));
}
