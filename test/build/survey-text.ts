/** What the survey's command would print, made from its parts: for tests of what is concluded from it. */

export function surveyText(parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts)
    .map(([name, text]) => `\u0001${name}\n${text}`)
    .join('')
}
