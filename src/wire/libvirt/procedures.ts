/**
 * The procedures of libvirt's remote protocol that Baton calls (src/remote/remote_protocol.x, qemu_protocol.x): number,
 * arguments, results, in the notation of `notation.ts`. The numbers never change.
 */
import type { Values } from './notation.ts'

export const procedures = {
  // The connection
  connectOpen: [1, 'S? u', ''],
  connectClose: [2, '', ''],
  connectGetVersion: [4, '', 'U'],
  connectSupportsFeature: [60, 'i', 'i'],
  authList: [66, '', 'i[]'],
  authPolkit: [70, '', 'i'],
  connectGetHostname: [59, '', 'S'],
  connectGetUri: [110, '', 'S'],
  connectGetLibVersion: [157, '', 'U'],
  connectGetCapabilities: [7, '', 'S'],
  connectGetDomainCapabilities: [342, 'S? S? S? S? u', 'S'],
  // Domains
  connectListAllDomains: [273, 'i u', 'dom[] u'],
  connectGetAllDomainStats: [344, 'dom[] u u', 'statistics[]'],
  domainLookupByName: [23, 'S', 'dom'],
  domainDefineXmlFlags: [350, 'S u', 'dom'],
  domainUndefineFlags: [231, 'dom u', ''],
  domainCreateXml: [10, 'S u', 'dom'],
  domainCreateWithFlags: [196, 'dom u', 'dom'],
  domainShutdownFlags: [258, 'dom u', ''],
  domainReboot: [27, 'dom u', ''],
  domainReset: [245, 'dom u', ''],
  domainDestroyFlags: [234, 'dom u', ''],
  domainSuspend: [34, 'dom', ''],
  domainResume: [28, 'dom', ''],
  domainGetXmlDesc: [14, 'dom u', 'S'],
  domainGetState: [212, 'dom u', 'i i'],
  domainSetAutostart: [29, 'dom i', ''],
  domainManagedSave: [182, 'dom u', ''],
  domainHasManagedSaveImage: [183, 'dom u', 'i'],
  domainManagedSaveRemove: [184, 'dom u', ''],
  domainSaveFlags: [232, 'dom S S? u', ''],
  domainRestoreFlags: [233, 'S S? u', ''],
  domainSetMetadata: [264, 'dom i S? S? S? u', ''],
  domainInterfaceAddresses: [353, 'dom u u', 'interface[]'],
  domainAttachDeviceFlags: [160, 'dom S u', ''],
  domainDetachDeviceFlags: [161, 'dom S u', ''],
  domainUpdateDeviceFlags: [174, 'dom S u', ''],
  domainSetVcpusFlags: [199, 'dom u u', ''],
  domainSetMemoryFlags: [204, 'dom U u', ''],
  domainOpenConsole: [201, 'dom S? u', ''],
  domainScreenshot: [211, 'dom u u', 'S?'],
  domainMigratePerform3Params: [305, 'dom S? param[] bytes u', 'bytes'],
  domainEventRegisterAny: [316, 'i dom?', 'i'],
  domainEventDeregisterAny: [317, 'i', ''],
  // Snapshots
  domainSnapshotCreateXml: [185, 'dom S u', 'snap'],
  domainListAllSnapshots: [274, 'dom i u', 'snap[] i'],
  domainSnapshotLookupByName: [189, 'dom S u', 'snap'],
  domainSnapshotGetXmlDesc: [186, 'snap u', 'S'],
  domainSnapshotCurrent: [191, 'dom u', 'snap'],
  domainRevertToSnapshot: [192, 'snap u', ''],
  domainSnapshotDelete: [193, 'snap u', ''],
  // Networks
  connectListAllNetworks: [283, 'i u', 'net[] u'],
  networkLookupByName: [46, 'S', 'net'],
  networkDefineXml: [41, 'S', 'net'],
  networkCreate: [39, 'net', ''],
  networkDestroy: [42, 'net', ''],
  networkUndefine: [49, 'net', ''],
  networkGetXmlDesc: [43, 'net u', 'S'],
  networkSetAutostart: [48, 'net i', ''],
  networkIsActive: [152, 'net', 'i'],
  networkGetDhcpLeases: [341, 'net S? i u', 'lease[] u'],
  // Storage
  connectListAllStoragePools: [281, 'i u', 'pool[] u'],
  storagePoolLookupByName: [84, 'S', 'pool'],
  storagePoolDefineXml: [77, 'S u', 'pool'],
  storagePoolBuild: [79, 'pool u', ''],
  storagePoolCreate: [78, 'pool u', ''],
  storagePoolDestroy: [80, 'pool', ''],
  storagePoolUndefine: [82, 'pool', ''],
  storagePoolRefresh: [83, 'pool u', ''],
  storagePoolGetInfo: [87, 'pool', 'u U U U'],
  storagePoolGetXmlDesc: [88, 'pool u', 'S'],
  storagePoolSetAutostart: [90, 'pool i', ''],
  storagePoolListAllVolumes: [282, 'pool i u', 'vol[] u'],
  storageVolCreateXml: [93, 'pool S u', 'vol'],
  storageVolCreateXmlFrom: [125, 'pool S vol u', 'vol'],
  storageVolGetXmlDesc: [99, 'vol u', 'S'],
  storageVolLookupByName: [95, 'pool S', 'vol'],
  storageVolGetInfo: [98, 'vol', 'i U U'],
  storageVolGetPath: [100, 'vol', 'S'],
  storageVolResize: [260, 'vol U u', ''],
  storageVolDelete: [94, 'vol u', ''],
  storageVolUpload: [208, 'vol U U u', ''],
  storageVolDownload: [209, 'vol U U u', ''],
} as const satisfies Table

/** Procedures of a program of their own: QEMU's. */
export const qemuProcedures = {
  monitorCommand: [1, 'dom S u', 'S'],
  agentCommand: [3, 'dom S i u', 'S?'],
} as const satisfies Table

/** Messages that come unasked: number and content. */
export const messages = {
  domainLifecycle: [318, 'i dom i i'],
  domainReboot: [319, 'i dom'],
  domainDeviceRemoved: [333, 'i dom S'],
  agentLifecycle: [348, 'i dom i i'],
  connectionClosed: [362, 'i'],
} as const

type Table = Readonly<Record<string, readonly [number: number, args: string, results: string]>>
type Procedures = typeof procedures & typeof qemuProcedures

export type ProcedureName = keyof Procedures
export type Arguments<P extends ProcedureName> = Values<Procedures[P][1]>
export type Results<P extends ProcedureName> = Values<Procedures[P][2]>
