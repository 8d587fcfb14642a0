import { MAX_TRUST_DOMAIN } from '../../../operator/nodeconfig/identity.ts';

/** A JSON schema (draft 7, which Helm 3 and 4 read), as far as the chart's values need it. */
export interface JsonSchema {
  readonly type: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly [keyword: string]: unknown;
}

/** Values that the chart knows; any other is a mistake. */
function group(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, additionalProperties: false };
}

function text(keywords: Readonly<Record<string, unknown>> = {}): JsonSchema {
  return { type: 'string', ...keywords };
}

/** Text that may be left empty. */
function optional(pattern: string, keywords: Readonly<Record<string, unknown>> = {}): JsonSchema {
  return text({ pattern: `^(${pattern})?$`, ...keywords });
}

function oneOf(...words: readonly string[]): JsonSchema {
  return text({ enum: words });
}

function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

function integer(minimum: number, maximum?: number): JsonSchema {
  return { type: 'integer', minimum, ...(maximum === undefined ? {} : { maximum }) };
}

const SWITCH: JsonSchema = { type: 'boolean' };
/** Part of a Kubernetes object, which the API server judges. */
const KUBERNETES: JsonSchema = { type: 'object' };
const TEXTS: JsonSchema = { type: 'object', additionalProperties: { type: 'string' } };
const LOG_LEVEL = oneOf('debug', 'info', 'warn', 'error');
const DNS_LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const AMOUNT: JsonSchema = { type: ['integer', 'string'], minimum: 1, pattern: '^([1-9][0-9]?|100)%$' };
const RESOURCES = group({ requests: KUBERNETES, limits: KUBERNETES });

const PORT = integer(1, 65_535);
const DURATION = optional('([0-9]+(ms|h|m|s))+');

const monitor = group({
  enabled: SWITCH,
  namespace: optional(DNS_LABEL),
  labels: TEXTS,
  annotations: TEXTS,
  interval: DURATION,
  scrapeTimeout: DURATION,
  relabelings: list(KUBERNETES),
  metricRelabelings: list(KUBERNETES),
});

const pods = {
  logLevel: LOG_LEVEL,
  resources: RESOURCES,
  priorityClassName: text({ minLength: 1 }),
  nodeSelector: TEXTS,
  affinity: KUBERNETES,
  tolerations: list(KUBERNETES),
  podAnnotations: TEXTS,
  podLabels: TEXTS,
  serviceAccountAnnotations: TEXTS,
  extraArgs: list(text()),
  extraEnv: list(KUBERNETES),
};

/** What values may be. What they mean stands in `values.yaml`. */
export const valuesSchema: JsonSchema = {
  ...group({
    // Helm adds it where the chart is part of another.
    global: KUBERNETES,
    trustDomain: optional(`${DNS_LABEL}([.]${DNS_LABEL})*`, {
      maxLength: MAX_TRUST_DOMAIN,
      // One of digits only would be an IP address.
      allOf: [{ pattern: '^$|[a-z]' }],
    }),
    issuer: group({ restricted: SWITCH }),
    nameOverride: optional(DNS_LABEL, { maxLength: 40 }),
    fullnameOverride: optional(DNS_LABEL, { maxLength: 48 }),
    commonLabels: TEXTS,
    image: group({
      repository: text({ pattern: '^[^:@\\s]+(:[0-9]+/[^:@\\s]+)?$' }),
      tag: optional('[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'),
      digest: optional('sha256:[0-9a-f]{64}'),
      pullPolicy: oneOf('IfNotPresent', 'Always', 'Never'),
      pullSecrets: list(group({ name: text({ minLength: 1 }) })),
    }),
    crds: group({ enabled: SWITCH, keep: SWITCH }),
    nodesNamespace: group({ name: optional(DNS_LABEL), create: SWITCH, keep: SWITCH }),
    operator: group({
      replicas: integer(1),
      podDisruptionBudget: group({ enabled: SWITCH, maxUnavailable: AMOUNT }),
      topologySpreadConstraints: list(KUBERNETES),
      ...pods,
    }),
    agent: group({
      criticalPodsQuota: group({ enabled: SWITCH, pods: integer(1) }),
      maxSurge: AMOUNT,
      stateFolder: text({ pattern: '^(/[A-Za-z0-9._-]+)+$' }),
      holder: group({ enabled: SWITCH, resources: RESOURCES }),
      statusPage: group({ enabled: SWITCH }),
      keepEarlyPackets: SWITCH,
      kernelModules: group({ load: SWITCH, image: text(), names: list(text({ pattern: '^[A-Za-z0-9_-]+$' })) }),
      seLinuxOptions: TEXTS,
      ...pods,
    }),
    metrics: group({
      enabled: SWITCH,
      authentication: group({ enabled: SWITCH, tokenSecretName: text() }),
      tls: group({ secretName: text(), serverName: text(), authoritySecretName: text() }),
      operator: group({ port: PORT }),
      agent: group({ port: PORT, peers: SWITCH }),
      serviceMonitor: monitor,
      podMonitor: monitor,
      dashboards: group({
        enabled: SWITCH,
        namespace: optional(DNS_LABEL),
        labels: TEXTS,
        annotations: TEXTS,
      }),
      prometheusRule: group({
        enabled: SWITCH,
        namespace: optional(DNS_LABEL),
        labels: TEXTS,
        annotations: TEXTS,
        ruleLabels: TEXTS,
        disabled: list(text({ pattern: '^Ikemesh[A-Za-z]+$' })),
        runbookUrl: text({ minLength: 1 }),
        agentJob: text(),
        certificateSeconds: integer(1),
      }),
    }),
    startupTaint: group({ enabled: SWITCH }),
    removal: group({ enabled: SWITCH, waitSeconds: integer(1, 3_600) }),
    networkPolicy: group({
      enabled: SWITCH,
      apiServerPorts: list(PORT),
      metricsFrom: list(KUBERNETES),
    }),
  }),
};
