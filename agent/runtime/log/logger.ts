import pino, { type DestinationStream, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';

/** How log lines look: for a person at a terminal, or one JSON object each. */
export type LogFormat = 'human' | 'json';

/** What is logged at least. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A log line is a constant message and pairs that tell the case. */
export type Log = Pick<Logger, LogLevel | 'isLevelEnabled'>;

/** A logger that writes to `destination`. */
export function createLog(format: LogFormat, level: LogLevel, destination: DestinationStream, colour: boolean): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (format === 'json') return pino(options, destination);
  const written = prettyFactory({
    colorize: colour,
    translateTime: 'SYS:HH:MM:ss.l',
    hideObject: true,
    messageFormat: (line) => humanLine(line),
  });
  return pino(options, { write: (line) => destination.write(written(line)) });
}

/** `node-b: negotiation failed: no common algorithms … (reason=noProposalChosen)` */
function humanLine(line: Readonly<Record<string, unknown>>): string {
  const { peer, msg, text, ...pairs } = line;
  const rest = Object.entries(pairs)
    .filter(([name]) => !NOT_SHOWN.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' ');
  const whom = typeof peer === 'string' && peer !== '' ? `${peer}: ` : '';
  const what = typeof text === 'string' ? `${String(msg)}: ${text}` : String(msg);
  return `${whom}${what}${rest === '' ? '' : ` (${rest})`}`.replaceAll(/\p{Cc}/gu, ' ');
}

const NOT_SHOWN: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'hostname', 'v']);
