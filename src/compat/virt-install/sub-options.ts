/**
 * What each option of virt-install(1) 4.1 can say, and where it stands in the domain's XML. A word is a sub-option; its
 * place is `@name` when nothing else is said, `a.b` being `a/@b`. `=PATH` is another place (from the domain's root when it
 * begins with `/`), `#` a number that tells elements of one name apart. At its end: `%` a number, `!` yes or no, `~` on or off,
 * `+` an element that is there or not; and then `*` what `special.ts` says in its stead.
 */
export type SubOption = {
  readonly name: string
  readonly path: string
  readonly kind: 'text' | 'number' | 'yes-no' | 'on-off' | 'element'
  readonly special: boolean
}

export type OptionTable = {
  /** The element of the option; `@`: of the domain itself. */
  readonly element: string
  /** The sub-options that values without a name stand for, in order. */
  readonly first: readonly string[]
  /** Each use of the option is another element. */
  readonly repeats: boolean
  readonly subOptions: ReadonlyMap<string, SubOption>
}

const kinds = { '%': 'number', '!': 'yes-no', '~': 'on-off', '+': 'element' } as const

const address =
  'address.type address.domain% address.bus% address.slot% address.function% address.controller% address.unit% address.port% ' +
  'address.multifunction~ address.target% address.iobase address.irq address.base address.reg address.cssid address.ssid address.devno address.zpci.uid=address/zpci/@uid ' +
  'address.zpci.fid=address/zpci/@fid alias.name'
const boot = 'boot.order% boot_order=boot/@order% boot.loadparm'
const virtio = 'driver.ats~ driver.iommu~ driver.packed~ driver.page_per_vq~'
const label = 'source.seclabel#.model source.seclabel#.relabel! source.seclabel#.label=source/seclabel#/label'
const source =
  'source.path source.host* source.service% source.bind_host* source.bind_service%* source.connect_host* ' +
  `source.connect_service%* source.mode source.master source.slave ${label} protocol.type log.file log.append~ ` +
  'source.clipboard.copypaste! source.mouse.mode source.channel source.tls!'
const character =
  `type path=source/@path mode=source/@mode bind_host* host* protocol=protocol/@type ${source} target.address* ` +
  'target_address* target.type target_type=target/@type target.name name=target/@name target.port% target.model.name'
const cells =
  'numa.cell#.id% numa.cell#.cpus numa.cell#.memory% numa.cell#.unit numa.cell#.memAccess numa.cell#.discard! ' +
  'numa.cell#.distances.sibling#.id% numa.cell#.distances.sibling#.value% numa.cell#.cache#.level% ' +
  'numa.cell#.cache#.associativity numa.cell#.cache#.policy numa.cell#.cache#.size.value% numa.cell#.cache#.size.unit ' +
  'numa.cell#.cache#.line.value% numa.cell#.cache#.line.unit numa.interconnects.latency#.initiator% ' +
  'numa.interconnects.latency#.target% numa.interconnects.latency#.cache% numa.interconnects.latency#.type ' +
  'numa.interconnects.latency#.value% numa.interconnects.latency#.unit numa.interconnects.bandwidth#.initiator% ' +
  'numa.interconnects.bandwidth#.target% numa.interconnects.bandwidth#.type numa.interconnects.bandwidth#.cache% ' +
  'numa.interconnects.bandwidth#.value% numa.interconnects.bandwidth#.unit'
const timers = 'platform pit rtc hpet tsc kvmclock hypervclock'
  .split(' ')
  .map((name) => `${name}_present*`)
  .join(' ')

const device = (name: string, first: string, words: string): OptionTable =>
  table(`./devices/${name}`, first, `${words} ${address}`, true)

