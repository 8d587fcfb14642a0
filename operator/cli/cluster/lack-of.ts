import type { ApiError } from '../../kube/api-error.ts';
import { type Known, unknown } from '../diagnosis/known.ts';

/** Why something could not be had of an API server, and what to do. */
export function lackOf(what: string, { status, reason, message }: ApiError): Known<never> {
  if (status === 401) {
    const text =
      'the API server does not believe who the kubeconfig says you are: log in again, or choose another --context';
    return unknown(what, 'unauthenticated', text);
  }
  if (status === 403) return unknown(what, 'forbidden', `you may not: ${rightsText(message)}`);
  if (status === 404) return unknown(what, 'absent', 'the API server has no such kind here');
  if (status !== 0) return unknown(what, 'failed', `${reason}: ${withoutQueries(message)}`);
  if (/certificate|self[- ]signed|altname|unable to verify/i.test(message)) {
    const text = `the server is not the one that the kubeconfig knows (${message}): get a new kubeconfig of this cluster`;
    return unknown(what, 'unanswered', text);
  }
  return unknown(what, 'unanswered', message);
}

/** What the API server asked of others, without what it asked with: a whole program may stand there. */
export function withoutQueries(message: string): string {
  return message.replace(/\?[^"\s]*/g, '').slice(0, MAX_MESSAGE);
}

/** The API server's sentence, without what stands in front of everything it says. */
function rightsText(message: string): string {
  const [, rest] = /is forbidden: (.*)$/s.exec(message) ?? [];
  return (rest ?? message).replace(/^User "([^"]*)" cannot/, '$1 cannot').slice(0, MAX_MESSAGE);
}

const MAX_MESSAGE = 400;
