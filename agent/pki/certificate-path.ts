import type { Certificate } from './certificate.ts';
import { sameName } from './distinguished-name.ts';
import { MAX_PATH_LENGTH, MAX_PATH_STEPS, MAX_PATHS } from './limits.ts';

/** A certificate that may stand in a path, with whatever its owner needs beside what it says. */
export interface PathCertificate {
  readonly certificate: Certificate;
}

/**
 * The ways from a certificate to a trusted one by the names of issuers and subjects, shortest ends first; the end entity
 * stands first in each, the trusted one last. Nothing is computed with any key yet.
 *
 * Intermediates come from a stranger: no path has one of them twice, so loops end, and steps, paths and their length are
 * bounded, however many certificates have the same name.
 */
export function candidatePaths<T extends PathCertificate>(
  endEntity: T,
  intermediates: readonly T[],
  anchors: readonly T[],
): readonly (readonly T[])[] {
  const paths: (readonly T[])[] = [];
  const open: (readonly T[])[] = [[endEntity]];
  let steps = 0;
  for (let path = open.shift(); path !== undefined; path = open.shift()) {
    const last = path[path.length - 1] as T;
    for (const anchor of anchors) {
      if (paths.length < MAX_PATHS && anchor !== last && issues(anchor, last)) paths.push([...path, anchor]);
    }
    if (path.length + 1 >= MAX_PATH_LENGTH) continue;
    for (const next of intermediates) {
      if (steps >= MAX_PATH_STEPS || paths.length >= MAX_PATHS) return paths;
      if (path.includes(next) || !issues(next, last)) continue;
      steps += 1;
      open.push([...path, next]);
    }
  }
  return paths;
}

function issues(issuer: PathCertificate, subject: PathCertificate): boolean {
  return sameName(issuer.certificate.subject, subject.certificate.issuer);
}
