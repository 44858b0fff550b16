import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { parseParts, surveyScript } from './script.ts'

test('the script holds no byte that parts its answers', () => {
  expect(surveyScript).not.toContain('\u0001')
})

test('its answers are parted as they are read, on whatever machine this is', () => {
  const parts = parseParts(execFileSync('sh', ['-c', surveyScript, 'sh', '/dev/null', '/'], { encoding: 'utf8' }))
  expect(parts.get('os-release')).toContain('ID=')
  expect(parts.get('disk')?.trim()).toBe('absent /dev/null')
  expect(parts.get('directory')?.trim()).toBe('/')
})
