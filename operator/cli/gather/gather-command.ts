import { stringify } from 'yaml';

import { pathOf, type ResourceType, typeOf } from '../../kube/resource-path.ts';
import { VERSION } from '../../version.ts';
import { eachOf, withAgents } from '../cluster/ask-agents.ts';
import { deadline, type Gathered, gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import { lackOf } from '../cluster/lack-of.ts';
import { listKnown } from '../cluster/list.ts';
import type { Target } from '../cluster/target.ts';
import { diagnose } from '../diagnosis/diagnose.ts';
import type { Facts, PodFact } from '../diagnosis/facts.ts';
import { lackText, valueOr } from '../diagnosis/known.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';
import { UsageError } from '../run-command.ts';
import { meshStatus } from '../status/mesh-status.ts';
import { statusLines } from '../status/status-command.ts';
import { plainly } from '../text/colour.ts';
import { whyLines } from '../why/why-command.ts';
import { type BundleFile, writeBundle } from './bundle.ts';
import { MAX_BUNDLE_BYTES, MAX_LOG_BYTES, MAX_LOG_LINES, MAX_NODES, MAX_OBJECTS } from './limits.ts';
import { redactObject, redactText } from './redact.ts';

export interface GatherFlags {
  readonly out?: string;
  readonly node?: readonly string[];
}

/** `kubectl ikemesh gather`: everything that helps to find a fault from afar, and nothing secret. */
export async function gatherCommand(target: Target, { out, node }: GatherFlags): Promise<Outcome> {
  const at = target.wallMs();
  const name = out ?? `ikemesh-gather-${new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, '')}.tar.gz`;
  const gathered = await gatherFacts(target);
  const contents = new Contents();
  await addObjects(target, gathered, contents);
  const facts = await addAgents(target, gathered, node, contents);
  await addLogs(target, valueOr(facts.pods, []), contents);
  addSummaries(facts, contents);
  const lacks = [...new Set([...lacksOf({ ...gathered, facts }), ...contents.lacks])];
  const about = {
    plugin: VERSION,
    at: new Date(at).toISOString(),
    installation: gathered.installation,
    incomplete: lacks,
  };
  contents.add('about.yaml', stringify(about));
  target.progress.tell(`writing ${name}`);
  try {
    await writeBundle(name, contents.files, at);
  } catch (error) {
    throw new UsageError(`${name} cannot be written: ${error instanceof Error ? error.message : error}`);
  }
  const lines = [`${contents.files.length} files in ${name}; keys, passwords and tokens were taken out`];
  const code =
    lacks.length === 0 ? ExitCode.Fine : gathered.facts.installed.known ? ExitCode.Incomplete : ExitCode.NotInstalled;
  return { code, value: { out: name, files: contents.files.map(({ path }) => path) }, lines: () => lines, lacks };
}

/** The files of a bundle, up to a limit, and what is missing in it. */
class Contents {
  readonly files: BundleFile[] = [];
  readonly lacks: string[] = [];
  #bytes = 0;

  /** What is added has been redacted. */
  add(path: string, text: string): void {
    this.#bytes += text.length;
    if (this.#bytes > MAX_BUNDLE_BYTES)
      this.lacks.push(`${path}: the bundle would have more than ${MAX_BUNDLE_BYTES} bytes`);
    else this.files.push({ path, text });
  }
}

async function addObjects(target: Target, { installation, facts }: Gathered, contents: Contents): Promise<void> {
  const { namespace, nodesNamespace } = installation;
  const ours = { labelSelector: 'app.kubernetes.io/part-of=ikemesh' };
  const all: readonly (readonly [string, ResourceType, string?, { readonly labelSelector?: string }?])[] = [
    ['nodes', typeOf('Node')],
    ...(facts.installed.known
      ? ([
          ['ipsecpeerings', typeOf('IPsecPeering')],
          ['ipsecnodeconfigs', typeOf('IPsecNodeConfig')],
          ['ipsecpeerslices', typeOf('IPsecPeerSlice')],
        ] as const)
      : []),
    ['pods', typeOf('Pod'), namespace, ours],
    ['deployments', { apiVersion: 'apps/v1', plural: 'deployments' }, namespace, ours],
    ['daemonsets', { apiVersion: 'apps/v1', plural: 'daemonsets' }, namespace, ours],
    ['certificates', typeOf('Certificate'), nodesNamespace],
    ['certificaterequests', typeOf('CertificateRequest'), nodesNamespace],
    ['issuers', { apiVersion: 'cert-manager.io/v1', plural: 'issuers' }, nodesNamespace],
    ['events', typeOf('Event'), namespace],
    ['events-of-nodes', typeOf('Event'), nodesNamespace],
    ['events-of-peerings', typeOf('Event'), 'default'],
  ];
  await eachOf(all, async ([name, type, within, query]) => {
    target.progress.tell(`reading ${name}`);
    const where = within === undefined ? type.plural : `${type.plural} in namespace ${within}`;
    const list = await listKnown(target.client, where, pathOf(type, within), query, deadline(target));
    if (!list.known) {
      contents.lacks.push(lackText(list.lack));
      return;
    }
    const kept = name.startsWith('events-of-peerings') ? list.value.filter(isAboutUs) : list.value;
    if (kept.length > MAX_OBJECTS) contents.lacks.push(`${where}: only the first ${MAX_OBJECTS} of ${kept.length}`);
    const items = kept.slice(0, MAX_OBJECTS).map((object) => redactObject(object));
    contents.add(
      `objects/${name}.yaml`,
      stringify({ apiVersion: 'v1', kind: 'List', items }, { aliasDuplicateObjects: false }),
    );
  });
}

function isAboutUs(event: Readonly<Record<string, unknown>>): boolean {
  const { apiVersion = '' } = (event['regarding'] ?? {}) as { readonly apiVersion?: string };
  return apiVersion.startsWith('ikemesh.io/');
}

/** Adds what agents and hosts say; the facts with that. */
async function addAgents(
  target: Target,
  { facts }: Gathered,
  chosen: readonly string[] | undefined,
  contents: Contents,
): Promise<Facts> {
  const pods = valueOr(facts.pods, []).filter(({ component }) => component === 'agent');
  const all = [...new Set(pods.flatMap(({ nodeName }) => nodeName ?? []))].sort();
  const nodes = chosen ?? all.slice(0, MAX_NODES);
  if (chosen === undefined && all.length > MAX_NODES) {
    contents.lacks.push(`agents: the first ${MAX_NODES} of ${all.length} were asked; name others by --node`);
  }
  const asked = await withAgents(target, facts, nodes, { hosts: true });
  for (const [name, answers] of [
    ['status', asked.agents],
    ['host', asked.hosts],
  ] as const) {
    for (const [node, answer] of answers) {
      if (!answer.known) continue;
      contents.add(`agents/${node}/${name}.json`, `${JSON.stringify(redactObject(answer.value), undefined, 2)}\n`);
    }
  }
  return asked;
}

async function addLogs(target: Target, pods: readonly PodFact[], contents: Contents): Promise<void> {
  const told = (['operator', 'agent', 'holder'] as const).flatMap((wanted) =>
    pods.filter(({ component }) => component === wanted).slice(0, MAX_NODES),
  );
  await eachOf(told, async ({ name, namespace, component, restarts }) => {
    target.progress.tell(`reading the log of ${name}`);
    for (const previous of restarts > 0 ? [false, true] : [false]) {
      const query = {
        container: component,
        tailLines: MAX_LOG_LINES,
        limitBytes: MAX_LOG_BYTES,
        previous,
        timestamps: true,
      };
      const path = `${pathOf(typeOf('Pod'), namespace, name)}/log`;
      const answer = await target.client.ask({ method: 'GET', path, query, accept: '*/*' }, deadline(target));
      if (answer.ok) contents.add(`logs/${name}${previous ? '.previous' : ''}.log`, redactText(logText(answer.value)));
      else {
        const lack = lackOf(`the log of Pod ${namespace}/${name}`, answer.error);
        if (!lack.known) contents.lacks.push(lackText(lack.lack));
      }
    }
  });
}

/** A log of one line that is JSON comes as an object. */
function logText(value: unknown): string {
  return typeof value === 'string' ? value : `${JSON.stringify(value)}\n`;
}

function addSummaries(facts: Facts, contents: Contents): void {
  const status = meshStatus(facts);
  contents.add('status.txt', `${statusLines(status, facts.atMs, plainly).map(redactText).join('\n')}\n`);
  const wrong = status.nodes.filter(({ state }) => state === 'Wrong' || state === 'Degraded').slice(0, MAX_NODES);
  for (const { name } of wrong) {
    const { first, others } = diagnose(facts, name);
    contents.add(`why/${name}.txt`, `${whyLines(first, others, plainly).map(redactText).join('\n')}\n`);
  }
}
