//! Quick setup: one question after the other, then all of it as one change.

use crate::setup::{Addressing, Setup, addressing, gateway, name_servers, typed};

/// Most interfaces that are listed; more fit on no screen.
const LISTED: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Interface,
    Address,
    Gateway,
    NameServers,
    HostName,
    Confirm,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The next question, or the same one again, after these words.
    Ask(Option<String>),
    /// Make the change.
    Apply(Box<Setup>),
    /// Nothing is to be changed, for this reason.
    Leave(&'static str),
}

/// The questions and what was answered so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    before: Setup,
    after: Setup,
    port: usize,
    step: Step,
}

impl Form {
    pub(crate) fn new(setup: Setup) -> Self {
        let step = if setup.ports.len() == 1 { Step::Address } else { Step::Interface };
        Self { after: setup.clone(), before: setup, port: 0, step }
    }

    /// The same questions once more, with what was answered as proposals.
    pub(crate) fn again(self) -> Self {
        let step = if self.after.ports.len() == 1 { Step::Address } else { Step::Interface };
        Self { step, ..self }
    }

    /// What stands above the questions.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        let line = |text: &str| (String::new(), text.to_owned());
        if self.step == Step::Confirm {
            let mut lines = vec![line("This is to be changed, all at once:"), line("")];
            lines.extend(self.changes());
            return lines;
        }
        let mut lines = vec![
            line("Enter keeps what stands in brackets. Nothing is changed before the end; Ctrl-C leaves."),
            line(""),
        ];
        let ports = self.after.ports.iter().take(LISTED);
        lines.extend(ports.map(|port| (port.name.clone(), format!("{}, {}", port.addressing, port.note))));
        lines
    }

    pub(crate) fn prompt(&self) -> String {
        let port = self.after.ports.get(self.port);
        let (name, now) = port.map_or(("", Addressing::Unused), |port| (port.name.as_str(), port.addressing));
        match self.step {
            Step::Interface => format!("Interface [{name}]: "),
            Step::Address => format!("Address of {name}: dhcp, none or address/prefix [{now}]: "),
            Step::Gateway => format!("Default gateway, - for none [{}]: ", typed(self.after.gateway)),
            Step::NameServers => {
                format!("Name servers, - for none [{}]: ", typed(&self.after.name_servers))
            }
            Step::HostName => format!("Host name [{}]: ", self.after.hostname),
            Step::Confirm => String::from("Type yes to make this change: "),
        }
    }

    /// Whether the question begins a screen of its own.
    pub(crate) fn begins_screen(&self) -> bool {
        self.step == Step::Confirm
    }

    /// An answer was typed.
    pub(crate) fn take(&mut self, text: &str) -> Next {
        if self.step == Step::Confirm {
            return match text {
                "yes" => Next::Apply(Box::new(self.after.clone())),
                _ => Next::Leave("Nothing was changed."),
            };
        }
        if !text.is_empty()
            && let Err(reason) = self.set(text)
        {
            return Next::Ask(Some(reason));
        }
        self.step = match self.step {
            Step::Interface => Step::Address,
            Step::Address => Step::Gateway,
            Step::Gateway => Step::NameServers,
            Step::NameServers => Step::HostName,
            Step::HostName | Step::Confirm => Step::Confirm,
        };
        if self.step == Step::Confirm && self.before == self.after {
            return Next::Leave("Everything stays as it is: nothing was changed.");
        }
        Next::Ask(None)
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        match self.step {
            Step::Interface => {
                let found = self.after.ports.iter().position(|port| port.name == text);
                self.port = found.ok_or_else(|| format!("interface: there is no {text}"))?;
            }
            Step::Address => {
                let wanted = addressing(text)?;
                if let Some(port) = self.after.ports.get_mut(self.port) {
                    port.addressing = wanted;
                }
            }
            Step::Gateway => self.after.gateway = gateway(text)?,
            Step::NameServers => self.after.name_servers = name_servers(text)?,
            Step::HostName => text.clone_into(&mut self.after.hostname),
            Step::Confirm => {}
        }
        Ok(())
    }

    fn changes(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let mut add = |label: &str, before: String, after: String| {
            if before != after {
                lines.push((label.to_owned(), format!("{after} (until now {before})")));
            }
        };
        for (before, after) in self.before.ports.iter().zip(&self.after.ports) {
            add(&after.name, before.addressing.to_string(), after.addressing.to_string());
        }
        add("gateway", typed(self.before.gateway), typed(self.after.gateway));
        add("name servers", typed(&self.before.name_servers), typed(&self.after.name_servers));
        add("host name", self.before.hostname.clone(), self.after.hostname.clone());
        lines
    }
}