/** Options whose value is a list of sub-options, by their names without `--`. */
export const optionTables: Readonly<Record<string, OptionTable>> = {
  memory: table('@', 'memory', `
    memory%* currentMemory%* maxmemory%* maxMemory%* maxMemory.slots% hugepages=memoryBacking/hugepages+
  `),
  vcpus: table('@', 'vcpus', `
    vcpus%* vcpu%* maxvcpus%* cpuset* sockets=cpu/topology/@sockets% dies=cpu/topology/@dies%
    cores=cpu/topology/@cores% threads=cpu/topology/@threads% vcpu.current% vcpu.cpuset vcpu.placement
    placement=vcpu/@placement vcpus.vcpu#.id% vcpus.vcpu#.enabled! vcpus.vcpu#.hotpluggable! vcpus.vcpu#.order%
  `),
  cpu: table('./cpu', 'model', `
    model* mode match check migratable~ vendor=vendor secure* model.fallback model.vendor_id topology.sockets%
    topology.dies% topology.cores% topology.threads% cache.level% cache.mode force* require* optional* disable* forbid*
    ${cells}
  `),
  metadata: table('@', '', `
    name=name title=title uuid=uuid genid=genid genid_enable=genid+ description=description os_name* os_full_id*
  `),
  boot: table('./os', '', `
    hd* cdrom* fd* network* menu* uefi* refresh-machine-type* os_type=type arch=type/@arch machine=type/@machine
    bootloader=/bootloader bootloader_args=/bootloader_args domain_type=/@type emulator=/devices/emulator loader=loader
    loader.readonly! loader_ro=loader/@readonly! loader.type loader_type=loader/@type loader.secure!
    loader_secure=loader/@secure! firmware firmware.feature#.enabled! firmware.feature#.name nvram* nvram.template
    nvram_template=nvram/@template boot#.dev bootmenu.enable! bootmenu.timeout% bios.useserial!
    useserial=bios/@useserial! bios.rebootTimeout% rebootTimeout=bios/@rebootTimeout% smbios.mode smbios_mode=smbios/@mode
    kernel* initrd* dtb* cmdline=cmdline kernel_args=cmdline extra_args=cmdline acpi.table* acpi.table.type
    init=init initargs* initarg#=initarg# initenv#=initenv# initenv#.name initdir=initdir inituser=inituser
    initgroup=initgroup
  `),
  idmap: table('./idmap', '', 'uid.start% uid.target% uid.count% gid.start% gid.target% gid.count%'),
  iothreads: table('@', 'iothreads', `
    iothreads=iothreads% iothreadids.iothread#.id% iothreadids.iothread#.thread_pool_min%
    iothreadids.iothread#.thread_pool_max% defaultiothread.thread_pool_min% defaultiothread.thread_pool_max%
  `),
  seclabel: table('./seclabel', '', 'type model relabel! label=label baselabel=baselabel', true),
  keywrap: table('./keywrap', '', 'cipher#.name cipher#.state'),
  cputune: table('./cputune', 'model', `
    shares=shares% period=period% quota=quota% global_period=global_period% global_quota=global_quota%
    emulator_period=emulator_period% emulator_quota=emulator_quota% iothread_period=iothread_period%
    iothread_quota=iothread_quota% vcpupin#.vcpu% vcpupin#.cpuset emulatorpin.cpuset iothreadpin#.iothread%
    iothreadpin#.cpuset emulatorsched.scheduler emulatorsched.priority% vcpusched#.vcpus vcpusched#.scheduler
    vcpusched#.priority% iothreadsched#.iothreads iothreadsched#.scheduler iothreadsched#.priority% cachetune#.vcpus
    cachetune#.cache#.id% cachetune#.cache#.level% cachetune#.cache#.type cachetune#.cache#.size% cachetune#.cache#.unit
    cachetune#.monitor#.level% cachetune#.monitor#.vcpus memorytune#.vcpus memorytune#.node#.id%
    memorytune#.node#.bandwidth%
  `),
  numatune: table('./numatune', 'nodeset', `
    nodeset=memory/@nodeset mode=memory/@mode memory.nodeset memory.mode memory.placement memnode#.cellid% memnode#.mode
    memnode#.nodeset
  `),
  memtune: table('./memtune', 'soft_limit', `
    hard_limit=hard_limit% soft_limit=soft_limit% swap_hard_limit=swap_hard_limit% min_guarantee=min_guarantee%
  `),
  blkiotune: table('./blkiotune', 'weight', `
    weight=weight% device#.path=device#/path device#.weight=device#/weight device_path=device/path
    device_weight=device/weight device#.read_bytes_sec=device#/read_bytes_sec%
    device#.write_bytes_sec=device#/write_bytes_sec% device#.read_iops_sec=device#/read_iops_sec%
    device#.write_iops_sec=device#/write_iops_sec%
  `),
  memorybacking: table('./memoryBacking', '', `
    hugepages=hugepages+ hugepages.page#.size hugepages.page#.unit hugepages.page#.nodeset size=hugepages/page/@size
    unit=hugepages/page/@unit nodeset=hugepages/page/@nodeset nosharepages=nosharepages+ locked=locked+ access.mode
    access_mode=access/@mode source.type source_type=source/@type discard=discard+ allocation.mode allocation.threads%
  `),
  features: table('./features', '', `
    acpi=acpi+ apic=apic+ pae=pae+ privnet=privnet+ hap=hap+ viridian=viridian+ apic.eoi~ eoi=apic/@eoi~ pmu.state~
    pmu=pmu/@state~ hyperv.reset.state~ hyperv_reset=hyperv/reset/@state~ hyperv.vapic.state~
    hyperv_vapic=hyperv/vapic/@state~ hyperv.relaxed.state~ hyperv_relaxed=hyperv/relaxed/@state~
    hyperv.spinlocks.state~ hyperv_spinlocks=hyperv/spinlocks/@state~ hyperv.spinlocks.retries%
    hyperv_spinlocks_retries=hyperv/spinlocks/@retries% hyperv.synic.state~ hyperv_synic=hyperv/synic/@state~
    vmport.state~ vmport=vmport/@state~ kvm.hidden.state~ kvm_hidden=kvm/hidden/@state~ kvm.hint-dedicated.state~
    kvm.poll-control.state~ pvspinlock.state~ gic.version gic_version=gic/@version
    smm.state~ smm=smm/@state~ vmcoreinfo.state~ vmcoreinfo=vmcoreinfo/@state~ ioapic.driver
  `),
  clock: table('./clock', '', `
    offset pit_tickpolicy* rtc_tickpolicy* ${timers} timer#.name timer#.present! timer#.tickpolicy timer#.track
    timer#.mode timer#.frequency% timer#.catchup.threshold% timer#.catchup.slew% timer#.catchup.limit%
  `),
  pm: table('./pm', '', `
    suspend_to_mem.enabled=suspend-to-mem/@enabled! suspend_to_mem=suspend-to-mem/@enabled!
    suspend_to_disk.enabled=suspend-to-disk/@enabled! suspend_to_disk=suspend-to-disk/@enabled!
  `),
  events: table('@', '', 'on_poweroff=on_poweroff on_reboot=on_reboot on_crash=on_crash on_lockfailure=on_lockfailure'),
  resource: table('./resource', 'partition', 'partition=partition fibrechannel.appid'),
  sysinfo: table('./sysinfo', 'type', `
    type* bios.vendor* bios.version* bios.date* bios.release* bios_vendor* bios_version* bios_date* bios_release*
    system.manufacturer* system.product* system.version* system.serial* system.uuid* system.sku* system.family*
    system_manufacturer* system_product* system_version* system_serial* system_uuid* system_sku* system_family*
    baseBoard.manufacturer* baseBoard.product* baseBoard.version* baseBoard.serial* baseBoard.asset* baseBoard.location*
    baseBoard_manufacturer* baseBoard_product* baseBoard_version* baseBoard_serial* baseBoard_asset* baseBoard_location*
    chassis.manufacturer* chassis.version* chassis.serial* chassis.asset* chassis.sku* oemStrings.entry#* entry#=entry#
    entry#.name entry#.file
  `),
  launchSecurity: table('./launchSecurity', 'type', `
    type cbitpos=cbitpos% reducedPhysBits=reducedPhysBits% policy=policy session=session dhCert=dhCert kernelHashes!
  `),
  'qemu-commandline': table('@', '', 'args* env*'),
  xml: table('@', '', ''),
  disk: device('disk', 'path', `
    ${boot} ${virtio} path* size* sparse* format* pool* vol* backing_store* backing_format* type bus=target/@bus
    target.bus cache=driver/@cache driver.cache device discard=driver/@discard driver.discard
    detect_zeroes=driver/@detect_zeroes driver.detect_zeroes io=driver/@io driver.io driver.name driver.type
    driver.copy_on_read~ driver.iothread% driver.queues% driver.error_policy
    error_policy=driver/@error_policy target.dev target=target/@dev target.removable~ removable=target/@removable~
    target.rotation_rate% snapshot sgio rawio serial=serial wwn=wwn readonly=readonly+ shareable=shareable+
    transient=transient+ transient.shareBacking! startup_policy=source/@startupPolicy source.dir source.file source.dev
    source.pool source.volume source.name source.protocol source.startupPolicy source.type source.namespace%
    source.managed! source.address.domain source.address.bus source.address.slot source.address.function source.host#.name source.host#.port% source.host#.socket source.host#.transport
    source.seclabel#.model source.seclabel#.relabel! source.seclabel#.label=source/seclabel#/label
    iotune.read_bytes_sec=iotune/read_bytes_sec% read_bytes_sec=iotune/read_bytes_sec%
    iotune.write_bytes_sec=iotune/write_bytes_sec% write_bytes_sec=iotune/write_bytes_sec%
    iotune.total_bytes_sec=iotune/total_bytes_sec% total_bytes_sec=iotune/total_bytes_sec%
    iotune.read_iops_sec=iotune/read_iops_sec% read_iops_sec=iotune/read_iops_sec%
    iotune.write_iops_sec=iotune/write_iops_sec% write_iops_sec=iotune/write_iops_sec%
    iotune.total_iops_sec=iotune/total_iops_sec% total_iops_sec=iotune/total_iops_sec% blockio.logical_block_size
    logical_block_size=blockio/@logical_block_size blockio.physical_block_size
    physical_block_size=blockio/@physical_block_size geometry.cyls% geometry.heads% geometry.secs% geometry.trans
    source.reservations.managed source.reservations.source.type source.reservations.source.path
    source.reservations.source.mode
  `),
  network: device('interface', 'type', `
    ${boot} ${virtio} type* source* source.mode source.type source.path source.portgroup source_mode=source/@mode
    source_type=source/@type source_path=source/@path portgroup=source/@portgroup bridge* network* model=model/@type
    model.type mac* mac.address* target.dev target=target/@dev filterref.filter filterref=filterref/@filter link.state*
    link_state* driver.name driver_name=driver/@name driver.queues% driver_queues=driver/@queues% rom.file rom.bar~
    rom_file=rom/@file rom_bar=rom/@bar~ mtu.size% trustGuestRxFilters! virtualport.type
    virtualport_type=virtualport/@type virtualport.parameters.managerid% virtualport.parameters.typeid%
    virtualport.parameters.typeidversion% virtualport.parameters.instanceid virtualport.parameters.profileid
    virtualport.parameters.interfaceid
  `),
  graphics: device('graphics', 'type', `
    type* port%* tlsPort%* tlsport%* websocket% listen* listens#.type=listen#/@type listens#.address=listen#/@address
    listens#.network=listen#/@network listens#.socket=listen#/@socket keymap* password=@passwd
    passwordValidTo=@passwdValidTo connected defaultMode image.compression image_compression=image/@compression
    streaming.mode streaming_mode=streaming/@mode clipboard.copypaste! clipboard_copypaste=clipboard/@copypaste!
    mouse.mode mouse_mode=mouse/@mode filetransfer.enable! filetransfer_enable=filetransfer/@enable! zlib.compression
    gl.enable! gl=gl/@enable! gl.rendernode rendernode=gl/@rendernode
  `),
  video: device('video', 'model.type', `
    ${virtio} model.type model=model/@type model.acceleration.accel3d! accel3d=model/acceleration/@accel3d! model.heads%
    heads=model/@heads% model.ram% ram=model/@ram% model.vram% vram=model/@vram% model.vram64% vram64=model/@vram64%
    model.vgamem% vgamem=model/@vgamem%
  `),
  input: device('input', 'type', `
    ${virtio} type bus model source.evdev source.dev source.repeat~ source.grab source.grabToggle
  `),
  sound: device('sound', 'model', 'model audio.id codec#.type'),
  audio: table('./devices/audio', '', 'type id', true),
  controller: device('controller', 'type', `
    ${virtio} type model index% maxGrantFrames% vectors% master=master/@startport% master.startport% driver.iothread%
    driver.queues% driver_queues=driver/@queues% target.chassisNr% target.chassis% target.port% target.hotplug target.busNr%
    target.index% target.node=target/node% address* num_pcie_root_ports%*
  `),
  serial: device('serial', 'type', character),
  parallel: device('parallel', 'type', character),
  console: device('console', 'type', character),
  channel: device('channel', 'type', character),
  hostdev: device('hostdev', 'name', `
    boot.order% boot_order=boot/@order% name* type driver.name driver_name=driver/@name rom.bar~ rom_bar=rom/@bar~
  `),
  filesystem: device('filesystem', 'source target', `
    ${virtio} type accessmode mode=@accessmode model multidevs readonly=readonly+ space_hard_limit=space_hard_limit
    space_soft_limit=space_soft_limit fmode dmode source* target=target/@dir source.file source.dir source.dev
    source.name source.pool source.volume source.units source.usage source.socket=source/socket target.dir binary.path
    binary.xattr~ binary.cache.mode binary.lock.posix~ binary.lock.flock~ binary.sandbox.mode driver.format driver.name
    driver.queue driver.type driver.wrpolicy
  `),
  watchdog: device('watchdog', 'model', 'model action'),
  memballoon: device('memballoon', 'model', `${virtio} model autodeflate~ stats.period freePageReporting~`),
  tpm: device('tpm', 'type', `
    type* path* model backend.type backend.version version=backend/@version backend.device.path
    backend.encryption.secret backend.persistent_state!
    active_pcr_banks.sha1=active_pcr_banks/sha1+
    active_pcr_banks.sha256=active_pcr_banks/sha256+ active_pcr_banks.sha384=active_pcr_banks/sha384+
    active_pcr_banks.sha512=active_pcr_banks/sha512+
  `),
  rng: device('rng', 'type', `
    ${virtio} type* device* model backend=backend backend.model backend.type backend_type=backend/@type
    backend.source.path backend.source.master backend.source.slave backend.source.host backend.source.service% backend.source.mode backend.protocol.type rate.bytes
    rate_bytes=rate/@bytes rate.period rate_period=rate/@period
  `),
  panic: device('panic', 'model', 'model* iobase=address/@iobase'),
  shmem: device('shmem', 'name', 'name role model.type size=size% size.unit server.path msi.vectors% msi.ioeventfd'),
  memdev: device('memory', 'model', `
    model access discard! uuid=uuid target.size%* target.node=target/node% target.label_size%* target.block=target/block%
    target.current=target/current% target.requested=target/requested% target.readonly=target/readonly+ target_size%*
    target_node=target/node% target_label_size%* source.pagesize=source/pagesize% source.path=source/path
    source.nodemask=source/nodemask source.pmem=source/pmem+ source.alignsize%*
  `),
  vsock: device('vsock', 'model', `${virtio} model cid.auto! auto_cid=cid/@auto! cid.address cid=cid/@address`),
  iommu: table('./devices/iommu', 'model', `
    model driver.aw_bits% driver.intremap~ driver.caching_mode~ driver.eim~ driver.iotlb~
  `, true),
  redirdev: device('redirdev', 'bus', `boot.order% boot_order=boot/@order% bus type server* ${source}`),
  smartcard: device('smartcard', 'mode', `mode type ${source} database=database certificate#=certificate#`),
} // biome-ignore format: one option to a line

function table(element: string, first: string, words: string, repeats = false): OptionTable {
  const subOptions = words
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(parseWord)
  return {
    element,
    first: first.split(' ').filter((name) => name !== ''),
    repeats,
    subOptions: new Map(subOptions.map((one) => [one.name, one])),
  }
}

function parseWord(word: string): SubOption {
  const special = word.endsWith('*')
  const marked = special ? word.slice(0, -1) : word
  const mark = marked.at(-1) ?? ''
  const kind = mark in kinds ? kinds[mark as keyof typeof kinds] : 'text'
  const [name = '', path] = (kind === 'text' ? marked : marked.slice(0, -1)).split('=')
  return { name, path: path ?? defaultPath(name), kind, special }
}

function defaultPath(name: string): string {
  const parts = name.split('.')
  return [...parts.slice(0, -1), `@${parts.at(-1)}`].join('/')
}
