/** How much stack a program takes at most, as older verifiers count it: all functions of a chain of calls together. */
import { execute } from './world.ts'

/** Bytes: MAX_BPF_STACK of the kernel's filter.h. */
export const mostStack = 512
/** Kernels before 6.3 take whole pieces of so many bytes for each function, newer ones of 16 (check_max_stack_depth). */
const pieceBytes = 32

export type Chain = { readonly bytes: number; readonly functions: readonly string[] }
type Function = { own: number; readonly calls: Set<string> }

/** The chain that takes the most, of each function that no other calls. */
export async function deepestChains(object: string): Promise<Chain[]> {
  const { stdout } = await execute('llvm-objdump', ['-dr', '--no-show-raw-insn', object], { maxBuffer: 1 << 26 })
  const functions = parse(stdout)
  const called = new Set([...functions.values()].flatMap(({ calls }) => [...calls]))
  const deepest = (name: string): Chain => {
    const { own, calls } = functions.get(name) ?? { own: 0, calls: [] }
    const longest = [...calls].map(deepest).sort((a, b) => b.bytes - a.bytes)[0]
    const bytes = Math.ceil(Math.max(own, 1) / pieceBytes) * pieceBytes
    return { bytes: bytes + (longest?.bytes ?? 0), functions: [name, ...(longest?.functions ?? [])] }
  }
  return [...functions.keys()].filter((name) => !called.has(name)).map(deepest)
}

/** Of each function the deepest place of its frame that it names, and what it calls. */
function parse(text: string): ReadonlyMap<string, Function> {
  const functions = new Map<string, Function>()
  let current: Function = { own: 0, calls: new Set() }
  let before = ''
  for (const line of text.split('\n')) {
    // Labels inside of a function are LBB…
    const [, name] = /^[0-9a-f]+ <(?!LBB)(\w+)>:$/u.exec(line) ?? []
    if (name !== undefined) functions.set(name, (current = { own: 0, calls: new Set() }))
    const [, called] = /R_BPF_64_32\s+(\w+)$/u.exec(line) ?? []
    if (called !== undefined) current.calls.add(called)
    const [, place = '0'] = /r10 - (\d+)/u.exec(line) ?? []
    const [, register = '', moved = '0'] = /(r\d) \+= -(\d+)$/u.exec(line) ?? []
    const pointed = before.endsWith(`${register} = r10`) ? Number(moved) : 0
    current.own = Math.max(current.own, Number(place), pointed)
    before = line
  }
  return functions
}
