/** IFA_PROTO of addresses that a virtual router has put there: a daemon that was killed finds them by it. */
export const mark = 0xba
