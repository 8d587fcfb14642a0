/** A section of strongswan.conf or swanctl.conf: settings and sections by name. */
export interface Section {
  readonly [name: string]: SettingValue | Section;
}

/** A setting; a list is written with commas. */
export type SettingValue = string | number | boolean | readonly string[];

/** Writes a section in the syntax that strongswan.conf and swanctl.conf share. */
export function settingsText(section: Section, indent = ''): string {
  return Object.entries(section)
    .map(([name, value]) =>
      isSection(value)
        ? `${indent}${name} {\n${settingsText(value, `${indent}  `)}${indent}}\n`
        : `${indent}${name} = ${valueText(value)}\n`,
    )
    .join('');
}

/** Puts the settings of one section over another's, section by section. */
export function mergeSections(base: Section, over: Section): Section {
  const merged: Record<string, SettingValue | Section> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const present = merged[name];
    merged[name] =
      present !== undefined && isSection(present) && isSection(value) ? mergeSections(present, value) : value;
  }
  return merged;
}

function isSection(value: SettingValue | Section): value is Section {
  return typeof value === 'object' && !Array.isArray(value);
}

function valueText(value: SettingValue): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return `${value}`;
  const text = typeof value === 'string' ? value : value.join(', ');
  // Quoted, so that "#", "{" and "=" are plain characters.
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
