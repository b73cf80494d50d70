//! What changed from one configuration to the next, in the words of an operator.
//!
//! The lines go into the history and are read months later, so each names the object with its address and
//! gives both values. Every struct is taken apart by name: a new setting that nobody described here does not
//! compile.

use crate::{
    Address, CheckKind, Config, ForwardedFor, HealthCheck, HttpCheck, HttpMethod, Interface, Ipv4Setup,
    Limits, Protocol, RealServer, Scheduler, ServiceKind, ServiceTimeouts, Shared, StaticIpv4, Unit, User,
    VirtualService,
};
use core::fmt::Display;
use core::net::IpAddr;
use std::collections::BTreeMap;

/// The differences, one line each; empty exactly when the configurations are equal (provided that their ids are
/// unique, as [`validate`](crate::validate) demands). Passwords are mentioned, never shown.
///
/// `virtual service shop (192.0.2.10:80): real server 10.0.0.5:8080 added`
#[must_use]
pub fn diff(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let (Shared { virtual_services: old_services, users: old_users }, Shared { virtual_services, users }) =
        (&old.shared, &new.shared);
    let what = |service: &VirtualService| format!("virtual service {}", label_of(service));
    each(&mut lines, "virtual services", old_services, virtual_services, |it| it.id, what, service);
    each(
        &mut lines,
        "accounts",
        old_users,
        users,
        |it| it.name.clone(),
        |it| format!("account {}", it.name),
        user,
    );
    unit(&mut lines, &old.unit, &new.unit);
    lines
}

/// `virtual service shop (192.0.2.10:80)`: how a service is called in sentences.
pub(crate) fn label(service: &VirtualService) -> String {
    format!("virtual service {}", label_of(service))
}

fn label_of(service: &VirtualService) -> String {
    let place = match &service.address {
        Address::Literal(address) => socket(*address, service.port),
        Address::Own(interface) => format!("{}:{}", interface.0, service.port),
    };
    if service.name.is_empty() { place } else { format!("{} ({place})", service.name) }
}

fn socket(address: IpAddr, port: u16) -> String {
    core::net::SocketAddr::new(address, port).to_string()
}

/// The changes of one object: lines that all begin with its name.
struct Object<'a> {
    lines: &'a mut Vec<String>,
    name: String,
}

impl Object<'_> {
    fn say(&mut self, what: impl Display) {
        self.lines.push(if self.name.is_empty() {
            what.to_string()
        } else {
            format!("{}: {what}", self.name)
        });
    }

    fn value<T: PartialEq>(&mut self, what: &str, old: &T, new: &T, words: impl Fn(&T) -> String) {
        if old != new {
            self.say(format_args!("{what} changed from {} to {}", words(old), words(new)));
        }
    }

    fn plain<T: PartialEq + Display>(&mut self, what: &str, old: &T, new: &T) {
        self.value(what, old, new, T::to_string);
    }

    fn seconds<T: PartialEq + Display>(&mut self, what: &str, old: &T, new: &T) {
        self.value(what, old, new, |value| format!("{value} s"));
    }

    fn text(&mut self, what: &str, old: &String, new: &String) {
        self.value(what, old, new, |text| if text.is_empty() { "nothing".into() } else { text.clone() });
    }

    fn optional<T: PartialEq + Display>(
        &mut self,
        what: &str,
        old: &Option<T>,
        new: &Option<T>,
        absent: &str,
    ) {
        self.value(what, old, new, |value| value.as_ref().map_or_else(|| absent.to_owned(), T::to_string));
    }

    fn switch(&mut self, old: bool, new: bool) {
        if old != new {
            self.say(if new { "enabled" } else { "disabled" });
        }
    }
}

