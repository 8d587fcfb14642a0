import type { MetricDefinition } from '../api/metric-definition.ts';

/** All metrics of the operator, in the order in which they are shown. */
export const OPERATOR_METRICS = [
  {
    name: 'ikemesh_operator_build_info',
    help: 'Version of the operator; always 1.',
    type: 'gauge',
    labels: ['version'],
    unit: '',
  },
  {
    name: 'ikemesh_operator_leader',
    help: '1 in the operator that works, 0 in those that wait to take over.',
    type: 'gauge',
    labels: [],
    unit: 'boolean',
  },
  {
    name: 'ikemesh_operator_ready',
    help: '1 when it knows everything that a plan needs.',
    type: 'gauge',
    labels: [],
    unit: 'boolean',
  },
  {
    name: 'ikemesh_operator_watch_up',
    help: '1 for each kind of objects that is being watched, 0 where that fails at the moment; none for kinds of cert-manager where that is not installed.',
    type: 'gauge',
    labels: ['kind'],
    unit: 'boolean',
  },
  {
    name: 'ikemesh_operator_reconcile_duration_seconds',
    help: 'How long it took to plan what everything should be, from what is known.',
    type: 'histogram',
    labels: [],
    unit: 'seconds',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  {
    name: 'ikemesh_operator_reconcile_errors_total',
    help: 'Plans that could not be made, which is a defect; the log has it.',
    type: 'counter',
    labels: [],
    unit: 'plans',
  },
  {
    name: 'ikemesh_operator_work_queue_depth',
    help: 'Objects that are due to be written or are being written, those included that were refused and are tried again later; without statuses that wait so that one write tells of many changes.',
    type: 'gauge',
    labels: [],
    unit: 'objects',
  },
  {
    name: 'ikemesh_operator_writes_total',
    help: "Objects that were written, by kind, operation (apply, applyStatus, delete) and code: ok, the API server's status, or 0 where there was no answer.",
    type: 'counter',
    labels: ['kind', 'operation', 'code'],
    unit: 'writes',
  },
  {
    name: 'ikemesh_operator_write_duration_seconds',
    help: 'How long the API server took for a write.',
    type: 'histogram',
    labels: ['operation'],
    unit: 'seconds',
    buckets: [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  },
  {
    name: 'ikemesh_peering_condition',
    help: 'Conditions of the peerings, as the leader wrote them last: 1 true, 0 false, -1 unknown.',
    type: 'gauge',
    labels: ['peering', 'type'],
    unit: 'status',
  },
  {
    name: 'ikemesh_peering_nodes',
    help: 'Nodes of a peering: selected, and ready among them.',
    type: 'gauge',
    labels: ['peering', 'state'],
    unit: 'nodes',
  },
  {
    name: 'ikemesh_peering_tunnels',
    help: 'Tunnels of a peering, as the agents report them: expected, established, encrypting; each of two nodes counts its own end.',
    type: 'gauge',
    labels: ['peering', 'state'],
    unit: 'tunnels',
  },
] as const satisfies readonly MetricDefinition[];

type Definition = (typeof OPERATOR_METRICS)[number];

/** Names of the list, by type. */
export type NameOf<Type extends MetricDefinition['type']> = Extract<Definition, { type: Type }>['name'];
/** The labels that a metric has. */
export type LabelOf<Name> = Extract<Definition, { name: Name }>['labels'][number];
