/** Which Baton this is: package.json's version, as a constant so that no file is read at start. */

export const version = '0.1.0'
