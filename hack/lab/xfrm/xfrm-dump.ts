import type { Machine } from '../topology/lab-node.ts';

/** An SA as `ip -s xfrm state` shows it, without its keys. */
export interface StateDump {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly spi: number;
  readonly reqid: number;
  readonly mode: string;
  readonly flags: readonly string[];
  /** ESP in UDP, with its ports. */
  readonly encapsulation?: { readonly sourcePort: number; readonly destinationPort: number };
  readonly bytes: number;
  readonly packets: number;
  /** The block of text, with keys and counters. */
  readonly text: string;
}

/** A template of a policy. */
export interface TemplateDump {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly spi: number;
  readonly reqid: number;
  readonly mode: string;
  /** `required` or `use` (optional). */
  readonly level: string;
}

/** A policy as `ip -s xfrm policy` shows it. */
export interface PolicyDump {
  readonly source: string;
  readonly destination: string;
  readonly direction: string;
  readonly action: string;
  readonly index: number;
  readonly priority: number;
  readonly templates: readonly TemplateDump[];
  readonly text: string;
}

/** All SAs of a node. */
export async function dumpStates(node: Machine): Promise<readonly StateDump[]> {
  return parseStates(await node.succeed(['ip', '-s', 'xfrm', 'state']));
}

/** All policies of a node; those of sockets too, whose direction reads `socket in`. */
export async function dumpPolicies(node: Machine): Promise<readonly PolicyDump[]> {
  return parsePolicies(await node.succeed(['ip', '-s', 'xfrm', 'policy']));
}

/** Parses the output of `ip -s xfrm state`. */
export function parseStates(output: string): readonly StateDump[] {
  return blocks(output).map((text) => {
    const encapsulation = /^\tencap type espinudp sport (\d+) dport (\d+)/m.exec(text);
    return {
      ...ends(text),
      protocol: first(text, /^\tproto (\S+)/m),
      spi: Number(first(text, /^\tproto .*?\bspi (0x[0-9a-f]+)/m)),
      reqid: Number(first(text, /^\tproto .*?\breqid (\d+)/m)),
      mode: first(text, /^\tproto .*?\bmode (\S+)/m),
      flags: first(text, /^\treplay-window .*?\bflag ([^(\n]*)/m)
        .split(' ')
        .filter((flag) => flag !== ''),
      ...(encapsulation === null
        ? {}
        : {
            encapsulation: { sourcePort: Number(encapsulation[1]), destinationPort: Number(encapsulation[2]) },
          }),
      bytes: Number(first(text, /lifetime current:\n\s+(\d+)\(bytes\)/)),
      packets: Number(first(text, /lifetime current:\n\s+\d+\(bytes\), (\d+)\(packets\)/)),
      text,
    };
  });
}

/** Parses the output of `ip -s xfrm policy`. */
export function parsePolicies(output: string): readonly PolicyDump[] {
  return blocks(output).map((text) => ({
    ...ends(text),
    direction: first(text, /^\t(?:dir )?(socket \S+|\S+)(?= action)/m),
    action: first(text, /^\t.*?\baction (\S+)/m),
    index: Number(first(text, /^\t.*?\bindex (\d+)/m)),
    priority: Number(first(text, /^\t.*?\bpriority (\d+)/m)),
    templates: text.split('\n\ttmpl ').slice(1).map(template),
    text,
  }));
}

/**
 * The texts of the objects that are not ours, in the kernel's order: equal before and after, byte for byte, when
 * nothing foreign was touched.
 */
export function foreignObjects<T extends { readonly text: string }>(
  objects: readonly T[],
  isOurs: (object: T) => boolean,
): readonly string[] {
  return objects.filter((object) => !isOurs(object)).map((object) => object.text);
}

function template(text: string): TemplateDump {
  return {
    ...ends(text),
    protocol: first(text, /^\s*proto (\S+)/m),
    spi: Number(first(text, /\bspi (0x[0-9a-f]+)/)),
    reqid: Number(first(text, /\breqid (\d+)/)),
    mode: first(text, /\bmode (\S+)/),
    level: first(text, /^\s*level (\S+)/m),
  };
}

/** An object begins at each line that is not indented. */
function blocks(output: string): readonly string[] {
  return output.split(/^(?=src )/m).filter((block) => block.trim() !== '');
}

function ends(text: string): { readonly source: string; readonly destination: string } {
  return { source: first(text, /^src (\S+)/), destination: first(text, /^src \S+ dst (\S+)/) };
}

function first(text: string, pattern: RegExp): string {
  return pattern.exec(text)?.[1] ?? '';
}
