import type { Agent } from 'node:https';
import { pino } from 'pino';

import type { Connection } from '../kube/connection.ts';
import { Operator } from '../run/operator.ts';
import { type OperatorCluster, PLACES, PREFIX } from './operator-cluster.ts';

/** An operator that runs in the test's own process, with a clock that can be put forward. */
export class RunningOperator {
  /** Everything that it logged. */
  readonly logged: string[] = [];
  readonly #connection: Connection;
  readonly operator: Operator;
  #aheadMs = 0;
  readonly #ended: Promise<void>;

  private constructor(connection: Connection) {
    this.#connection = connection;
    this.operator = this.#make();
    this.#ended = this.operator.run();
  }

  static async start(cluster: OperatorCluster): Promise<RunningOperator> {
    return new RunningOperator(await cluster.operatorConnection());
  }

  /** As if so much time had passed. */
  forward(seconds: number): void {
    this.#aheadMs += seconds * 1_000;
    this.operator.wake();
  }

  /** Breaks every connection to the API server, so that watches begin anew. */
  async breakConnections(): Promise<void> {
    const { agent } = await this.#connection.options();
    (agent as Agent).destroy();
  }

  stop(): Promise<void> {
    this.operator.stop();
    return this.#ended;
  }

  #make(): Operator {
    return new Operator({
      connection: this.#connection,
      settings: { trustDomain: 'mesh.test', namespace: PLACES.nodesNamespace, issuersRestricted: false },
      ownNamespace: PLACES.ownNamespace,
      prefix: PREFIX,
      instance: 'operator-0',
      startupTaint: true,
      log: pino({ level: 'debug', base: null }, { write: (line) => void this.logged.push(line) }),
      now: () => Date.now() + this.#aheadMs,
    });
  }
}
