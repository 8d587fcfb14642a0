import type { LabNode } from '../lab/topology/lab-node.ts';
import type { Flow } from './plan-mesh.ts';

/** Echo requests of one flow, counted. */
export interface PingCount {
  readonly sent: number;
  readonly received: number;
  readonly text: string;
}

/** A flow with the node that it starts from. */
export interface PingFlow extends Flow {
  readonly node: LabNode;
}

/** Pings along all flows at once, so many times each. */
export function pingAll(flows: readonly PingFlow[], count: number): Promise<readonly PingCount[]> {
  return Promise.all(flows.map((flow) => ping(flow, count)));
}

/** Pings along all flows without pause until it is stopped; every flow ends with whole rounds of `count`. */
export function continuousPings(flows: readonly PingFlow[], count: number): { stop(): Promise<readonly PingCount[]> } {
  let stopping = false;
  const all = flows.map(async (flow) => {
    const counts: PingCount[] = [];
    do counts.push(await ping(flow, count));
    while (!stopping);
    // One more, begun when everything was over.
    counts.push(await ping(flow, count));
    return counts;
  });
  // Whoever never stops them hears of a failure nevertheless.
  const ended = Promise.all(all);
  ended.catch(() => undefined);
  return {
    stop: async () => {
      stopping = true;
      return (await ended).flat();
    },
  };
}

async function ping({ node, from, to, address }: PingFlow, count: number): Promise<PingCount> {
  const done = await node.run(['ping', '-n', '-c', `${count}`, '-i', '0.05', '-W', '2', address]);
  const counts = /(\d+) packets transmitted, (\d+) received/.exec(done.stdout);
  const sent = Number(counts?.[1] ?? count);
  const received = Number(counts?.[2] ?? 0);
  const time = /= [\d.]+\/([\d.]+)\//.exec(done.stdout)?.[1];
  const average = time === undefined ? '' : `, ${time} ms on average`;
  const missing = received === sent ? '' : `; not answered: ${missingNumbers(done.stdout, sent).join(', ')}`;
  return { sent, received, text: `${from} → ${to} (${address}): ${received} of ${sent} answered${average}${missing}` };
}

/** Which requests had no answer, by their sequence numbers. */
function missingNumbers(output: string, sent: number): readonly number[] {
  const answered = new Set([...output.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, number]) => Number(number)));
  return Array.from({ length: sent }, (_, index) => index + 1).filter((number) => !answered.has(number));
}
