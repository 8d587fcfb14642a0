import { counted, fails, unknown, type Verdict } from './verdict.ts';

/** What of a peering cannot be read; the text says of the field what it must be. */
export interface UnreadableField {
  readonly field: string;
  readonly text: string;
}

/** What is said of a peering that this version of the operator cannot read: it changes nothing on any node. */
export function unreadable(faults: readonly UnreadableField[]): Readonly<Record<string, Verdict>> {
  const untold = 'nobody can tell until the peering can be read: the condition Accepted says what is wrong';
  return {
    Accepted: fails(
      'Unreadable',
      `this version of the operator cannot read ${faultsText(faults)}: upgrade ikemesh to the version that the ` +
        'peering was written for, or correct it; nodes keep what they had of this peering',
    ),
    CertificatesReady: unknown('Unreadable', untold),
    Programmed: fails('NotAccepted', 'nodes keep what they had of this peering until it is accepted'),
    Encrypting: unknown('Unreadable', untold),
  };
}

/** The first field that cannot be read, why, and how many more there are. */
export function faultsText(faults: readonly UnreadableField[]): string {
  const [first] = faults;
  const field = first?.field === undefined || first.field === '' ? 'the object' : first.field;
  const reason = first === undefined ? '' : ` (${first.text.slice(0, MAX_TEXT)})`;
  const more = faults.length < 2 ? '' : ` and ${counted(faults.length - 1, 'more field')}`;
  return `${field}${reason}${more}`;
}

/** What to do about an object that the operator writes and cannot read. */
export const UNREADABLE_REMEDY = 'upgrade ikemesh to the version that wrote it, or correct it';

/** A list of all words that a field may have can be long. */
const MAX_TEXT = 512;
