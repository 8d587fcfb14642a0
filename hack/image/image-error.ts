/** Why no image could be made, and what to do, in one sentence. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
}
