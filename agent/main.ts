import { goOnWithoutReaders } from './closed-readers.ts';
import { chooseProvider, productionProviders } from './crypto/provider.ts';
import { selfTest } from './crypto/self-test.ts';
import type { ProductionProvider } from './crypto/suites.ts';
import type { CryptoProvider } from './crypto/types.ts';
import { openSegmentClampTable } from './dataplane/nftables/segment-clamp-table.ts';
import { PathMtus } from './dataplane/route/path-mtus.ts';
import { openXfrmDataplane } from './dataplane/xfrm/driver.ts';
import { HolderClient } from './holder/holder-client.ts';
import { podAccess } from './kube/cluster-access.ts';
import { runBlock, runLeakWatch, runUnblock } from './kube/policy-commands.ts';
import { runFromManifests } from './kube/run-from-manifests.ts';
import { runInCluster } from './kube/run-in-cluster.ts';
import type { Dataplane } from './ports.ts';
import { err, ok, type Result } from './result.ts';
import { checkConfig } from './runtime/check.ts';
import { systemClock, systemTimers } from './runtime/clock-system.ts';
import {
  type BlockInvocation,
  type ClusterInvocation,
  type Invocation,
  type LeaksInvocation,
  type ManifestInvocation,
  type PreflightInvocation,
  parseCommandLine,
  type RunInvocation,
  type UnblockInvocation,
} from './runtime/command-line.ts';
import { createLog, type Log } from './runtime/log/logger.ts';
import { preflight, preflightText } from './runtime/preflight/preflight.ts';
import { parseProbePlan } from './runtime/probe/probe-plan.ts';
import { runProbe } from './runtime/probe/run-probe.ts';
import { run } from './runtime/run.ts';
import type { StartParts } from './runtime/start-agent.ts';
import { environmentFailure, type StartFailure } from './runtime/start-failure.ts';
import { fetchReadiness } from './runtime/status/readiness-client.ts';
import { fetchStatus } from './runtime/status/status-client.ts';
import { statusText } from './runtime/status/table.ts';
import { IKE_PORTS, UdpTransport } from './runtime/transport-udp.ts';
import type { HolderState } from './runtime/udp-ike-socket.ts';
import { VERSION } from './runtime/version.ts';

goOnWithoutReaders();

const parsed = parseCommandLine(process.argv.slice(2));
process.exitCode = parsed.ok ? await carryOut(parsed.value) : parsed.error.exitCode;

async function carryOut(invocation: Invocation): Promise<number> {
  switch (invocation.kind) {
    case 'version':
      process.stdout.write(`${VERSION}\n`);
      return 0;
    case 'status':
      return showStatus(invocation.socket, invocation.json);
    case 'check':
      return check(invocation.config);
    case 'run':
      return runAgent(invocation);
    case 'cluster':
      return runInPod(invocation);
    case 'manifests':
      return runFolder(invocation);
    case 'ready':
      return showReadiness(invocation.socket);
    case 'unblock':
      return unblockPeering(invocation);
    case 'block':
      return blockUntilStarted(invocation);
    case 'leaks':
      return showLeaks(invocation);
    case 'preflight':
      return showPreflight(invocation);
    case 'probe':
      return probe(invocation.plan);
  }
}

async function runAgent(invocation: RunInvocation): Promise<number> {
  const provider = testedProvider();
  if (!provider.ok) return fail(provider.error);
  const ended = await run({ ...invocation, ...surroundings(invocation, provider.value), signals: process });
  return ended.ok ? 0 : fail(ended.error);
}

async function runInPod(invocation: ClusterInvocation): Promise<number> {
  const { NODE_NAME, POD_UID: podUid = '' } = process.env;
  const nodeName = invocation.nodeName ?? NODE_NAME ?? '';
  const missing =
    nodeName === '' ? ['NODE_NAME', 'spec.nodeName'] : podUid === '' ? ['POD_UID', 'metadata.uid'] : undefined;
  if (missing !== undefined) {
    const [variable, field] = missing;
    return fail({
      kind: 'startFailure',
      exitCode: 2,
      text: `${variable} is not set: give the pod an env of that name from fieldRef ${field}`,
    });
  }
  const access = podAccess(process.env);
  if (!access.ok) return fail({ kind: 'startFailure', exitCode: 2, text: access.error });
  const provider = testedProvider();
  if (!provider.ok) return fail(provider.error);
  const ended = await runInCluster({
    ...surroundings(invocation, provider.value),
    ...access.value,
    nodeName,
    podUid,
    namespace: invocation.namespace,
    stateFolder: invocation.state,
    socket: invocation.socket,
    metrics: invocation.metrics,
    signals: process,
  });
  return ended.ok ? 0 : fail(ended.error);
}

async function runFolder(invocation: ManifestInvocation): Promise<number> {
  const provider = testedProvider();
  if (!provider.ok) return fail(provider.error);
  const { NODE_NAME } = process.env;
  const ended = await runFromManifests({
    ...surroundings(invocation, provider.value),
    ...invocation,
    nodeName: invocation.nodeName ?? NODE_NAME,
    signals: process,
  });
  return ended.ok ? 0 : fail(ended.error);
}

async function showReadiness(socket: string): Promise<number> {
  const report = await fetchReadiness(socket);
  if (!report.ok) return fail(environmentFailure(report.error));
  process.stdout.write(`${report.value.text}\n`);
  return report.value.ready ? 0 : 1;
}

async function unblockPeering({ peering, undo, ...source }: UnblockInvocation): Promise<number> {
  const provider = chosenProvider();
  if (!provider.ok) return fail(provider.error);
  return ended(await runUnblock({ ...source, peering, undo, provider: provider.value, openDataplane: openPlainly }));
}

