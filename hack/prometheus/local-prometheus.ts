import { join } from 'node:path';

import { Component } from '../cluster/control-plane/component.ts';
import type { ControlPlane } from '../cluster/control-plane/control-plane.ts';
import { freePorts } from '../cluster/control-plane/free-ports.ts';
import { PortTakenError } from '../cluster/network/port-taken-error.ts';
import { type Configuration, writeConfiguration } from './configuration.ts';
import { PrometheusApi } from './prometheus-api.ts';

/** A Prometheus on this machine, at a port of its own, that ends with a control plane. */
export class LocalPrometheus extends PrometheusApi {
  readonly #base: string;

  private constructor(base: string) {
    super();
    this.#base = base;
  }

  static async start(
    controlPlane: ControlPlane,
    program: string,
    configuration: Configuration,
    say: (line: string) => void,
  ): Promise<LocalPrometheus> {
    const { folder } = controlPlane;
    const file = writeConfiguration(folder, configuration);
    for (let attempt = 1; ; attempt++) {
      const [port] = await freePorts(1, LOOPBACK);
      const base = `http://${LOOPBACK}:${port}`;
      const component = new Component({
        name: 'prometheus',
        command: [program],
        flags: [
          `--config.file=${file}`,
          `--storage.tsdb.path=${join(folder, 'prometheus')}`,
          `--web.listen-address=${LOOPBACK}:${port}`,
        ],
        logFile: join(folder, 'logs/prometheus.log'),
        folder,
        ready: { url: `${base}/-/ready` },
        say,
      });
      try {
        await controlPlane.add(component, new AbortController().signal);
        return new LocalPrometheus(base);
      } catch (error) {
        if (!(error instanceof PortTakenError) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  protected override async get(path: string): Promise<string> {
    const answer = await fetch(`${this.#base}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.text();
  }
}

const LOOPBACK = '127.0.0.1';
const MAX_ATTEMPTS = 3;
const ANSWER_MS = 10_000;
