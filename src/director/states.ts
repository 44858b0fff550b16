/** What servers and services may be, and whom a drain means: said by events as well as by the control. */
import type { Endpoint } from '../lvs/service.ts'

export type Health = 'unknown' | 'healthy' | 'unhealthy' | 'unchecked' | 'maintenance'

/**
 * Who takes the connections of a service: its usable servers, all of them as too few are usable, the fallback, or nobody.
 */
export type ServiceState = 'served' | 'panic' | 'fallback' | 'unserved'

/**
 * Which servers a drain means: a guest's, or an endpoint's (in every service, on every port when it is 0). `until`: not for
 * good, only while its guest is away; then its servers must prove themselves anew.
 */
export type DrainTarget = { readonly guest: string; readonly until?: 'start' } | { readonly endpoint: Endpoint }
