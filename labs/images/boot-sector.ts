/** Boot sectors in machine code, small enough to be read: they say a text on the serial line, and halt. */

const text = (words: string): number[] => [...new TextEncoder().encode(words)]

/** mov si,message; next: lodsb; test al,al; jz end; mov dx,0x3f8; out dx,al; jmp next — behind xor ax,ax; mov ds,ax; mov es,ax. */
const say = (at: number): number[] => [
  ...[0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0xbe, at & 255, at >> 8],
  ...[0xac, 0x84, 0xc0, 0x74, 0x06, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5],
]
const halt = [0xf4, 0xeb, 0xfd]
/** BIOS loads a sector to here. */
const loadedAt = 0x7c00
/** Where the text stands in the sector; it ends with a zero. */
export const messageOffset = 0x80

export function bootSector(code: readonly number[], message: string): Uint8Array {
  const sector = new Uint8Array(512)
  sector.set([...say(loadedAt + messageOffset), ...code, ...halt])
  sector.set(text(message), messageOffset)
  sector.set([0x55, 0xaa], 510)
  return sector
}
