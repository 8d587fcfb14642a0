import { readFileSync } from 'node:fs';

/** A file that the browser is given as it is. */
export interface PageFile {
  readonly contentType: string;
  readonly text: string;
}

/** The page's own files, by the path that they are asked for. A bundle has their text in it (hack/build/bundle.ts). */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  return new Map([
    [
      '/status/',
      { contentType: 'text/html', text: readFileSync(new URL('./files/index.html', import.meta.url), 'utf8') },
    ],
    [
      '/status/page.css',
      { contentType: 'text/css', text: readFileSync(new URL('./files/page.css', import.meta.url), 'utf8') },
    ],
    [
      '/status/page.js',
      { contentType: 'text/javascript', text: readFileSync(new URL('./files/page.js', import.meta.url), 'utf8') },
    ],
    [
      '/status/icon.svg',
      { contentType: 'image/svg+xml', text: readFileSync(new URL('./files/icon.svg', import.meta.url), 'utf8') },
    ],
  ]);
}
