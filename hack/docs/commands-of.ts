/** A command that a document tells its reader to run. */
export interface DocumentedCommand {
  readonly document: string;
  readonly line: number;
  /** On one line, without its comment. */
  readonly text: string;
}

/** All commands in the blocks of code of a document of Markdown, and in its running text where they have words behind their name. */
export function commandsOf(document: string, markdown: string): readonly DocumentedCommand[] {
  const found: DocumentedCommand[] = [];
  let fence: string | undefined;
  let begun: DocumentedCommand | undefined;
  for (const [index, line] of markdown.split('\n').entries()) {
    const [, language] = /^ *```(\w*)/.exec(line) ?? [];
    if (language !== undefined) {
      fence = fence === undefined ? language : undefined;
      continue;
    }
    if (begun !== undefined) {
      begun = { ...begun, text: `${begun.text} ${line.trim()}` };
    } else {
      const isCode = fence === undefined ? /^ {4}/.test(line) : fence === 'sh' || / *\$ /.test(line.slice(0, 2));
      const text = line.trim().replace(/^\$ /, '');
      if (isCode && PROGRAM.test(text)) begun = { document, line: index + 1, text };
      else if (fence === undefined && !isCode) found.push(...inText(document, index + 1, line));
    }
    if (begun === undefined || /[\\|]$/.test(begun.text) || hasOpenQuote(begun.text)) continue;
    found.push({ ...begun, text: cleaned(begun.text) });
    begun = undefined;
  }
  return found;
}

function inText(document: string, line: number, text: string): readonly DocumentedCommand[] {
  return [...text.matchAll(/`([^`]+)`/g)]
    .map(([, code = '']) => code.trim())
    .filter((code) => PROGRAM.test(code) && code.includes(' '))
    .map((code) => ({ document, line, text: cleaned(code) }));
}

function hasOpenQuote(text: string): boolean {
  return (text.split("'").length - 1) % 2 === 1;
}

/** Without line ends and comments; `…` stands for words that the reader knows. */
function cleaned(text: string): string {
  return text
    .replaceAll(/\\ /g, ' ')
    .replace(/ {2,}(# )?[^-].*$| +# .*$/, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

const PROGRAM =
  /^(source <|(mkdir|npm|npx|kubectl|kubectl-ikemesh|helm|agent|swanctl|openssl|kubelet|install|hack\/lab\/with-esp|vitest|go get|tcpdump|ip)( |\(\) ))/;
