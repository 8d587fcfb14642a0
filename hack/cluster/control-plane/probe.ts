import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

import type { Credential } from './authority.ts';

/** A path that answers 200 once its server is ready. */
export interface Probe {
  readonly url: string;
  /** The server's authority, in PEM; for https. */
  readonly authority?: string;
  readonly credential?: Credential;
}

/** Asks once: undefined when ready, else why not. */
export function askProbe({ url, authority, credential }: Probe): Promise<string | undefined> {
  return new Promise((resolve) => {
    const client = credential === undefined ? {} : { cert: credential.certificate, key: credential.key };
    const trust = authority === undefined ? {} : { ca: authority };
    const request = url.startsWith('https:') ? httpsRequest : httpRequest;
    const asked = request(url, { ...trust, ...client, agent: false, timeout: answerMs }, (answer) => {
      let body = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece: string) => {
        body += piece;
      });
      answer.on('error', (error) => resolve(error.message));
      answer.on('end', () => resolve(answer.statusCode === 200 ? undefined : `${answer.statusCode} ${failures(body)}`));
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', (error) => resolve(error.message));
    asked.end();
  });
}

/** Of a list of checks, those that failed; of anything else, its beginning. */
function failures(body: string): string {
  const failed = [...body.matchAll(/^\[-\](\S+)/gm)].map(([, name]) => name);
  return failed.length > 0 ? `not yet: ${failed.join(', ')}` : body.slice(0, 200);
}

const answerMs = 2000;
