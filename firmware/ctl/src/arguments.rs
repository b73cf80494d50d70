//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

/// Shown after a mistake, and when asked for.
pub const HELP: &str = "\
usage: evener ctl [OPTIONS] firmware [status]
       evener ctl [OPTIONS] firmware inspect FILE
       evener ctl [OPTIONS] firmware install FILE [--even-if-it-failed] [--reboot]
       evener ctl [OPTIONS] firmware restore | discard | cancel | rescue | start-again
       evener ctl [OPTIONS] firmware reboot | wait

  --unit HOST[:PORT]      the unit; port 8443 unless given (or EVENER_UNIT)
  --fingerprint SHA256    of the unit's certificate (or EVENER_FINGERPRINT); without it, it is shown and
                          nothing is sent
  --password-file FILE    first line of FILE is the password (or EVENER_PASSWORD)
  --user NAME             bal unless given
  --json                  the unit's own answers, for programs

  install     shows what the file is, sends it, and waits until the unit has verified it
  --reboot    reboots afterwards and waits until the new firmware is confirmed or given up
  wait        only that waiting";

/// Port of the API.
const PORT: u16 = 8443;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// Explain oneself.
    Help,
    /// This.
    Do(Order),
}

/// Which unit, as whom, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) unit: Unit,
    /// `None`: show it and stop.
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) user: String,
    pub(crate) password: Password,
    pub(crate) json: bool,
    pub(crate) verb: Verb,
}

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// SHA-256 of a certificate's DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) [u8; 32]);

/// Where the password is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    File(PathBuf),
    Given(String),
    Missing,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Status,
    Inspect(PathBuf),
    Install(Install),
    /// The API's own word for a change of the slots.
    Step(&'static str),
    Reboot,
    Wait,
}

/// How to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Install {
    pub(crate) file: PathBuf,
    pub(crate) even_if_it_failed: bool,
    pub(crate) reboot: bool,
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Reads the words after `evener ctl`; `variable` looks into the environment.
pub(crate) fn parse(
    words: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Job, UsageError> {
    let wrong = |text: String| Err(UsageError(text));
    let (mut unit, mut fingerprint) = (variable("EVENER_UNIT"), variable("EVENER_FINGERPRINT"));
    let mut password = variable("EVENER_PASSWORD").map_or(Password::Missing, Password::Given);
    let mut user = String::from("bal");
    let (mut json, mut even_if_it_failed, mut reboot) = (false, false, false);
    let mut plain: Vec<OsString> = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value = |option: &str| {
            let word = words.next().filter(|word| !word.is_empty());
            word.ok_or_else(|| UsageError(format!("{option} needs a value")))
        };
        match word.to_str().unwrap_or_default() {
            "--help" | "-h" => return Ok(Job::Help),
            "--unit" => unit = Some(text(value("--unit")?)?),
            "--fingerprint" => fingerprint = Some(text(value("--fingerprint")?)?),
            "--password-file" => password = Password::File(value("--password-file")?.into()),
            "--user" => user = text(value("--user")?)?,
            "--json" => json = true,
            "--even-if-it-failed" => even_if_it_failed = true,
            "--reboot" => reboot = true,
            option if option.starts_with("--") => return wrong(format!("there is no option {option}")),
            _ => plain.push(word),
        }
    }
    let verb = verb(&plain, even_if_it_failed, reboot)?;
    let Some(unit) = unit else { return wrong(String::from("which unit? --unit HOST[:PORT]")) };
    let fingerprint = fingerprint.map(|text| text.parse()).transpose()?;
    Ok(Job::Do(Order { unit: unit.parse()?, fingerprint, user, password, json, verb }))
}

fn verb(plain: &[OsString], even_if_it_failed: bool, reboot: bool) -> Result<Verb, UsageError> {
    let words: Vec<&str> = plain.iter().map(|word| word.to_str().unwrap_or("?")).collect();
    let file = |at: usize| plain.get(at).map(PathBuf::from).unwrap_or_default();
    let verb = match words.as_slice() {
        ["firmware"] | ["firmware", "status"] => Verb::Status,
        ["firmware", "inspect", _] => Verb::Inspect(file(2)),
        ["firmware", "install", _] => Verb::Install(Install { file: file(2), even_if_it_failed, reboot }),
        ["firmware", "inspect" | "install"] => return Err(UsageError(String::from("which file?"))),
        ["firmware", "restore"] => Verb::Step("restore"),
        ["firmware", "discard"] => Verb::Step("discard"),
        ["firmware", "cancel"] => Verb::Step("cancel"),
        ["firmware", "rescue"] => Verb::Step("rescue"),
        ["firmware", "start-again"] => Verb::Step("start-again"),
        ["firmware", "reboot"] => Verb::Reboot,
        ["firmware", "wait"] => Verb::Wait,
        [] => return Err(UsageError(String::from("what is to be done? firmware …"))),
        other => return Err(UsageError(format!("{:?} is not known here", other.join(" ")))),
    };
    if (even_if_it_failed || reboot) && !matches!(verb, Verb::Install(_)) {
        return Err(UsageError(String::from("--even-if-it-failed and --reboot belong to install")));
    }
    Ok(verb)
}

