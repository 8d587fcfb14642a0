import { opensslProvider } from '../../agent/crypto/openssl/openssl-provider.ts';
import { ok } from '../../agent/result.ts';
import { connectionPair } from './connections.ts';
import type { FloodReadings } from './cookie.ts';
import { Flood } from './flood.ts';
import { cpuSeconds } from './measure.ts';
import { readMemory } from './memory-reading.ts';
import { TwoEnds } from './two-ends.ts';

/*
 * The process that the cookie bench reads: `node --expose-gc cookie-process.ts PACKETS` writes its readings as JSON.
 */

/** Floods an endpoint that has established IKE SAs, and reads after each tenth. */
function readings(packets: number): FloodReadings {
  const facts = { livenessChecks: 0, repetitions: 0, ended: 0 };
  const requests: Uint8Array[] = [];
  const ends = new TwoEnds({
    crypto: opensslProvider,
    kernel: () => () => ok(undefined),
    onDatagram: (bytes) => {
      if (requests.length === 0) requests.push(bytes.slice());
    },
    onFact: (fact) => {
      if (fact.kind === 'livenessChecked') facts.livenessChecks += 1;
      if (fact.kind === 'retransmitted') facts.repetitions += 1;
      if (fact.kind === 'ikeSaClosed' && fact.established) facts.ended += 1;
    },
  });
  ends.configure(0, PAIRS);
  for (let number = 0; number < PAIRS; number += 1) ends.establish(number);
  // Where a peer may be anywhere, every source is as good as any other.
  const { right } = connectionPair(PAIRS);
  ends.configureRight({ ...right, remoteAddress: 'any' });
  const [request] = requests;
  if (request === undefined) throw new Error('nothing was sent');
  const flood = new Flood(ends, { request, localAddress: right.localAddress });
  flood.offer(WARM_UP);
  const before = readMemory();
  const bytesBefore = { ...flood.bytes };
  const tenths = Array.from({ length: 10 }, () => {
    const seconds = cpuSeconds(() => flood.offer(packets / 10));
    return { cpuSeconds: seconds, memory: readMemory(), halfOpen: ends.rightStatus().halfOpen };
  });
  const { connections } = ends.rightStatus();
  const established = connections.filter(({ ikeSas }) => ikeSas.some(({ state }) => state === 'established')).length;
  return {
    pairs: PAIRS,
    packetBytes: request.length,
    before,
    tenths,
    bytesIn: flood.bytes.in - bytesBefore.in,
    bytesOut: flood.bytes.out - bytesBefore.out,
    established,
    ...facts,
  };
}

/** Established IKE SAs that go on beside the flood. */
const PAIRS = 100;
const WARM_UP = 20_000;

process.stdout.write(JSON.stringify(readings(Number(process.argv[2]))));
