import { VERSION } from '../../version.ts';
import { gatherFacts, lacksOf } from '../cluster/gather-facts.ts';
import type { Target } from '../cluster/target.ts';
import { valueOr } from '../diagnosis/known.ts';
import { ExitCode } from '../exit-code.ts';
import type { Outcome } from '../outcome.ts';

/** Which version of ikemesh each part has. */
interface Versions {
  readonly plugin: string;
  readonly operator?: string;
  /** Agents of each version, as they say it. */
  readonly agents?: Readonly<Record<string, number>>;
}

/** `kubectl ikemesh version` */
export async function versionCommand(target: Target): Promise<Outcome> {
  const gathered = await gatherFacts(target);
  const { facts } = gathered;
  const operator = valueOr(facts.workloads, []).find(({ component }) => component === 'operator')?.version;
  const agents: Record<string, number> = {};
  for (const { status } of valueOr(facts.configs, [])) {
    const version = status?.agent?.version;
    if (version !== undefined) agents[version] = (agents[version] ?? 0) + 1;
  }
  const code = facts.installed.known ? ExitCode.Fine : ExitCode.NotInstalled;
  const versions = { plugin: VERSION, ...(operator === undefined ? {} : { operator }), agents };
  return { code, value: versions, lines: () => versionLines(versions), lacks: lacksOf(gathered) };
}

/** `kubectl ikemesh version --client` */
export function clientVersion(): Outcome {
  const versions = { plugin: VERSION };
  return { code: ExitCode.Fine, value: versions, lines: () => versionLines(versions), lacks: [] };
}

function versionLines({ plugin, operator, agents = {} }: Versions): readonly string[] {
  const counted = Object.entries(agents).map(
    ([version, count]) => `${version} on ${count} ${count === 1 ? 'node' : 'nodes'}`,
  );
  const differs = [operator, ...Object.keys(agents)].some((each) => each !== undefined && each !== plugin);
  return [
    `plugin    ${plugin}`,
    ...(operator === undefined ? [] : [`operator  ${operator}`]),
    ...(counted.length === 0 ? [] : [`agents    ${counted.join(', ')}`]),
    ...(differs ? ['not all have one version: see whether an update is under way (kubectl rollout status)'] : []),
  ];
}