fn text(word: OsString) -> Result<String, UsageError> {
    word.into_string().map_err(|_| UsageError(String::from("a value is not UTF-8")))
}

impl FromStr for Unit {
    type Err = UsageError;

    fn from_str(text: &str) -> Result<Self, UsageError> {
        let wrong = || UsageError(format!("{text:?} is not HOST or HOST:PORT"));
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
        } else if text.matches(':').count() > 1 {
            // An IPv6 address without brackets has no port.
            (text, None)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| wrong())?;
        if host.is_empty() || port == 0 || host.contains(['/', '@', ' ']) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Fingerprint {
    type Err = UsageError;

    fn from_str(text: &str) -> Result<Self, UsageError> {
        let wrong = || UsageError(format!("{text:?} is not a SHA-256 fingerprint: 64 hexadecimal digits"));
        let digits: Vec<u32> = text
            .chars()
            .filter(|letter| *letter != ':')
            .map(|letter| letter.to_digit(16))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let bytes: Vec<u8> =
            digits.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect();
        if digits.len() != 64 {
            return Err(wrong());
        }
        bytes.try_into().map(Self).map_err(|_| wrong())
    }
}

/// As the unit's log writes it.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        f.write_str(&bytes.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Job, UsageError> {
        parse(line.split_whitespace().map(Into::into), |_| None)
    }

    #[test]
    fn options_stand_anywhere_and_the_verb_is_found() {
        let print = "ab".repeat(32);
        let line = format!(
            "firmware --unit lb:9000 install --json a.evfw --reboot --fingerprint {print} --user me --password-file p"
        );
        let install = Install { file: "a.evfw".into(), even_if_it_failed: false, reboot: true };
        let expected = Order {
            unit: Unit { host: String::from("lb"), port: 9000 },
            fingerprint: Some(Fingerprint([0xab; 32])),
            user: String::from("me"),
            password: Password::File("p".into()),
            json: true,
            verb: Verb::Install(install),
        };
        assert_eq!(parsed(&line), Ok(Job::Do(expected)));
        assert_eq!(parsed("firmware --help"), Ok(Job::Help));
    }

    #[test]
    fn the_environment_is_used_where_nothing_is_given() {
        let variable = |name: &str| {
            let print = "00:".repeat(31) + "01";
            [("EVENER_UNIT", "::1"), ("EVENER_FINGERPRINT", &print), ("EVENER_PASSWORD", "secret")]
                .iter()
                .find(|(one, _)| *one == name)
                .map(|(_, value)| String::from(*value))
        };
        let Ok(Job::Do(order)) = parse([OsString::from("firmware")], variable) else { panic!("no order") };
        assert_eq!(order.unit.to_string(), "[::1]:8443");
        assert_eq!(order.fingerprint.unwrap().0[31], 1);
        assert_eq!(order.password, Password::Given(String::from("secret")));
        assert!(!format!("{order:?}").contains("secret"));
        assert_eq!(order.verb, Verb::Status);
    }

    #[test]
    fn units_are_names_or_addresses() {
        for (text, host, port) in [
            ("lb.example", "lb.example", 8443),
            ("192.0.2.1:443", "192.0.2.1", 443),
            ("[2001:db8::1]:443", "2001:db8::1", 443),
            ("[2001:db8::1]", "2001:db8::1", 8443),
            ("2001:db8::1", "2001:db8::1", 8443),
        ] {
            assert_eq!(text.parse(), Ok(Unit { host: host.to_owned(), port }), "{text}");
        }
        for text in ["", ":8443", "lb:0", "lb:x", "https://lb", "lb/x", "[::1", "[::1]x"] {
            assert!(text.parse::<Unit>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, part) in [
            ("", "what is to be done"),
            ("firmware", "which unit"),
            ("--unit lb firmware install", "which file"),
            ("--unit lb firmware explode", "explode"),
            ("--unit lb firmware --fast", "--fast"),
            ("--unit lb firmware restore --reboot", "belong to install"),
            ("--unit lb --fingerprint abc firmware", "64 hexadecimal digits"),
            ("firmware --unit", "--unit needs"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
