import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { chart, type KubernetesObject } from './helm.ts';

/** One resource of one rule, as a line: `operator cluster pods (name): get list`. */
export type Right = string;

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** What the roles of a release called `ikemesh` allow. */
export function installedRights(objects: readonly KubernetesObject[]): readonly Right[] {
  return objects
    .filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role')
    .flatMap(({ kind, metadata: { name, namespace }, ...rest }) => {
      const where = kind === 'ClusterRole' ? 'cluster' : namespace === 'ikemesh-nodes' ? 'nodes' : 'release';
      return (rest['rules'] as readonly Rule[]).flatMap(({ apiGroups, resources, resourceNames = [], verbs }) =>
        apiGroups.flatMap((group) =>
          resources.map((resource) => {
            const only = resourceNames.map((each) => each.replace(/^ikemesh-/, '<name>-')).join(' ');
            const full = group === '' ? resource : `${resource}.${group}`;
            return right(name.replace(/^ikemesh-/, ''), where, full, only, verbs.join(' '));
          }),
        ),
      );
    })
    .sort();
}

/** What the README of the chart says, with a reason for each. */
export function documentedRights(): readonly Right[] {
  const readme = readFileSync(join(chart, 'README.md'), 'utf8');
  const [, section = ''] = readme.split('### Rights');
  const rows = section
    .split('\n## ')[0]
    ?.split('\n')
    .filter((line) => /^\| [a-z]+ \| (cluster|nodes|release) /.test(line));
  return (rows ?? [])
    .map((row) => {
      const [account = '', where = '', resource = '', only = '', verbs = '', why = ''] = row
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', ''));
      if (why === '') throw new Error(`no reason is given: ${row}`);
      return right(account, where, resource, only, verbs);
    })
    .sort();
}

function right(account: string, where: string, resource: string, only: string, verbs: string): Right {
  return `${account} ${where} ${resource}${only === '' ? '' : ` (${only})`}: ${verbs}`;
}
