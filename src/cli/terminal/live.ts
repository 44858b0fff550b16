/** A few lines at the end of the output that are drawn again and again in place, below lines that stay. */

export interface LiveBlock extends Disposable {
  /**
   * Prints the lines of `stay` for good and draws `lines` below them. They must not be wider than the terminal: a
   * wrapped line would be counted wrongly.
   */
  draw(lines: readonly string[], stay?: readonly string[]): void
}

type Surface = Pick<NodeJS.WriteStream, 'write'>

const hideCursor = '\u001b[?25l'
const showCursor = '\u001b[?25h'

export function openLiveBlock(surface: Surface): LiveBlock {
  let shown: readonly string[] = []
  let isOpen = true
  const erase = (): string => `\r${shown.length > 1 ? `\u001b[${shown.length - 1}A` : ''}\u001b[J`
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    process.removeListener('exit', close)
    surface.write(`${erase()}${showCursor}`)
  }
  process.on('exit', close)
  surface.write(hideCursor)
  return {
    draw(lines, stay = []) {
      if (!isOpen || (stay.length === 0 && lines.join('\n') === shown.join('\n'))) return
      surface.write(`${erase()}${stay.map((line) => `${line}\r\n`).join('')}${lines.join('\r\n')}`)
      shown = lines
    },
    [Symbol.dispose]: close,
  }
}
