// Child processes of the scripts: run to their end, shown or caught.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.mjs'

/**
 * Runs a command in the checkout. `show`: its output goes where ours goes; otherwise it is caught.
 * Resolves to { code, output }; a program that cannot be started has code 127.
 */
export function run(command, { show = false, environment = {}, onSpawn } = {}) {
  return new Promise((resolve) => {
    const [program, ...args] = command
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    })
    onSpawn?.(child)
    const pieces = []
    child.stdout?.on('data', (data) => pieces.push(data))
    child.stderr?.on('data', (data) => pieces.push(data))
    const output = () => Buffer.concat(pieces).toString('utf8')
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}` }))
    child.on('close', (code, signal) => resolve({ code: signal === null ? (code ?? 1) : 128, output: output() }))
  })
}

/** Whether a program is on the path, or where root's path has it. */
export function hasProgram(name) {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