/// Compares two lists whose elements have a key: what was removed, added, changed, or put in another order.
fn each<T, K: Ord>(
    lines: &mut Vec<String>,
    list: &str,
    old: &[T],
    new: &[T],
    key: impl Fn(&T) -> K,
    name: impl Fn(&T) -> String,
    changes: impl Fn(&mut Object<'_>, &T, &T),
) {
    let before: BTreeMap<K, &T> = old.iter().map(|it| (key(it), it)).collect();
    let after: BTreeMap<K, &T> = new.iter().map(|it| (key(it), it)).collect();
    lines.extend(
        old.iter().filter(|it| !after.contains_key(&key(it))).map(|it| format!("{} removed", name(it))),
    );
    for element in new {
        match before.get(&key(element)) {
            None => lines.push(format!("{} added", name(element))),
            Some(former) => changes(&mut Object { lines: &mut *lines, name: name(former) }, former, element),
        }
    }
    let stayed = old.iter().map(&key).filter(|key| after.contains_key(key));
    if !stayed.eq(new.iter().map(&key).filter(|key| before.contains_key(key))) {
        lines.push(format!("order of {list} changed"));
    }
}

fn service(object: &mut Object<'_>, old: &VirtualService, new: &VirtualService) {
    let VirtualService {
        id: _,
        name,
        address,
        port,
        protocol,
        kind,
        enabled,
        scheduler,
        check,
        forwarded_for,
        timeouts: new_timeouts,
        limits: new_limits,
        real_servers,
    } = new;
    object.text("name", &old.name, name);
    object.value("address", &old.address, address, |address| match address {
        Address::Literal(address) => address.to_string(),
        Address::Own(interface) => format!("the unit's own on {}", interface.0),
    });
    object.plain("port", &old.port, port);
    object.value("protocol", &old.protocol, protocol, |protocol| match protocol {
        Protocol::Tcp => "TCP".into(),
        Protocol::Udp => "UDP".into(),
    });
    object.value("kind", &old.kind, kind, |kind| match kind {
        ServiceKind::Http => "HTTP".into(),
    });
    object.switch(old.enabled, *enabled);
    object.value("scheduling", &old.scheduler, scheduler, |scheduler| match scheduler {
        Scheduler::RoundRobin => "round robin".into(),
        Scheduler::WeightedRoundRobin => "weighted round robin".into(),
    });
    health(object, &old.check, check);
    object.value("client address header", &old.forwarded_for, forwarded_for, |header| match header {
        ForwardedFor::XForwardedFor => "X-Forwarded-For".into(),
        ForwardedFor::None => "none".into(),
    });
    timeouts(object, &old.timeouts, new_timeouts);
    limits(object, &old.limits, new_limits);
    let prefix = object.name.clone();
    let what = |server: &RealServer| format!("{prefix}: real server {}", socket(server.address, server.port));
    let list = format!("real servers of {prefix}");
    each(object.lines, &list, &old.real_servers, real_servers, |it| it.id, what, real_server);
}

fn health(object: &mut Object<'_>, old: &HealthCheck, new: &HealthCheck) {
    let HealthCheck { kind, interval_s, timeout_s, retries, port } = new;
    match (&old.kind, kind) {
        (CheckKind::Http(old), CheckKind::Http(new)) => http_check(object, old, new),
        (old, new) => object.value("check", old, new, |kind| match kind {
            CheckKind::Tcp => "TCP".into(),
            CheckKind::Http(http) => format!("HTTP {} {}", method(http.method), http.path),
            CheckKind::None => "none".into(),
        }),
    }
    object.seconds("check interval", &old.interval_s, interval_s);
    object.seconds("check time-out", &old.timeout_s, timeout_s);
    object.plain("check tries", &old.retries, retries);
    object.optional("check port", &old.port, port, "the server's own");
}

fn http_check(object: &mut Object<'_>, old: &HttpCheck, new: &HttpCheck) {
    let HttpCheck { method: new_method, path, host, extra_good_statuses } = new;
    object.value("check method", &old.method, new_method, |it| method(*it).into());
    object.text("check path", &old.path, path);
    object.optional("check host", &old.host, host, "the server's address");
    object.value("extra good statuses", &old.extra_good_statuses, extra_good_statuses, |list| list_of(list));
}

const fn method(method: HttpMethod) -> &'static str {
    match method {
        HttpMethod::Head => "HEAD",
        HttpMethod::Get => "GET",
    }
}

fn timeouts(object: &mut Object<'_>, old: &ServiceTimeouts, new: &ServiceTimeouts) {
    let ServiceTimeouts { request_head_s, connect_s, response_head_s, idle_s, keep_alive_s } = new;
    object.seconds("request head time-out", &old.request_head_s, request_head_s);
    object.seconds("connect time-out", &old.connect_s, connect_s);
    object.seconds("response head time-out", &old.response_head_s, response_head_s);
    object.seconds("idle time-out", &old.idle_s, idle_s);
    object.seconds("keep-alive time", &old.keep_alive_s, keep_alive_s);
}

fn limits(object: &mut Object<'_>, old: &Limits, new: &Limits) {
    let Limits { connections, request_head_bytes, request_headers } = new;
    object.plain("limit of connections", &old.connections, connections);
    object.value("limit of a request head", &old.request_head_bytes, request_head_bytes, |it| {
        format!("{it} bytes")
    });
    object.plain("limit of header fields", &old.request_headers, request_headers);
}

fn real_server(object: &mut Object<'_>, old: &RealServer, new: &RealServer) {
    let RealServer { id: _, address, port, weight, enabled } = new;
    object.plain("address", &old.address, address);
    object.plain("port", &old.port, port);
    object.plain("weight", &old.weight.0, &weight.0);
    object.switch(old.enabled, *enabled);
}

fn user(object: &mut Object<'_>, old: &User, new: &User) {
    let User { name: _, password, must_change_password } = new;
    if old.password != *password {
        object.say("password changed");
    }
    if old.must_change_password != *must_change_password {
        object.say(if *must_change_password {
            "the password must be changed at the next sign-in"
        } else {
            "the password need not be changed any more"
        });
    }
}

fn unit(lines: &mut Vec<String>, old: &Unit, new: &Unit) {
    let Unit { hostname, interfaces, default_gateway, name_servers, web_port } = new;
    let mut object = Object { lines, name: String::new() };
    object.text("host name", &old.hostname, hostname);
    object.optional("default gateway", &old.default_gateway, default_gateway, "none");
    object.value("name servers", &old.name_servers, name_servers, |list| list_of(list));
    object.plain("port of the administration pages", &old.web_port, web_port);
    let what = |interface: &Interface| format!("interface {}", interface.name.0);
    each(object.lines, "interfaces", &old.interfaces, interfaces, |it| it.name.clone(), what, interface);
}

fn interface(object: &mut Object<'_>, old: &Interface, new: &Interface) {
    let Interface { name: _, ipv4, mtu, segmentation_offload } = new;
    object.value("IPv4", &old.ipv4, ipv4, |setup| match setup {
        Ipv4Setup::Dhcp => "DHCP".into(),
        Ipv4Setup::Static(StaticIpv4 { address, prefix }) => format!("{address}/{prefix}"),
        Ipv4Setup::None => "no address".into(),
    });
    object.optional("MTU", &old.mtu, mtu, "the driver's");
    object.value("segmentation offload", &old.segmentation_offload, segmentation_offload, |it| {
        it.map_or("as the driver has it", |is_on| if is_on { "on" } else { "off" }).into()
    });
}

fn list_of<T: Display>(list: &[T]) -> String {
    if list.is_empty() {
        return String::from("none");
    }
    list.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
