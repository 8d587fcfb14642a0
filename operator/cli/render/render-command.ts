import { readFile, stat } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';

import type { IpsecPeering } from '../../api/ipsec-peering.ts';
import { pathOf, typeOf } from '../../kube/resource-path.ts';
import { readManifests } from '../../offline/read-folder.ts';
import { deadline, type Gathered, gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import { lackOf } from '../cluster/lack-of.ts';
import type { Target } from '../cluster/target.ts';
import { valueOr } from '../diagnosis/known.ts';
import { observedOf } from '../diagnosis/observed-of.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';
import { UsageError } from '../run-command.ts';
import { type Paint, table } from '../text/table.ts';
import { type RenderedPlan, renderPlan } from './render-plan.ts';

/** `kubectl ikemesh render -f FILE`: what applying it would change, on which nodes. Nothing is written. */
export async function renderCommand(target: Target, files: readonly string[]): Promise<Outcome> {
  const wanted = await readPeerings(files);
  const gathered = await gatherFacts(target);
  const { facts } = gathered;
  if (!facts.installed.known) {
    const lacks = lacksOf(gathered);
    return { code: ExitCode.NotInstalled, value: { peerings: [], nodes: [] }, lines: () => [], lacks };
  }
  const lacks = [...lacksOf(gathered), ...(await tried(target, wanted, valueOr(facts.peerings, [])))];
  const missing = [facts.nodes, facts.peerings, facts.configs, facts.slices].some(({ known }) => !known);
  if (missing) {
    const lines = [
      'what would change cannot be told without Nodes, IPsecPeerings, IPsecNodeConfigs and IPsecPeerSlices',
    ];
    return { code: ExitCode.Incomplete, value: { peerings: [], nodes: [] }, lines: () => lines, lacks };
  }
  const settings = settingsOf(gathered);
  if (!gathered.installation.certain)
    lacks.push(`the operator's arguments: the trust domain is taken to be ${settings.trustDomain}`);
  const at = { milliseconds: facts.atMs, timestamp: new Date(facts.atMs).toISOString().replace(/\.\d+Z$/, 'Z') };
  const plan = renderPlan(observedOf(facts), wanted, settings, at);
  const isAccepted = plan.peerings.every(
    ({ conditions }) => conditions.find(({ type }) => type === 'Accepted')?.status === 'True',
  );
  return {
    code: isAccepted ? ExitCode.Fine : ExitCode.Wrong,
    value: plan,
    lines: (paint) => renderLines(plan, paint),
    lacks,
  };
}

async function readPeerings(files: readonly string[]): Promise<readonly IpsecPeering[]> {
  const wanted: IpsecPeering[] = [];
  for (const file of files) {
    const { given, faults } = readManifests(file, await textOf(file));
    if (faults.length > 0) throw new UsageError(faults.join('; '));
    wanted.push(...given.peerings);
  }
  if (wanted.length === 0) throw new UsageError(`there is no IPsecPeering in ${files.join(', ')}`);
  return wanted;
}

async function textOf(file: string): Promise<string> {
  try {
    if (file === '-') return await readAll(process.stdin);
    const { size } = await stat(file);
    if (size > MAX_FILE_BYTES) throw new UsageError(`${file} has ${size} bytes; at most ${MAX_FILE_BYTES} are read`);
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** Has the API server judge each without keeping it: it knows rules about changes. Answers why it did not judge. */
async function tried(
  target: Target,
  wanted: readonly IpsecPeering[],
  present: readonly IpsecPeering[],
): Promise<readonly string[]> {
  const lacks: string[] = [];
  const type = typeOf('IPsecPeering');
  for (const { apiVersion, kind, metadata, spec } of wanted) {
    const { name } = metadata;
    const before = present.find((peering) => peering.metadata.name === name);
    const query = { dryRun: 'All', fieldManager: 'kubectl-ikemesh' };
    // Another spec in the place of the one that is there: what is left out of it is gone, as after `kubectl apply`.
    const body = { apiVersion, kind, metadata: before?.metadata ?? metadata, spec };
    const request =
      before === undefined
        ? ({ method: 'POST', path: pathOf(type), query, body } as const)
        : ({ method: 'PUT', path: pathOf(type, undefined, name), query, body } as const);
    const answer = await target.client.ask(request, deadline(target));
    if (answer.ok) continue;
    const { status, message } = answer.error;
    if (status === 422 || status === 400) {
      throw new UsageError(`the API server would refuse IPsecPeering ${name}: ${message}`);
    }
    const lack = lackOf(`whether the API server would take IPsecPeering ${name}`, answer.error);
    if (!lack.known) lacks.push(`${lack.lack.what}: ${lack.lack.text}`);
  }
  return lacks;
}

/** Of an operator that cannot be seen the identities of nodes tell what their names end in. */
function settingsOf({ facts, installation }: Gathered) {
  const { nodesNamespace: namespace, issuersRestricted, certain } = installation;
  const [config] = valueOr(facts.configs, []);
  const fqdn = config?.spec.identity.fqdn ?? '';
  const prefix = `${config?.metadata.name}.`;
  const trustDomain = !certain && fqdn.startsWith(prefix) ? fqdn.slice(prefix.length) : installation.trustDomain;
  return { trustDomain, namespace, issuersRestricted };
}

function renderLines({ peerings, nodes, unchangedNodes }: RenderedPlan, paint: Paint): readonly string[] {
  const blocks = peerings.flatMap(({ name, change, fields, steps, conditions }) => {
    const tone = { created: 'good', changed: 'doubtful', unchanged: 'quiet' } as const;
    return [
      `IPsecPeering ${name}: ${paint(change, tone[change])}`,
      ...fields.map((field) => `  ${field}`),
      ...(steps.length > 1
        ? [`  by ${steps.length} steps, each once all nodes have done the one before: ${steps.join(' → ')}`]
        : []),
      ...(steps.length === 1 ? [`  enforcement ${steps[0]}`] : []),
      '  once carried out:',
      ...conditions.map(({ type, status, reason, message }) => {
        const holds = paint(status.padEnd(8), status === 'True' ? 'good' : 'bad');
        return `    ${type.padEnd(18)} ${holds} ${reason}: ${message}`;
      }),
    ];
  });
  const rows = nodes.flatMap(({ name, changes }) => changes.map((change, index) => [index === 0 ? name : '', change]));
  return [
    ...blocks,
    '',
    ...(rows.length === 0 ? ['no node is told anything else'] : table(['NODE', 'CHANGE'], rows, paint)),
    ...(rows.length > 0 && unchangedNodes > 0 ? [`${unchangedNodes} more nodes are told nothing else`] : []),
  ];
}

const MAX_FILE_BYTES = 4 * 1024 * 1024;
