import type { Agent } from 'node:https';
import { pino } from 'pino';

import type { Connection } from '../kube/connection.ts';
import { Operator, type OperatorEnd } from '../run/operator.ts';
import { type OperatorCluster, PLACES, PREFIX } from './operator-cluster.ts';

/** An operator that runs in the test's own process, with a clock that can be put forward. */
export class RunningOperator {
  /** Everything that it logged. */
  readonly logged: string[] = [];
  readonly #connection: Connection;
  #operator: Operator;
  #stopped = false;
  #aheadMs = 0;
  readonly #ended: Promise<OperatorEnd>;

  private constructor(connection: Connection) {
    this.#connection = connection;
    this.#operator = this.#make();
    this.#ended = this.#keep();
  }

  static async start(cluster: OperatorCluster): Promise<RunningOperator> {
    return new RunningOperator(await cluster.operatorConnection());
  }

  get operator(): Operator {
    return this.#operator;
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

  stop(): Promise<OperatorEnd> {
    this.#stopped = true;
    this.operator.stop();
    return this.#ended;
  }

  /** Starts it again where it lost the lease, as its Deployment would. */
  async #keep(): Promise<OperatorEnd> {
    for (;;) {
      const end = await this.#operator.run();
      if (this.#stopped || end === 'stopped') return end;
      this.#operator = this.#make();
    }
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
