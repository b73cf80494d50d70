//! A change, applied to a configuration: a pure function.
//!
//! What it makes is complete but not validated; that is done on the whole, because a change can break a rule
//! far from where it was made.

use evener_api::control::{Change, SetUp, Violation};
use evener_config::{Config, Interface, RealServer, RsId, Unit, VirtualService, VsId};
use evener_store::NextIds;

/// What a change made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) config: Config,
    pub(crate) next_ids: NextIds,
    /// The service that was added or changed.
    pub(crate) vs: Option<VsId>,
    /// The server that was added or changed.
    pub(crate) rs: Option<RsId>,
}

/// Why a change cannot even be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// What it is about does not exist.
    NotFound,
    /// An id is none that the sender may give.
    Invalid(Violation),
}

/// Applies a change.
pub(crate) fn apply(config: &Config, next_ids: NextIds, change: &Change) -> Result<Applied, Refused> {
    let mut made = Applied { config: config.clone(), next_ids, vs: None, rs: None };
    let services = &mut made.config.shared.virtual_services;
    let ids = &mut made.next_ids;
    match change {
        Change::AddVs(service) => {
            let path = format!("shared.virtual_services[{}]", services.len());
            let mut service = service.clone();
            if service.id != VsId(0) {
                return Err(given_id(&path));
            }
            service.id = VsId(next(&mut ids.vs, &path)?);
            number_servers(&mut service, &[], ids, &path)?;
            made.vs = Some(service.id);
            services.push(service);
        }
        Change::ReplaceVs(service) => {
            let index = find(services, service.id)?;
            let former = services.get_mut(index).ok_or(Refused::NotFound)?;
            let mut service = service.clone();
            let path = format!("shared.virtual_services[{index}]");
            number_servers(&mut service, &former.real_servers, ids, &path)?;
            made.vs = Some(service.id);
            *former = service;
        }
        Change::DeleteVs(id) => {
            let index = find(services, *id)?;
            services.remove(index);
        }
        Change::AddRs(vs, server) => {
            let index = find(services, *vs)?;
            let service = services.get_mut(index).ok_or(Refused::NotFound)?;
            let path =
                format!("shared.virtual_services[{index}].real_servers[{}]", service.real_servers.len());
            if server.id != RsId(0) {
                return Err(given_id(&path));
            }
            let server = RealServer { id: RsId(next(&mut ids.rs, &path)?), ..server.clone() };
            (made.vs, made.rs) = (Some(*vs), Some(server.id));
            service.real_servers.push(server);
        }
        Change::ReplaceRs(vs, server) => {
            *server_of(services, *vs, server.id)? = server.clone();
            (made.vs, made.rs) = (Some(*vs), Some(server.id));
        }
        Change::DeleteRs(vs, rs) => {
            server_of(services, *vs, *rs)?;
            let index = find(services, *vs)?;
            let service = services.get_mut(index).ok_or(Refused::NotFound)?;
            service.real_servers.retain(|server| server.id != *rs);
            made.vs = Some(*vs);
        }
        Change::ReplaceUnit(unit) => made.config.unit = unit.clone(),
        Change::SetUp(wanted) => set_up(&mut made.config.unit, wanted),
        Change::SetPassword { user, password } => {
            let users = &mut made.config.shared.users;
            let user = users.iter_mut().find(|it| it.name == *user).ok_or(Refused::NotFound)?;
            user.password = password.clone();
            user.must_change_password = false;
        }
        // They need what is not in force any more, or come as a whole: `past.rs`.
        Change::Undo { .. } | Change::Restore { .. } | Change::Replace(_) => return Err(Refused::NotFound),
    }
    Ok(made)
}

/// Sets what quick setup is about; all else stays.
fn set_up(unit: &mut Unit, wanted: &SetUp) {
    unit.hostname.clone_from(&wanted.hostname);
    unit.default_gateway = wanted.default_gateway;
    unit.name_servers.clone_from(&wanted.name_servers);
    for (name, ipv4) in &wanted.ipv4 {
        match unit.interfaces.iter_mut().find(|interface| interface.name == *name) {
            Some(interface) => interface.ipv4 = ipv4.clone(),
            None => {
                let mut interface = Interface::new(name.clone());
                interface.ipv4 = ipv4.clone();
                unit.interfaces.push(interface);
            }
        }
    }
}

/// The ids that come after all those in a configuration.
pub(crate) fn ids_after(config: &Config) -> NextIds {
    let services = &config.shared.virtual_services;
    let vs = services.iter().map(|service| service.id.0).max().unwrap_or(0);
    let servers = services.iter().flat_map(|service| &service.real_servers);
    let rs = servers.map(|server| server.id.0).max().unwrap_or(0);
    NextIds { vs: vs.saturating_add(1), rs: rs.saturating_add(1) }
}

fn find(services: &[VirtualService], id: VsId) -> Result<usize, Refused> {
    services.iter().position(|service| service.id == id).ok_or(Refused::NotFound)
}

fn server_of(services: &mut [VirtualService], vs: VsId, rs: RsId) -> Result<&mut RealServer, Refused> {
    let service = services.iter_mut().find(|service| service.id == vs).ok_or(Refused::NotFound)?;
    service.real_servers.iter_mut().find(|server| server.id == rs).ok_or(Refused::NotFound)
}

/// Gives ids to new servers; the others must have been servers of this service.
fn number_servers(
    service: &mut VirtualService,
    former: &[RealServer],
    ids: &mut NextIds,
    path: &str,
) -> Result<(), Refused> {
    for (index, server) in service.real_servers.iter_mut().enumerate() {
        let path = format!("{path}.real_servers[{index}]");
        if server.id == RsId(0) {
            server.id = RsId(next(&mut ids.rs, &path)?);
        } else if !former.iter().any(|former| former.id == server.id) {
            let reason =
                format!("this service has no real server {}: leave the id out to add a new one", server.id.0);
            return Err(Refused::Invalid(Violation { field: format!("{path}.id"), reason }));
        }
    }
    Ok(())
}

fn given_id(path: &str) -> Refused {
    let reason = String::from("leave the id out: the unit gives one");
    Refused::Invalid(Violation { field: format!("{path}.id"), reason })
}

fn next(counter: &mut u32, path: &str) -> Result<u32, Refused> {
    let id = *counter;
    let reason = String::from("there are no ids left to give");
    let violation = || Refused::Invalid(Violation { field: format!("{path}.id"), reason });
    *counter = id.checked_add(1).ok_or_else(violation)?;
    Ok(id)
}

#[cfg(test)]
mod tests;
