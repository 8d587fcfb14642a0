/** A failure of the lab itself (never of the command it runs): what happened and what to do, in one sentence. */
export class LabError extends Error {
  override readonly name = 'LabError';
}