async function blockUntilStarted(source: BlockInvocation): Promise<number> {
  const provider = chosenProvider();
  if (!provider.ok) return fail(provider.error);
  return ended(await runBlock({ ...source, provider: provider.value, openDataplane: openPlainly }));
}

async function showLeaks(source: LeaksInvocation): Promise<number> {
  const provider = chosenProvider();
  if (!provider.ok) return fail(provider.error);
  const watched = await runLeakWatch({ ...source, provider: provider.value });
  if (!watched.ok) return fail(watched.error);
  process.stdout.write(watched.value.text);
  return watched.value.isTight ? 0 : 1;
}

async function showPreflight({ json, ...questions }: PreflightInvocation): Promise<number> {
  const report = await preflight(questions, VERSION);
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : preflightText(report));
  // A program judges for itself, and wants to tell it from one that could not be carried out.
  return !json && report.checks.some(({ state }) => state === 'wrong') ? 1 : 0;
}

async function probe(text: string): Promise<number> {
  const plan = parseProbePlan(text);
  if (!plan.ok) return fail({ kind: 'startFailure', exitCode: 2, text: plan.error });
  const host = { clock: systemClock, timers: systemTimers, openDataplane: openPlainly, version: VERSION };
  const report = await runProbe(plan.value, host);
  if (!report.ok) return fail(report.error);
  process.stdout.write(`${JSON.stringify(report.value)}\n`);
  return 0;
}

function ended(result: Result<string, StartFailure>): number {
  if (!result.ok) return fail(result.error);
  process.stdout.write(result.value);
  return 0;
}

/** With features given, the kernel is not tried out. */
function openPlainly(): Result<Dataplane, string> {
  const opened = openXfrmDataplane({ features: { direction: false, natKeepalive: false, ipv6: true } });
  return opened.ok ? opened : err(opened.error.message);
}

/** The log, the kernel and the sockets of this process. */
function surroundings(
  {
    logFormat,
    logLevel,
    holder: path,
    refusePlainPathMtu,
    probePathMtu,
  }: RunInvocation | ClusterInvocation | ManifestInvocation,
  provider: CryptoProvider,
): StartParts {
  const format = logFormat ?? (process.stderr.isTTY ? 'human' : 'json');
  const log = createLog(format, logLevel, process.stderr, process.stderr.isTTY);
  const holder = new HolderClient({
    path,
    timers: systemTimers,
    monotonicMs: systemClock.monotonicMs,
    onChange: (state) => logHolder(log, state),
  });
  // Without, the status says nothing of it.
  const pathMtus = PathMtus.open();
  return {
    provider,
    log,
    pathMtus: pathMtus.ok ? pathMtus.value : undefined,
    segmentClamps: openSegmentClampTable(),
    refusesPlainPathMtu: refusePlainPathMtu,
    probesPathMtu: probePathMtu,
    createTransport: (observer) => new UdpTransport(IKE_PORTS, observer, holder),
    openDataplane: () => {
      const opened = openXfrmDataplane({
        messageProtection: (...transform) => provider.messageProtection(...transform),
      });
      return opened.ok ? opened : err(opened.error.message);
    },
  };
}

function logHolder(log: Log, state: HolderState): void {
  if (state.kind === 'holding') log.info({ holder: state.path }, 'the sockets of ESP in UDP outlive this agent');
  else
    log.warn(
      { holder: state.path, text: state.reason },
      'no holder: what comes as ESP in UDP is lost while no agent runs',
    );
}

async function check(file: string): Promise<number> {
  const provider = chosenProvider();
  if (!provider.ok) return fail(provider.error);
  const checked = await checkConfig(file, provider.value, () => {
    const opened = openPlainly();
    if (!opened.ok) return opened;
    const dumped = opened.value.dump();
    opened.value.close();
    return dumped.ok ? dumped : err(dumped.error.message);
  });
  if (!checked.ok) return fail({ kind: 'startFailure', exitCode: 2, text: checked.error.join('\n') });
  for (const warning of checked.value.warnings) process.stderr.write(`warning: ${warning}\n`);
  process.stdout.write(checked.value.plan);
  return 0;
}

async function showStatus(socket: string, json: boolean): Promise<number> {
  const report = await fetchStatus(socket);
  if (!report.ok) return fail(environmentFailure(report.error));
  process.stdout.write(json ? `${JSON.stringify(report.value, undefined, 2)}\n` : statusText(report.value));
  return 0;
}

function testedProvider(): Result<CryptoProvider, StartFailure> {
  const tested = selfTest(productionProviders);
  if (tested.ok) return chosenProvider();
  const { provider, algorithm, reason } = tested.error;
  return err(
    environmentFailure(
      `the self-test of ${algorithm} by ${provider} failed: ${reason}; this host or its Node computes wrongly, and ` +
        'nothing was started: use another one',
    ),
  );
}

function chosenProvider(): Result<CryptoProvider, StartFailure> {
  const { IKEMESH_CRYPTO: wanted } = process.env;
  if (wanted === undefined || wanted === '') return ok(chooseProvider(undefined));
  if (isProvider(wanted)) return ok(chooseProvider(wanted));
  const text = `IKEMESH_CRYPTO is ${JSON.stringify(wanted)}: set it to noble or openssl, or leave it out`;
  return err({ kind: 'startFailure', exitCode: 2, text });
}

function isProvider(text: string): text is ProductionProvider {
  return text === 'noble' || text === 'openssl';
}

function fail(failure: StartFailure): number {
  process.stderr.write(`${failure.text}\n`);
  return failure.exitCode;
}
