//! Every figure of the unit for a Prometheus server. `docs/logs.md` lists them.
//!
//! A counter begins anew when the service that counts is started again, which Prometheus expects. What belongs to a
//! service that does not answer is absent, and `evener_service_silent` says so.

use crate::exposition::{Exposition, Kind};
use crate::kernel;
use crate::status::{VsState, VsStatus};
use crate::unit::Unit;
use evener_api::checks::HealthState;
use evener_api::init::ServiceState;
use evener_config::{Address, VirtualService};

use Kind::{Counter, Gauge};

/// What the kernel's own tables hold (`/proc/stat`, `/proc/net/dev`).
#[derive(Clone, Debug, Default)]
pub(crate) struct KernelTables {
    pub(crate) stat: String,
    pub(crate) net_dev: String,
}

impl KernelTables {
    /// Reads them. They are in memory: reading does not wait.
    pub(crate) fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Self { stat: read("/proc/stat"), net_dev: read("/proc/net/dev") }
    }
}

/// The unit in the text format of Prometheus.
pub(crate) fn text(unit: &Unit, tables: &KernelTables) -> String {
    let mut all = Exposition::default();
    of_unit(&mut all, unit);
    of_kernel(&mut all, tables);
    of_programs(&mut all, unit);
    of_firmware(&mut all, unit);
    of_interfaces(&mut all, unit, tables);
    let seen: Vec<(&VirtualService, VsStatus)> =
        unit.services().iter().map(|service| (service, unit.status_of(service))).collect();
    of_services(&mut all, &seen);
    of_faults(&mut all, unit);
    of_servers(&mut all, &seen);
    all.into_text()
}

fn of_unit(all: &mut Exposition, unit: &Unit) {
    let init = unit.init.as_ref();
    if let Some(init) = init {
        let update = unit.update.as_ref();
        let slot = update.map_or_else(String::new, |update| update.running.to_string());
        let mode = update.map_or("", |update| update.mode.as_str());
        let labels =
            [("version", init.version.as_str()), ("name", unit.hostname()), ("slot", &slot), ("mode", mode)];
        all.family("evener_info", Gauge, "The firmware that runs; always 1.").sample(&labels, 1);
    }
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let uptime = init.map(|init| seconds(init.uptime_ms));
    all.single("evener_uptime_seconds", Gauge, "Time since the kernel started.", uptime);
    let total = init.map(|init| init.memory_total_bytes);
    all.single("evener_memory_total_bytes", Gauge, "Memory that the kernel has.", total);
    let available = init.map(|init| init.memory_available_bytes);
    all.single("evener_memory_available_bytes", Gauge, "Memory that services could still get.", available);
    let generation = Some(unit.snapshot.generation);
    all.single("evener_configuration_generation", Gauge, "Generation of the settings in force.", generation);
    let warnings = Some(unit.warnings.len());
    all.single("evener_warnings", Gauge, "Warnings that the pages show.", warnings);
}

fn of_kernel(all: &mut Exposition, tables: &KernelTables) {
    let mut family =
        all.family("evener_cpu_seconds_total", Counter, "Time of all processors together, by what they did.");
    for (kind, seconds) in kernel::processor_seconds(&tables.stat) {
        family.sample(&[("mode", kind)], format_args!("{seconds:.2}"));
    }
    let processors = Some(kernel::processors(&tables.stat)).filter(|count| *count > 0);
    all.single("evener_cpus", Gauge, "Processors in use.", processors);
}

fn of_programs(all: &mut Exposition, unit: &Unit) {
    let mut family = all.family(
        "evener_service_silent",
        Gauge,
        "1 for a service of the unit that should answer and does not.",
    );
    for service in &unit.silent {
        family.sample(&[("service", service.name())], 1);
    }
    let Some(init) = &unit.init else { return };
    let mut family =
        all.family("evener_service_up", Gauge, "Whether a service of the unit runs and says so.");
    for program in &init.services {
        let is_up = u8::from(program.state == ServiceState::Running);
        family.sample(&[("service", program.service.name())], is_up);
    }
    let help = "Times that a service was started again after it had ended.";
    let mut family = all.family("evener_service_restarts_total", Counter, help);
    for program in &init.services {
        family.sample(&[("service", program.service.name())], program.restarts);
    }
}

fn of_firmware(all: &mut Exposition, unit: &Unit) {
    let Some(update) = &unit.update else { return };
    let help = "State and version of each firmware slot; always 1.";
    let mut family = all.family("evener_firmware_slot_info", Gauge, help);
    for slot in &update.slots {
        let (letter, version) = (slot.slot.to_string(), slot.version.as_deref().unwrap_or_default());
        family.sample(&[("slot", &letter), ("state", &slot.state), ("version", version)], 1);
    }
    let on_trial = update.proving.as_ref().is_some_and(|proving| proving.on_trial);
    let help = "Whether the running firmware has yet to be confirmed.";
    all.single("evener_firmware_on_trial", Gauge, help, Some(u8::from(on_trial)));
    let help = "Boots since one was last found healthy.";
    all.single("evener_firmware_boots_without_health", Gauge, help, Some(update.boots_without_health));
}

