import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Logger, pino } from 'pino';

import { ScrapeGate } from '../api/scrape-gate.ts';
import { ApiClient } from '../kube/api-client.ts';
import { type Connection, connectionFrom, NoConnectionError, ownNamespace } from '../kube/connection.ts';
import { type MetricsAccess, serveMetrics } from '../metrics/metrics-server.ts';
import { trustDomainFault } from '../nodeconfig/identity.ts';
import { STARTUP_TAINT } from '../nodeconfig/names.ts';
import { serveHealth } from './health-server.ts';
import { Operator } from './operator.ts';

interface Flags {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly operatorNamespace?: string;
  readonly name: string;
  readonly issuersRestricted: boolean;
  readonly startupTaint: boolean;
  readonly kubeconfig?: string;
  readonly logLevel: string;
  readonly healthPort: number;
  readonly metricsPort: number;
  readonly metricsTls?: string;
  readonly metricsAuthentication: boolean;
}

/** `operator run`: until SIGTERM. */
export function runCommand(): Command {
  return new Command('run')
    .description(
      'Runs the operator in a cluster: as a Deployment of the chart, or beside it with a kubeconfig. Of several one works, ' +
        'the others wait to take over.',
    )
    .requiredOption('--trust-domain <name>', 'what the names in certificates end in; never changes', trustDomain)
    .option('--namespace <name>', 'where Certificates, Secrets and identities of nodes are', 'ikemesh-nodes')
    .option('--operator-namespace <name>', "where operator and agents run (POD_NAMESPACE, the pod's own, or ikemesh)")
    .option('--name <name>', "what the names of the installation's objects begin with", 'ikemesh')
    .option('--issuers-restricted', 'policy keeps others from asking a ClusterIssuer for the trust domain', false)
    .option('--startup-taint', `take the taint ${STARTUP_TAINT} from nodes when their agent is at work`, false)
    .option('--kubeconfig <file>', "of the cluster (KUBECONFIG, the pod's ServiceAccount, or ~/.kube/config)")
    .addOption(new Option('--log-level <level>', 'what is logged').choices(LEVELS).default('info'))
    .option('--health-port <port>', 'where /healthz and /readyz are served; 0: nowhere', portNumber, 8081)
    .option('--metrics-port <port>', 'where /metrics is served; 0: nowhere', portNumber, 0)
    .option('--metrics-tls <folder>', 'serve them by TLS, with tls.crt and tls.key of this folder')
    .option('--metrics-authentication', 'serve them to those only whom RBAC lets get /metrics, by their tokens', false)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const log = pino({ level: flags.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  try {
    const connection = connectionFrom(flags.kubeconfig);
    const operator = new Operator({
      connection,
      settings: {
        trustDomain: flags.trustDomain,
        namespace: flags.namespace,
        issuersRestricted: flags.issuersRestricted,
      },
      ownNamespace: flags.operatorNamespace ?? process.env['POD_NAMESPACE'] ?? ownNamespace() ?? 'ikemesh',
      prefix: flags.name,
      instance: process.env['POD_NAME'] ?? hostname(),
      log,
      startupTaint: flags.startupTaint,
    });
    const { healthPort, metricsPort } = flags;
    const servers = [
      ...(healthPort === 0 ? [] : [await serveHealth(operator, healthPort)]),
      ...(metricsPort === 0 ? [] : [await serveMetrics(operator.metrics, metricsAccess(flags, connection, log))]),
    ];
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.info({ signal }, 'stopping');
        operator.stop();
      });
    }
    await operator.run();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    log.info('ended');
  } catch (error) {
    if (!(error instanceof NoConnectionError) && !isListenError(error)) throw error;
    process.stderr.write(`operator: ${error.message}\n`);
    process.exitCode = 2;
  }
}

function metricsAccess(flags: Flags, connection: Connection, log: Logger): MetricsAccess {
  const { metricsPort: port, metricsTls: tlsFolder, metricsAuthentication } = flags;
  const client = new ApiClient(connection);
  const gate = new ScrapeGate({
    post: async (path, body) => {
      const answer = await client.ask({ method: 'POST', path, body });
      if (!answer.ok) log.warn({ text: answer.error.message }, 'who asks for metrics is not known');
      return answer.ok ? answer.value : undefined;
    },
    fingerprint: (text) => createHash('sha256').update(text).digest('base64'),
    nowMs: () => performance.now(),
  });
  const onFault = (text: string) =>
    log.warn({ text, folder: tlsFolder }, 'the certificate for metrics is not replaced');
  const judge = (authorization: string | undefined, path: string) => gate.judge(authorization, path);
  return { port, tlsFolder, onFault, judge: metricsAuthentication ? judge : undefined };
}

function isListenError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && error.syscall === 'listen';
}

function trustDomain(text: string): string {
  const fault = trustDomainFault(text);
  if (fault !== undefined) throw new InvalidArgumentError(`it ${fault}.`);
  return text;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('a port from 0 to 65535 is wanted.');
}

const LEVELS = ['debug', 'info', 'warn', 'error'];
