//! control: the configuration and its changes.

use core::net::{IpAddr, Ipv4Addr};
use evener_config::{
    Config, InterfaceName, Ipv4Setup, PasswordHash, RealServer, RsId, Shared, Unit, User, VirtualService,
    VsId,
};
use serde::{Deserialize, Serialize};

pub use evener_config::Violation;

/// A configuration as it became valid: never changed afterwards, only followed by the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Counts every accepted change, from 1. Zero: the unit has no configuration yet.
    pub generation: u64,
    /// What was set.
    pub config: Config,
}

/// What may be asked of control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Answered by [`Reply::Snapshot`].
    Get,
    /// From here on the connection carries a [`Snapshot`] now and after every change. Password hashes are left
    /// out for every service but web and console.
    Subscribe,
    /// Change the configuration, by web; by console only [`Change::SetUp`] and [`Change::SetPassword`]. Answered by
    /// [`Reply::Accepted`], [`Reply::Invalid`], [`Reply::Conflict`] or [`Reply::Failed`].
    Apply(Box<Transaction>),
    /// The last generations, newest first, at most this many. Answered by [`Reply::History`].
    History(u16),
    /// What an operator must know about the configuration and its store. Answered by [`Reply::Warnings`].
    Warnings,
    /// What a change would do, by web only: validated as [`Request::Apply`] does it, and not made. Answered by
    /// [`Reply::Difference`], or by what would refuse it.
    Try(Box<Transaction>),
    /// One generation as it was, by web only. Answered by [`Reply::Generation`] or [`Reply::NotFound`].
    Generation(u64),
    /// The difference between two generations, by web only. Answered by [`Reply::Difference`] or [`Reply::NotFound`].
    Compare {
        /// The one to start from.
        from: u64,
        /// The one to come to.
        to: u64,
    },
    /// What is lost while a firmware runs that reads records of the configuration up to this format, by web and update
    /// only. Answered by [`Reply::Lost`].
    LostBy(u16),
}

/// One change, validated and stored as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Who asked for it: a user's name, or `evener.toml`.
    pub author: String,
    /// The generation that the change was made for; when it is not the newest the change is refused. Absent: no matter.
    pub based_on: Option<u64>,
    /// Why, in the words of who asked: up to [`MAX_REASON`] characters, none of them a control character.
    pub reason: Option<String>,
    /// What to do.
    pub change: Change,
}

/// Most characters of [`Transaction::reason`].
pub const MAX_REASON: usize = 256;

/// What to do to the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Id zero; control gives one and returns it in [`Accepted::vs`].
    AddVs(VirtualService),
    /// The whole service anew. Real servers with id zero are new.
    ReplaceVs(VirtualService),
    /// With all its real servers.
    DeleteVs(VsId),
    /// Id zero; control gives one and returns it in [`Accepted::rs`].
    AddRs(VsId, RealServer),
    /// The whole server anew.
    ReplaceRs(VsId, RealServer),
    /// One server.
    DeleteRs(VsId, RsId),
    /// Network settings and name of this unit.
    ReplaceUnit(Unit),
    /// What the menu of the console sets: how the unit is reached and what it is called. All else of the unit stays, its
    /// secrets too, which console never sees.
    SetUp(SetUp),
    /// A new password, which its owner chose: `must_change_password` falls.
    SetPassword {
        /// Whose.
        user: String,
        /// Argon2id, computed by the caller.
        password: PasswordHash,
    },
    /// Takes back exactly what a generation changed, on top of what is in force now; what was deleted comes back with its
    /// ids. Refused with [`Reply::Clashes`] where later ones changed the same. To redo is to undo the undoing. Passwords of
    /// accounts that are there stay as they are.
    Undo {
        /// Which.
        generation: u64,
    },
    /// Brings back a whole generation, but for the accounts, which stay as they are: nobody is locked out by it.
    Restore {
        /// Which.
        generation: u64,
    },
    /// The parts of a backup in the place of what is there.
    Replace(Box<Parts>),
}

/// How a unit is reached and what it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetUp {
    /// The unit's name.
    pub hostname: String,
    /// Interfaces that get their IPv4 address in this way from now on; one without settings gets some. The others stay.
    pub ipv4: Vec<(InterfaceName, Ipv4Setup)>,
    /// Next hop of the default route.
    pub default_gateway: Option<Ipv4Addr>,
    /// In order of preference.
    pub name_servers: Vec<IpAddr>,
}

/// Parts of a configuration. An absent one stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Everything that a pair has in common; the accounts in it do not count.
    pub services: Option<Shared>,
    /// The unit's own settings.
    pub unit: Option<Unit>,
    /// All accounts. One that has its first password in there keeps the one that it has now: nobody knows the other.
    pub users: Option<Vec<User>>,
}

/// Control's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Request::Get`].
    Snapshot(Box<Snapshot>),
    /// The change is stored and on its way to every service.
    Accepted(Accepted),
    /// Nothing was changed, because of these.
    Invalid(Vec<Violation>),
    /// Nothing was changed: `based_on` is not the newest generation.
    Conflict {
        /// The newest.
        newest: u64,
    },
    /// Nothing was changed: no such service, server or generation.
    NotFound,
    /// Nothing was changed: later generations changed the same as the one that was to be taken back. Each place by its
    /// path, such as `shared.virtual_services[id=3].port`, with the object's name and those generations.
    Clashes(Vec<Violation>),
    /// To [`Request::Generation`].
    Generation(Box<Generation>),
    /// To [`Request::Compare`] and [`Request::Try`]: in words, one line each; empty when there is none.
    Difference(Vec<String>),
    /// Nothing was changed: this service may not ask this.
    Forbidden,
    /// Nothing was changed: it could not be stored.
    Failed(String),
    /// To [`Request::History`].
    History(Vec<GenerationInfo>),
    /// To [`Request::Warnings`]: in words, each with what to do about it. Empty while all is well.
    Warnings(Vec<String>),
    /// To [`Request::LostBy`].
    Lost {
        /// The generation that such a firmware would run with; absent when it could read none and would start anew.
        generation: Option<u64>,
        /// What that generation lacks of the newest, one line each. Empty when nothing is lost.
        lines: Vec<String>,
    },
}

/// An accepted change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The generation it made.
    pub generation: u64,
    /// The service that was added or changed.
    pub vs: Option<VsId>,
    /// The server that was added or changed.
    pub rs: Option<RsId>,
}

/// One generation in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationInfo {
    /// Its number.
    pub generation: u64,
    /// Who made it.
    pub author: String,
    /// Seconds since 1970-01-01 UTC by the unit's clock.
    pub unix_s: u64,
    /// Why, in the words of who made it.
    pub reason: Option<String>,
    /// The generation that it takes back.
    pub undoes: Option<u64>,
    /// The generation that it brings back as a whole.
    pub restores: Option<u64>,
    /// The difference to the one before, in words, one line each.
    pub summary: Vec<String>,
}

/// One generation as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// What the history says of it.
    pub info: GenerationInfo,
    /// What was in force; every password hash is empty.
    pub config: Config,
}

/// Why a generation was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// In the words of who made it.
    pub reason: Option<String>,
    /// The generation that it takes back.
    pub undoes: Option<u64>,
    /// The generation that it brings back as a whole.
    pub restores: Option<u64>,
}
