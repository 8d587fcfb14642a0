import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

import { err, ok, type Result } from '../../result.ts';
import type { ConfigFault, FieldPath, Position } from './fault.ts';

/** A parsed file: plain values, and where they stand. */
export interface YamlDocument {
  readonly value: unknown;
  /** The place of the field, or of the nearest thing around it that exists. */
  position(path: FieldPath): Position | undefined;
}

/** Reads YAML 1.2: one document, no duplicate keys, no tags of its own. */
export function readYaml(text: string): Result<YamlDocument, readonly ConfigFault[]> {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const problems = [...document.errors, ...document.warnings].map((problem) => ({
      path: [],
      text: RECURSION.test(problem.message) ? TOO_DEEP : problem.message,
      position: positionAt(problem.pos[0]),
    }));
    if (problems.length > 0) return err(firstOfEachLine(problems));
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return ok({
      value,
      position: (path) => {
        const offset = offsetOf(document, path);
        return offset === undefined ? undefined : positionAt(offset);
      },
    });
  } catch (error) {
    // It throws where aliases multiply.
    const text = error instanceof RangeError ? TOO_DEEP : `is not usable YAML: ${String(error)}`;
    return err([{ path: [], text }]);
  }
}

/** The first mistake of a line makes the parser see more of them where there are none. */
function firstOfEachLine(problems: readonly (ConfigFault & { readonly position: Position })[]): readonly ConfigFault[] {
  const first = new Map<number, ConfigFault & { readonly position: Position }>();
  for (const problem of problems) {
    const { line, column } = problem.position;
    const known = first.get(line);
    if (known === undefined || column < known.position.column) first.set(line, problem);
  }
  return [...first.values()];
}

function offsetOf(document: Document.Parsed, path: FieldPath): number | undefined {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document);
    const found = child(node, part);
    if (found === undefined) return offset;
    node = found.value;
    offset = startOf(node) ?? startOf(found.key) ?? offset;
  }
  return offset;
}

function child(node: unknown, part: string | number): { readonly key?: unknown; readonly value: unknown } | undefined {
  if (isSeq(node) && typeof part === 'number') {
    return part < node.items.length ? { value: node.items[part] } : undefined;
  }
  if (!isMap(node)) return undefined;
  return node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(part));
}

/** An empty value has a range too, behind its key's colon; the key is the better place to point at. */
function startOf(node: unknown): number | undefined {
  if (isScalar(node) && node.value === null) return undefined;
  return (node as Node | null | undefined)?.range?.[0];
}

/** Enough for shared blocks of settings; a file that refers more often is a bomb. */
const MAX_ALIASES = 100;
/** The parser recurses with the nesting of the file and reports where the engine's stack ended. */
const RECURSION = /call stack/;
const TOO_DEEP = 'is nested too deeply';