fn of_interfaces(all: &mut Exposition, unit: &Unit, tables: &KernelTables) {
    if let Some(net) = &unit.net {
        let mut family = all.family("evener_interface_carrier", Gauge, "Whether the cable is in.");
        for interface in &net.interfaces {
            family.sample(&[("interface", &interface.name.0)], u8::from(interface.carrier));
        }
    }
    type Pick = fn(&kernel::Carried) -> u64;
    let families: [(&str, &str, Pick); 8] = [
        ("evener_interface_receive_bytes_total", "Bytes received.", |of| of.received.bytes),
        ("evener_interface_receive_packets_total", "Packets received.", |of| of.received.packets),
        ("evener_interface_receive_errors_total", "Packets received broken.", |of| of.received.errors),
        ("evener_interface_receive_drops_total", "Packets received and dropped.", |of| of.received.dropped),
        ("evener_interface_transmit_bytes_total", "Bytes sent.", |of| of.sent.bytes),
        ("evener_interface_transmit_packets_total", "Packets sent.", |of| of.sent.packets),
        ("evener_interface_transmit_errors_total", "Packets that could not be sent.", |of| of.sent.errors),
        ("evener_interface_transmit_drops_total", "Packets dropped instead of sent.", |of| of.sent.dropped),
    ];
    let interfaces = kernel::carried(&tables.net_dev);
    for (name, help, pick) in families {
        let mut family = all.family(name, Counter, help);
        for interface in &interfaces {
            family.sample(&[("interface", &interface.interface)], pick(interface));
        }
    }
}

/// The labels of a virtual service; its id stays when it is renamed.
struct Labels {
    vs: String,
    name: String,
    address: String,
    port: String,
}

impl Labels {
    fn of(service: &VirtualService) -> Self {
        let address = match &service.address {
            Address::Literal(address) => address.to_string(),
            Address::Own(interface) => interface.0.clone(),
        };
        let (vs, name, port) = (service.id.0.to_string(), service.name.clone(), service.port.to_string());
        Self { vs, name, address, port }
    }

    fn pairs(&self) -> [(&str, &str); 4] {
        [("vs", &self.vs), ("name", &self.name), ("address", &self.address), ("port", &self.port)]
    }
}

fn of_services(all: &mut Exposition, seen: &[(&VirtualService, VsStatus)]) {
    let mut family = all.family("evener_vs_state", Gauge, "1 for the state that a virtual service is in.");
    for (service, status) in seen {
        for (state, name) in [
            (VsState::Up, "up"),
            (VsState::Partial, "partial"),
            (VsState::Down, "down"),
            (VsState::Disabled, "disabled"),
            (VsState::Unknown, "unknown"),
        ] {
            let labels = Labels::of(service);
            let [vs, service_name, ..] = labels.pairs();
            family.sample(&[vs, service_name, ("state", name)], u8::from(status.state == state));
        }
    }
    type Pick = fn(&crate::status::Traffic) -> u64;
    let families: [(&str, Kind, &str, Pick); 5] = [
        ("evener_vs_connections", Gauge, "Client connections that are open.", |of| of.connections),
        ("evener_vs_connections_total", Counter, "Client connections accepted.", |of| of.accepted),
        ("evener_vs_requests_total", Counter, "Requests begun.", |of| of.requests),
        ("evener_vs_retries_total", Counter, "Requests sent again to another server.", |of| of.retries),
        ("evener_vs_own_answers_total", Counter, "Answers that the unit gave itself.", |of| of.own_answers),
    ];
    for (name, kind, help, pick) in families {
        let mut family = all.family(name, kind, help);
        for (service, status) in seen {
            if let Some(traffic) = &status.traffic {
                family.sample(&Labels::of(service).pairs(), pick(traffic));
            }
        }
    }
}

fn of_faults(all: &mut Exposition, unit: &Unit) {
    let help = "Requests and attempts that failed, by what went wrong; absent until it happens.";
    let mut family = all.family("evener_vs_faults_total", Counter, help);
    for service in unit.services() {
        let counted = unit.proxy.iter().flat_map(|proxy| &proxy.services).find(|seen| seen.vs == service.id);
        let labels = Labels::of(service);
        let [vs, name, ..] = labels.pairs();
        for (fault, count) in counted.iter().flat_map(|counted| &counted.faults) {
            family.sample(&[vs, name, ("fault", fault)], count);
        }
    }
}

fn of_servers(all: &mut Exposition, seen: &[(&VirtualService, VsStatus)]) {
    type Pick = fn(&crate::status::RsStatus) -> Option<String>;
    let families: [(&str, Kind, &str, Pick); 5] = [
        (
            "evener_rs_up",
            Gauge,
            "Whether a real server gets requests; absent while that is not known.",
            |of| match of.state {
                HealthState::Up => Some(String::from("1")),
                HealthState::Down | HealthState::Disabled => Some(String::from("0")),
                HealthState::Unknown => None,
            },
        ),
        ("evener_rs_check_seconds", Gauge, "Time that the last good check took.", |of| {
            of.last_good_ms.map(|ms| format!("{}.{:03}", ms / 1000, ms % 1000))
        }),
        ("evener_rs_requests_total", Counter, "Requests answered by a real server.", |of| {
            of.requests.map(|count| count.to_string())
        }),
        ("evener_rs_faults_total", Counter, "Attempts on a real server that failed.", |of| {
            of.faults.map(|count| count.to_string())
        }),
        ("evener_rs_active_requests", Gauge, "Requests under way on a real server.", |of| {
            of.active.map(|count| count.to_string())
        }),
    ];
    for (name, kind, help, pick) in families {
        let mut family = all.family(name, kind, help);
        for (service, status) in seen {
            for (server, counted) in service.real_servers.iter().zip(&status.servers) {
                let Some(value) = pick(counted) else { continue };
                let (labels, rs, port) =
                    (Labels::of(service), server.id.0.to_string(), server.port.to_string());
                let [vs, name, ..] = labels.pairs();
                let address = server.address.to_string();
                family.sample(&[vs, name, ("rs", &rs), ("address", &address), ("port", &port)], value);
            }
        }
    }
}
